//! Nodes without a shard: a test is their driver, their clock and their network.
//!
//! A detached node is a [`NodeHandle`] like any other, and everything a handle offers works on it.
//! Only the driver differs: in place of a shard the node has [`Hands`], which settle it before a
//! call returns. What the node wants written is written and synced, what waited for that is sent,
//! and sent messages lie ready for [`NodeHandle::take_sent`]. Nothing else happens by itself:
//! queues are popped and timers fire only in a turn, which is played with [`NodeHandle::turn`] and
//! the `run` functions. Its time is the manual clock of its runtime.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::handle::Size;
use super::hosted::{Identity, NodeInner};
use super::metrics::add;
use super::{Loopback, Message, NodeHandle, Runtime, StartError, Transport};
use crate::config::NodeConfig;
use crate::node::{CallError, Mapped, Node, Output, Proposal, Role};
use crate::shard::{Faulted, lock};
use crate::storage::{self, GroupWrites, LogKind, RealDisk, StoreConfig, open_group};
use crate::time::Instant;
use crate::types::{Entry, PeerId, Term};
use crate::wire::{PeerState, Subject, TermVote, VoteRequest, VoteResponse};

/// Where the clock of a runtime with detached nodes is moved to when it stands at zero, which is
/// how "never" is written in a dump.
const START: Instant = Instant::from_nanos(3_600_000_000_000);

/// What a hand-made node does without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetachedFlags {
    /// No members, and a log in memory.
    pub no_log: bool,
    /// What it sends goes nowhere.
    pub no_transport: bool,
}

/// A peer that answers each vote request of a detached node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Who.
    pub peer: PeerId,
    /// Whether it grants its vote.
    pub granted: bool,
    /// Whether it says that its log is empty.
    pub empty: bool,
}

/// Why something was not done with a node's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandsError {
    /// The node has a shard.
    #[error("node is not detached")]
    NotDetached,
    /// The node has failed.
    #[error(transparent)]
    Faulted(#[from] Faulted),
}

/// The driver of a detached node.
#[derive(Debug)]
pub(super) struct Hands {
    state: Mutex<State>,
    /// The write that was under way is over, or disk permits were given back.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    holds_sync: bool,
    /// Writes wait, and with each of them the thread that caused it.
    permits_taken: bool,
    /// One thread writes; what others cause is written by it as well.
    writing: bool,
    no_transport: bool,
    ended: bool,
    sent: Vec<Message>,
    voters: Vec<Voter>,
}

impl Hands {
    fn new(no_transport: bool) -> Self {
        let state = State {
            no_transport,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            moved: Condvar::new(),
        }
    }

    /// Writes, syncs and sends until nothing is left. While disk permits are taken by a test, only
    /// the thread whose write waits for them is kept; the node's own lock is free meanwhile.
    pub(super) fn settle(&self, node: &NodeInner) {
        let mut state = lock(&self.state);
        loop {
            let Some(writes) = state.next_writes(node) else {
                break;
            };
            state.writing = true;
            while state.permits_taken {
                state = self.wait(state);
            }
            drop(state);
            carry_out(node, writes);
            state = lock(&self.state);
            state.writing = false;
            self.moved.notify_all();
        }
        while state.writing && !state.permits_taken {
            state = self.wait(state);
        }
        let leaves = node.slot.peek(Node::is_closed) && !state.writing && !state.holds_sync;
        if leaves && !std::mem::replace(&mut state.ended, true) {
            drop(state);
            // As when a node leaves its shard: its folder is free for the next one.
            node.pass_on_settled(node.slot.inspect(Node::release_log));
            if let Err(error) = lock(node.slot.store()).close() {
                let text = format!("could not close the store: {error}");
                node.core.log(super::LogLevel::Error, text);
            }
            node.ended();
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.moved
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.moved.notify_all();
    }
}

/// Carries out writes and tells the node what became of them.
fn carry_out(node: &NodeInner, writes: GroupWrites) {
    let upto = writes.upto;
    let outcome = {
        let mut store = lock(node.slot.store());
        let written = store.write(writes);
        written.and_then(|snapshots| store.sync(true).map(|()| snapshots))
    };
    let now = node.core.clock.now();
    node.pass_on_settled(node.slot.inspect(|node| match outcome {
        Ok(snapshots) => {
            node.handle_durable(upto, now);
            for outcome in snapshots {
                node.handle_snapshot_written(outcome, now);
            }
        }
        Err(error) => node.handle_write_failed(Arc::new(error), now),
    }));
}

impl State {
    /// Takes from the node what is to be sent, and what is to be written next unless syncs are
    /// held or a write is under way.
    fn next_writes(&mut self, inner: &NodeInner) -> Option<GroupWrites> {
        let now = inner.core.clock.now();
        let holds = self.holds_sync || self.writing;
        let taken = inner.slot.inspect_with_proposals(|node| {
            self.drain(node, now);
            let logs = node.take_logs();
            (logs, if holds { None } else { node.take_writes() })
        });
        let (logs, writes) = inner.pass_on_settled(taken)?;
        for record in logs {
            inner.push_log(record, now);
        }
        writes
    }

    fn drain(&mut self, node: &mut Node, now: Instant) {
        while let Some(output) = node.poll_output() {
            if let Output::Publish {
                subject,
                reply,
                payload,
            } = output
                && !self.no_transport
            {
                self.answer(node, now, (&subject, reply.as_ref(), &payload));
                self.sent.push(Message {
                    from: Some(node.id()),
                    subject: subject.as_str().to_owned(),
                    reply: reply.map_or_else(String::new, |reply| reply.as_str().to_owned()),
                    payload,
                });
            }
        }
    }

    /// Lets the voters answer a vote request.
    fn answer(&self, node: &mut Node, now: Instant, sent: (&Subject, Option<&Subject>, &Bytes)) {
        let (to, reply, payload) = sent;
        let (Some(reply), Ok(request)) = (reply, VoteRequest::decode(payload)) else {
            return;
        };
        if node.vote_subject() != to {
            return;
        }
        let Some(sub) = node.subscription_to(reply.as_str()) else {
            return;
        };
        for voter in &self.voters {
            let vote = VoteResponse {
                term: request.term,
                peer: voter.peer,
                granted: voter.granted,
                empty: voter.empty,
            };
            let vote = Bytes::copy_from_slice(&vote.encode());
            node.handle_message(sub, None, vote, now);
        }
    }
}

/// Opening detached nodes.
impl Runtime {
    /// Opens a node without a shard. A folder that was not bootstrapped is, with this server as
    /// the only member; a hand-made node (`no_log`) has none.
    ///
    /// # Errors
    /// As [`Runtime::start`]; [`StartError::NeedsManualClock`].
    pub fn start_detached(
        &self,
        config: NodeConfig,
        flags: DetachedFlags,
    ) -> Result<NodeHandle, StartError> {
        if !self.core.clock.is_manual() {
            return Err(StartError::NeedsManualClock);
        }
        self.core.clock.move_to(START);
        let key = (config.peer_id, config.group.clone());
        self.core.reserve(key.0, &key.1)?;
        let started = self.start_detached_reserved(config, flags);
        if started.is_err() {
            self.core.release(&key);
        }
        started
    }

    fn start_detached_reserved(
        &self,
        config: NodeConfig,
        flags: DetachedFlags,
    ) -> Result<NodeHandle, StartError> {
        let core = &self.core;
        let link = core.link_for(&config.group).ok_or(StartError::ShutDown)?;
        let dir = config.store_dir();
        let kind = if flags.no_log {
            LogKind::Memory
        } else {
            config.log
        };
        if storage::read_peer_state(&RealDisk, &dir)?.is_none() {
            let alone = (!flags.no_log).then_some(config.peer_id);
            let first = PeerState {
                cluster_size: u32::from(alone.is_some()),
                peers: alone.into_iter().collect(),
                domain_ext: 0,
            };
            storage::bootstrap(&RealDisk, &dir, &first)?;
        }
        let place = StoreConfig {
            dir,
            group: config.group.clone(),
            kind,
        };
        let opened = open_group(Arc::new(RealDisk), &place)?;
        let slot = self.build_slot(&config, opened, true)?;
        let identity = Identity {
            peer_id: config.peer_id,
            group: config.group,
            token: config.token,
        };
        let hands = Hands::new(flags.no_transport);
        let transport = Transport::Loopback(Loopback::new());
        let node = NodeInner::by_hand(core, link, slot, identity, (transport, hands));
        core.register(&node)?;
        add(&core.counted.groups, 1);
        self.apply_settings(&node);
        Ok(NodeHandle(node))
    }
}

/// White-box access, to detached nodes and others.
impl NodeHandle {
    /// Runs a white-box call between two turns of the node, frozen or not.
    ///
    /// # Errors
    /// [`Faulted`] when the node has failed.
    pub fn mapped<R>(&self, run: impl FnOnce(&mut Mapped<'_>) -> R) -> Result<R, Faulted> {
        let now = self.0.core.clock.now();
        self.with_node(|node| run(&mut node.mapped(now)))
    }

    /// Everything there is of the node, as JSON (tests.md 4.4).
    ///
    /// # Errors
    /// [`Faulted`] when the node has failed.
    pub fn dump(&self) -> Result<String, Faulted> {
        let now = self.0.core.clock.now();
        // Only looked at: settling here could take over a write that another thread holds back.
        let looked = self.0.slot.inspect(|node| node.mapped(now).dump());
        let mut all = self.0.pass_on(looked).ok_or(Faulted)?;
        if let Value::Object(all) = &mut all {
            all.insert("now".to_owned(), json!(now.as_nanos()));
            all.insert("sd".to_owned(), json!(self.0.dir()));
        }
        Ok(all.to_string())
    }

    /// Leaves proposals of application data for the node's next turn without asking the node; false
    /// where that cannot be done (server: `tryFastPathPropose`, `tryFastPathProposeMulti`).
    #[must_use]
    pub fn try_fast_path_propose(&self, term: Term, data: Vec<Bytes>) -> bool {
        let size = Size::of(data.iter().map(Bytes::len));
        let proposal = |data| Proposal::new(term, Entry::normal(data));
        self.leave_at_once(term, size, data.into_iter().map(proposal))
    }

    /// Term and vote as they are on the disk (server: `readTermVote`).
    ///
    /// # Errors
    /// [`CallError::Storage`].
    pub fn read_term_vote(&self) -> Result<TermVote, CallError> {
        Ok(storage::read_term_vote(&RealDisk, &self.0.dir())?)
    }
}

/// The hands of a detached node.
impl NodeHandle {
    fn hands(&self) -> Result<&Hands, HandsError> {
        self.0.hands().ok_or(HandsError::NotDetached)
    }

    /// Holds back syncs, and with them what rests on them, or lets them pass.
    ///
    /// # Errors
    /// [`HandsError::NotDetached`].
    pub fn hold_sync(&self, hold: bool) -> Result<(), HandsError> {
        let hands = self.hands()?;
        hands.change(|state| state.holds_sync = hold);
        hands.settle(&self.0);
        Ok(())
    }

    /// Takes all permits to use the disk, so that a thread that writes waits, or gives them back.
    ///
    /// # Errors
    /// [`HandsError::NotDetached`].
    pub fn take_permits(&self, taken: bool) -> Result<(), HandsError> {
        self.hands()?.change(|state| state.permits_taken = taken);
        Ok(())
    }

    /// Moves the clock of the node's runtime. No timer fires but in a turn, the end of a quorum
    /// rescue apart.
    ///
    /// # Errors
    /// [`HandsError`].
    pub fn advance(&self, by: Duration) -> Result<(), HandsError> {
        self.hands()?;
        let clock = &self.0.core.clock;
        clock.move_to(clock.now().after(by));
        let now = clock.now();
        self.with_node(|node| node.expire_rescue_if_due(now))?;
        Ok(())
    }

    /// Lets one more peer answer each vote request from now on; `None` lets nobody any more.
    ///
    /// # Errors
    /// [`HandsError::NotDetached`].
    pub fn auto_answer(&self, voter: Option<Voter>) -> Result<(), HandsError> {
        self.hands()?.change(|state| match voter {
            Some(voter) => state.voters.push(voter),
            None => state.voters.clear(),
        });
        Ok(())
    }

    /// What the node sent since the last call, in order.
    ///
    /// # Errors
    /// [`HandsError::NotDetached`].
    pub fn take_sent(&self) -> Result<Vec<Message>, HandsError> {
        Ok(std::mem::take(&mut lock(&self.hands()?.state).sent))
    }

    /// One turn of the main loop.
    ///
    /// # Errors
    /// [`HandsError`].
    pub fn turn(&self) -> Result<(), HandsError> {
        let hands = self.hands()?;
        self.turn_if(hands, |_| true)?;
        Ok(())
    }

    /// Plays the follower's loop (server: `runAsFollower`), as [`NodeHandle::run_as_candidate`].
    ///
    /// # Errors
    /// [`HandsError`].
    pub fn run_as_follower(&self, limit: Duration) -> Result<Role, HandsError> {
        self.play(Role::Follower, limit)
    }

    /// Plays the candidate's loop (server: `runAsCandidate`): turns, the clock moving to the next
    /// deadline whenever nothing is queued, until the role changes, a new round begins or `limit`
    /// has passed on the clock. The role at the end. Other threads may act between two turns.
    ///
    /// # Errors
    /// [`HandsError`].
    pub fn run_as_candidate(&self, limit: Duration) -> Result<Role, HandsError> {
        self.play(Role::Candidate, limit)
    }

    /// Plays the leader's loop (server: `runAsLeader`), as [`NodeHandle::run_as_candidate`].
    ///
    /// # Errors
    /// [`HandsError`].
    pub fn run_as_leader(&self, limit: Duration) -> Result<Role, HandsError> {
        self.play(Role::Leader, limit)
    }

    /// Plays the main loop (server: `run`) until the node is closed or `limit` has passed on the
    /// clock.
    ///
    /// # Errors
    /// [`HandsError`].
    pub fn run(&self, limit: Duration) -> Result<(), HandsError> {
        let hands = self.hands()?;
        let until = self.0.core.clock.now().after(limit);
        while self.turn_if(hands, |node| !node.is_closed())? && self.goes_on(until) {
            thread::yield_now();
        }
        Ok(())
    }

    fn play(&self, role: Role, limit: Duration) -> Result<Role, HandsError> {
        let hands = self.hands()?;
        let until = self.0.core.clock.now().after(limit);
        let term = self.with_node(|node| {
            node.begin_turns();
            node.term()
        })?;
        let plays =
            |node: &Node| node.role() == role && (role != Role::Candidate || node.term() == term);
        while self.turn_if(hands, plays)? && self.0.slot.peek(plays) && self.goes_on(until) {
            thread::yield_now();
        }
        Ok(self.role())
    }

    /// A turn, if the node is as `wanted` when it begins; whether it was.
    fn turn_if(&self, hands: &Hands, wanted: impl Fn(&Node) -> bool) -> Result<bool, HandsError> {
        let Self(inner) = self;
        let now = inner.core.clock.now();
        let outcome = inner.slot.inspect_with_proposals(|node| {
            let turns = wanted(node);
            if turns {
                node.turn(now);
            }
            turns
        });
        let turned = inner.pass_on_settled(outcome).ok_or(Faulted)?;
        hands.settle(inner);
        Ok(turned)
    }

    /// When nothing is left to do, moves the clock to the next deadline. False when there is none
    /// before `until`.
    fn goes_on(&self, until: Instant) -> bool {
        let (wants_turn, next) = self
            .0
            .slot
            .peek(|node| (node.wants_turn(), node.next_deadline()));
        if wants_turn {
            return true;
        }
        let next = next.filter(|at| *at <= until);
        self.0.core.clock.move_to(next.unwrap_or(until));
        next.is_some()
    }
}
