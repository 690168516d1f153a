//! What an application holds of a node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::hosted::NodeInner;
use super::logs::LogRecord;
use super::metrics::add;
use crate::config::SyncPolicy;
use crate::node::{
    AdjustError, CampaignError, Committed, EvictError, FatalError, LeadChange, MembershipError,
    Node, NodeStatus, PauseError, PeerStatus, Proposal, ProposalOutcome, ProposalTag, ProposeError,
    RescueError, Role, StepDownError, proposal_bytes,
};
#[cfg(feature = "testing")]
use crate::shard::Faulted;
use crate::storage::StorageError;
use crate::types::{Entry, EntryType, GroupName, Index, PeerId, Term};

/// Entries up to this size need no further check before they are queued; larger ones ask the
/// node, which knows the limits.
const UNCHECKED_BYTES_MAX: usize = 64 * 1024;

/// How often, and how long each time, a node that falls behind is looked at again before it is
/// called unhealthy (behaviour.md 12.1).
const HEALTH_CHECKS: u32 = 10;
const HEALTH_CHECK_EVERY: Duration = Duration::from_millis(1);

/// A running node. Clones are the same node; every method may be called from any thread.
///
/// A command takes the node's lock for a moment, never while a disk works. Role, term and leader
/// are read without it. Once the node has stopped, commands are refused and readings stay.
#[derive(Clone, Debug)]
pub struct NodeHandle(pub(super) Arc<NodeInner>);

/// Identity and readings without a lock.
impl NodeHandle {
    /// The server it runs on.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.0.peer_id
    }

    /// Its group.
    #[must_use]
    pub fn group(&self) -> &GroupName {
        &self.0.group
    }

    /// The host's number for it.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.0.token
    }

    /// When it was started, in nanoseconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.0.created
    }

    /// Its role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.slot.published().role()
    }

    /// Leader, and the application has processed its first entry.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0.slot.published().is_leader()
    }

    /// Its term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.0.slot.published().term()
    }

    /// The leader it believes in.
    #[must_use]
    pub fn leader(&self) -> Option<PeerId> {
        self.0.slot.published().leader()
    }

    /// Its backlog is over the limit.
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        self.0.slot.published().is_overrun()
    }

    /// Stopped or failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.role() == Role::Closed
    }

    /// The policy its log is synced by.
    #[must_use]
    pub fn sync_policy(&self) -> SyncPolicy {
        self.0.core.config.sync
    }

    /// What its code panicked with, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.0.slot.fault().map(str::to_owned)
    }

    /// Ends the node as if its own code had panicked with `why`: for a boundary that caught a
    /// panic of its own around a call. The node answers nothing more; its host hears of it.
    pub fn fail(&self, why: &str) {
        self.0.slot.fail(why);
        self.0.thaw();
    }
}

/// Proposing.
impl NodeHandle {
    /// Proposes one entry of application data in `term`. Taken is not committed: the entry may
    /// still be lost with the leadership.
    ///
    /// # Errors
    /// [`ProposeError::NotLeader`] when this node does not lead `term` or is overrun,
    /// [`ProposeError::Backlog`], [`ProposeError::Closed`], [`ProposeError::Failed`],
    /// [`ProposeError::TooLarge`].
    pub fn propose(&self, term: Term, data: Bytes) -> Result<(), ProposeError> {
        let size = Size::of([data.len()]);
        self.propose_all(term, size, std::iter::once(Entry::normal(data)))
    }

    /// As [`NodeHandle::propose`]; once taken, the proposal has an outcome under `tag`, to be
    /// taken with [`NodeHandle::take_outcomes`].
    ///
    /// # Errors
    /// As [`NodeHandle::propose`]; then there is no outcome.
    pub fn propose_awaited(
        &self,
        term: Term,
        data: Bytes,
        tag: ProposalTag,
    ) -> Result<(), ProposeError> {
        let size = Size::of([data.len()]);
        let proposal = Proposal {
            tag: Some(tag),
            ..Proposal::new(term, Entry::normal(data.clone()))
        };
        if self.leave_at_once(term, size, std::iter::once(proposal)) {
            return Ok(());
        }
        self.propose_now(|node| node.propose_awaited(term, data, tag))
    }

    /// Takes outcomes of awaited proposals, the oldest first, from a frozen or stopped node too. A
    /// node whose code panicked has none: what it was asked is undecided.
    #[must_use]
    pub fn take_outcomes(&self, max: usize) -> Vec<ProposalOutcome> {
        let taken = self.0.slot.inspect(|node| node.take_outcomes(max));
        self.0.pass_on(taken).unwrap_or_default()
    }

    /// Proposes entries in `term`: all of them, next to each other, or none.
    ///
    /// # Errors
    /// As [`NodeHandle::propose`].
    pub fn propose_batch(&self, term: Term, entries: Vec<Entry>) -> Result<(), ProposeError> {
        let plain = |entry: &Entry| entry.kind == EntryType::Normal;
        let mut size = Size::of(entries.iter().map(|entry| entry.data.len()));
        if !entries.iter().all(plain) {
            size.largest = usize::MAX;
        }
        self.propose_all(term, size, entries.into_iter())
    }

    /// Proposes entries of application data cut out of one buffer, `lengths` long each.
    ///
    /// # Errors
    /// As [`NodeHandle::propose`]; [`ProposeError::TooLarge`] also when the lengths do not add up
    /// to the buffer's.
    pub fn propose_slices(
        &self,
        term: Term,
        packed: Bytes,
        lengths: &[u32],
    ) -> Result<(), ProposeError> {
        let total = lengths
            .iter()
            .try_fold(0_usize, |sum, len| sum.checked_add(*len as usize));
        if total != Some(packed.len()) {
            let have = total.unwrap_or(usize::MAX);
            return Err(ProposeError::TooLarge {
                have,
                max: packed.len(),
            });
        }
        let size = Size::of(lengths.iter().map(|len| *len as usize));
        let mut rest = packed;
        let cut = lengths
            .iter()
            .map(|len| Entry::normal(rest.split_to(*len as usize)));
        self.propose_all(term, size, cut)
    }

    fn propose_all(
        &self,
        term: Term,
        size: Size,
        entries: impl Iterator<Item = Entry>,
    ) -> Result<(), ProposeError> {
        let mut proposals = entries.map(|entry| Proposal::new(term, entry));
        if self.leave_at_once(term, size, proposals.by_ref()) {
            return Ok(());
        }
        let entries = proposals.map(|proposal| proposal.entry);
        self.propose_now(|node| node.propose_batch(term, entries))
    }

    /// Leaves proposals for the next turn where that needs no word of the node; false, with
    /// nothing taken, where it does.
    pub(super) fn leave_at_once(
        &self,
        term: Term,
        size: Size,
        proposals: impl Iterator<Item = Proposal>,
    ) -> bool {
        let Self(inner) = self;
        let is_open = term != Term::ZERO && inner.slot.published().accepting() == term;
        let is_left = is_open
            && size.largest <= UNCHECKED_BYTES_MAX
            && inner.slot.push_proposals(size.bytes, proposals);
        if is_left {
            inner.touch();
        }
        is_left
    }

    fn propose_now(
        &self,
        run: impl FnOnce(&mut Node) -> Result<(), ProposeError>,
    ) -> Result<(), ProposeError> {
        let Self(inner) = self;
        let Some(outcome) = inner.pass_on(inner.slot.command_after_proposals(run)) else {
            add(&inner.core.counted.refused_closed, 1);
            return Err(ProposeError::Closed);
        };
        inner.touch();
        outcome
    }

    /// Proposes here when leading, otherwise sends the data to the leader and forgets it.
    ///
    /// # Errors
    /// As [`NodeHandle::propose`] when leading.
    pub fn forward_proposal(&self, data: Bytes) -> Result<(), ProposeError> {
        self.0
            .command(|node| node.forward_proposal(data))
            .unwrap_or(Err(ProposeError::Closed))
    }
}

/// What a batch of proposals weighs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// The longest entry.
    largest: usize,
    /// What all of them count for in the backlog.
    bytes: u64,
}

impl Size {
    pub(super) fn of(lengths: impl IntoIterator<Item = usize>) -> Self {
        lengths.into_iter().fold(Self::default(), |size, len| Self {
            largest: size.largest.max(len),
            bytes: size.bytes + proposal_bytes(len),
        })
    }
}

/// Applying.
impl NodeHandle {
    /// Takes what is committed, in order: up to `max_entries` items and about `max_bytes`, at
    /// least one item if there is any.
    #[must_use]
    pub fn take_applied(&self, max_entries: usize, max_bytes: usize) -> Vec<Committed> {
        let Self(inner) = self;
        let taken = inner
            .slot
            .command(|node| node.take_applied(max_entries, max_bytes));
        let taken = inner.pass_on(taken).unwrap_or_default();
        add(&inner.core.counted.applied, taken.len() as u64);
        taken
    }

    /// How many items wait to be taken.
    #[must_use]
    pub fn apply_len(&self) -> usize {
        self.0.slot.peek(Node::apply_len)
    }

    /// The application worked through everything up to `index` and is done, for good, with
    /// everything up to `applied`. How many entries and about how many bytes a snapshot would
    /// now free.
    pub fn processed(&self, index: Index, applied: Index) -> (u64, u64) {
        let now = self.0.core.clock.now();
        let outcome = self.0.slot.command(|node| {
            let freed = node.processed(index, applied, now);
            (freed, node.wants_turn())
        });
        let Some((freed, wants_turn)) = self.0.pass_on(outcome) else {
            return (0, 0);
        };
        // It only moves marks: the shard need not look, unless there is something else to do.
        if wants_turn {
            self.0.touch();
        }
        freed
    }

    /// The newest change of leadership not taken yet.
    #[must_use]
    pub fn take_lead_change(&self) -> Option<LeadChange> {
        self.0
            .pass_on(self.0.slot.command(Node::take_lead_change))?
    }

    /// Holds committed entries back until [`NodeHandle::resume_apply`].
    ///
    /// # Errors
    /// [`PauseError::AlreadyLeader`]: a leader has to step down first. [`PauseError::Closed`] when
    /// the node has failed.
    pub fn pause_apply(&self) -> Result<(), PauseError> {
        let now = self.0.core.clock.now();
        self.0
            .command(|node| node.pause_apply(now))
            .unwrap_or(Err(PauseError::Closed))
    }

    /// Hands on what was held back and goes on applying.
    pub fn resume_apply(&self) {
        let now = self.0.core.clock.now();
        let _ = self.0.command(|node| node.resume_apply(now));
    }
}

/// State.
impl NodeHandle {
    /// One consistent picture. A failed node shows what it was, but closed.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let now = self.0.core.clock.now();
        let mut status = self.0.slot.peek(|node| node.status(now));
        if let Some(fault) = self.0.slot.fault() {
            status.role = Role::Closed;
            status.is_leader = false;
            status.fatal = Some(fault.to_owned());
        }
        status
    }

    /// The members as this node sees them.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = self.0.core.clock.now();
        self.0.slot.peek(|node| node.peers(now))
    }

    /// When `peer` was last heard from, in nanoseconds since 1970.
    #[must_use]
    pub fn last_heard(&self, peer: PeerId) -> Option<u64> {
        let heard = self.0.slot.peek(|node| node.last_heard(peer))?;
        Some(self.0.core.clock.unix_nanos(heard))
    }

    /// The write error or other failure that closed the node.
    #[must_use]
    pub fn fatal_error(&self) -> Option<FatalError> {
        self.0.slot.peek(|node| node.fatal_error().cloned())
    }

    /// The newest warning or error the node has logged, with the moment it was.
    #[must_use]
    pub fn last_problem(&self) -> Option<LogRecord> {
        self.0.last_problem()
    }

    /// Whether the node is up to date, or catching up while we look: waits up to ten milliseconds
    /// for its applies to get closer (server: `Healthy`).
    #[must_use]
    pub fn check_health(&self) -> bool {
        let start = match self.health() {
            Health::Settled(healthy) => return healthy,
            Health::Behind(lag) => lag,
        };
        for _ in 0..HEALTH_CHECKS {
            // Nothing tells when applies advance; a stop ends the wait.
            if self.wait_stopped(Some(HEALTH_CHECK_EVERY)) {
                return false;
            }
            match self.health() {
                Health::Settled(healthy) => return healthy,
                Health::Behind(lag) if lag < start => return true,
                Health::Behind(_) => {}
            }
        }
        false
    }

    fn health(&self) -> Health {
        if self.is_closed() {
            return Health::Settled(false);
        }
        let now = self.0.core.clock.now();
        self.0
            .slot
            .peek(|node| match node.is_current_but_for_applies(now) {
                Some(current) => Health::Settled(current),
                None if node.is_current(now) => Health::Settled(true),
                None => Health::Behind(node.lag()),
            })
    }
}

enum Health {
    Settled(bool),
    Behind(u64),
}

/// Leading.
impl NodeHandle {
    /// Gives up the leadership, to `preferred` if it is given.
    ///
    /// # Errors
    /// [`StepDownError`]; nothing happened then.
    pub fn step_down(&self, preferred: &[PeerId]) -> Result<(), StepDownError> {
        let now = self.0.core.clock.now();
        let outcome = self.0.command(|node| node.step_down(preferred, now));
        outcome.unwrap_or(Err(StepDownError::NotLeader))
    }

    /// Asks for the leadership soon, or at once.
    ///
    /// # Errors
    /// [`CampaignError`]; nothing happened then.
    pub fn campaign(&self, immediately: bool) -> Result<(), CampaignError> {
        let now = self.0.core.clock.now();
        let outcome = self.0.command(|node| node.campaign(immediately, now));
        outcome.unwrap_or(Err(CampaignError::Closed))
    }

    /// Enters or leaves observer mode.
    pub fn set_observer(&self, observer: bool) {
        let now = self.0.core.clock.now();
        let _ = self.0.command(|node| node.set_observer(observer, now));
    }

    /// Proposes a peer as a member.
    ///
    /// # Errors
    /// [`MembershipError`]; nothing happened then.
    pub fn propose_add_peer(&self, peer: PeerId) -> Result<(), MembershipError> {
        let outcome = self.0.command(|node| node.propose_add_peer(peer));
        outcome.unwrap_or(Err(MembershipError::Closed))
    }

    /// Proposes that a member leaves; when not leading, asks the leader and forgets it.
    ///
    /// # Errors
    /// [`MembershipError`]; nothing happened then.
    pub fn propose_remove_peer(&self, peer: PeerId) -> Result<(), MembershipError> {
        let outcome = self.0.command(|node| node.propose_remove_peer(peer));
        outcome.unwrap_or(Err(MembershipError::Closed))
    }

    /// Drops members of a managed group that lost its quorum; which ones were dropped.
    ///
    /// # Errors
    /// [`EvictError`]; nothing happened then. A failed node says [`EvictError::Closed`].
    pub fn evict_peers(&self, peers: &[PeerId]) -> Result<Vec<PeerId>, EvictError> {
        let now = self.0.core.clock.now();
        let outcome = self.0.command(|node| node.evict_peers(peers, now));
        outcome.unwrap_or(Err(EvictError::Closed))
    }

    /// Lowers the quorum for a while; the quorum before and now.
    ///
    /// # Errors
    /// [`RescueError`]; nothing happened then.
    pub fn rescue_quorum(&self, quorum: u32) -> Result<(u32, u32), RescueError> {
        let now = self.0.core.clock.now();
        let outcome = self.0.command(|node| node.rescue_quorum(quorum, now));
        outcome.unwrap_or(Err(RescueError::Closed))
    }

    /// Sets the size of a cluster that never had a leader.
    ///
    /// # Errors
    /// [`AdjustError::Established`] once a leader was known.
    pub fn adjust_boot_cluster_size(&self, size: u32) -> Result<(), AdjustError> {
        let outcome = self.0.command(|node| node.adjust_boot_cluster_size(size));
        outcome.unwrap_or(Err(AdjustError::NotLeader))
    }

    /// Sets the size of a running cluster and announces it.
    ///
    /// # Errors
    /// [`AdjustError::NotLeader`].
    pub fn adjust_cluster_size(&self, size: u32) -> Result<(), AdjustError> {
        let now = self.0.core.clock.now();
        let outcome = self.0.command(|node| node.adjust_cluster_size(size, now));
        outcome.unwrap_or(Err(AdjustError::NotLeader))
    }
}

/// Ending.
impl NodeHandle {
    /// Stops the node: it answers nothing from now on. The STOPPED event follows once it has
    /// left its shard.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Waits until the node has left its shard; false when the time is up.
    pub fn wait_stopped(&self, timeout: Option<Duration>) -> bool {
        self.0.wait_stopped(timeout)
    }

    /// Stops the node, waits for it and removes its folder. Blocks on the disk. Until it returns
    /// no other node of the group can be started on this server.
    ///
    /// # Errors
    /// [`StorageError::Io`]; [`StorageError::Closed`] when the node had stopped before and its
    /// group is in other hands by now.
    pub fn delete(&self) -> Result<(), StorageError> {
        self.0.delete()
    }

    /// Whether [`NodeHandle::delete`] has removed the folder.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.0.is_deleted()
    }
}

/// Standing still.
impl NodeHandle {
    /// Lets the node's messages, timers and commands wait until [`NodeHandle::unfreeze`]. It can
    /// be read meanwhile, and stopped.
    pub fn freeze(&self) {
        self.0.slot.freeze();
    }

    /// Lets the node go on.
    pub fn unfreeze(&self) {
        self.0.thaw();
    }

    /// Runs a test call on the node, frozen or not.
    ///
    /// # Errors
    /// [`Faulted`] when the node has failed.
    #[cfg(feature = "testing")]
    pub fn with_node<R>(&self, run: impl FnOnce(&mut Node) -> R) -> Result<R, Faulted> {
        let result = self.0.pass_on(self.0.slot.inspect(run)).ok_or(Faulted)?;
        self.0.touch();
        Ok(result)
    }
}
