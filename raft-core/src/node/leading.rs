//! Leading: proposals out, responses in, commit (behaviour.md 7.2, 7.3, 7.6, 9.1, 9.2;
//! Raft paper 5.3, 5.4.2).

use bytes::Bytes;

use super::error::{CommitError, SendError};
use super::following::PAUSE_QUORUM_ENTRIES;
use super::input::{InboundResponse, Proposal};
use super::output::SubscriptionKind;
use super::persist::Newly;
use super::timers::Timer;
use super::{Bug, LogLevel, Node, ProposeError, Role};
use crate::types::{Entry, Index, PeerId, Term};
use crate::wire::{
    APPEND_ENTRY_HEAD_LEN, AppendEntry, AppendEntryHead, AppendEntryResponse, EncodeError,
    MESSAGE_LEN_MAX, RECORD_HEAD_LEN, Subject,
};

/// A batch of proposals is sent once its data reaches this many bytes …
const BATCH_BYTES: usize = 256 * 1024;
/// … or this many entries.
const BATCH_ENTRIES: usize = 4_096;
/// Room for records in a message that a catch-up can still re-encode with a full trailer.
const BODY_BYTES: usize = MESSAGE_LEN_MAX - 10 - APPEND_ENTRY_HEAD_LEN;

impl Node {
    /// Proposes one entry of application data in `term` (server: `Propose`).
    ///
    /// # Errors
    /// [`ProposeError::NotLeader`] when this node does not lead `term` or steps down under its
    /// backlog; [`ProposeError::Backlog`] while too many bytes wait for their commit; the fatal
    /// error once the node has failed; [`ProposeError::TooLarge`].
    pub fn propose(&mut self, term: Term, data: Bytes) -> Result<(), ProposeError> {
        self.propose_batch(term, [Entry::normal(data)])
    }

    /// Proposes entries in `term`, contiguously (server: `ProposeMulti`).
    ///
    /// # Errors
    /// As [`Node::propose`]; nothing was taken then.
    pub fn propose_batch(
        &mut self,
        term: Term,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), ProposeError> {
        let taken = self.check_proposal(term).and_then(|()| {
            let proposal = |entry| {
                check_entry(&entry)?;
                Ok(Proposal::new(term, entry))
            };
            let proposals: Result<Vec<_>, _> = entries.into_iter().map(proposal).collect();
            self.proposals.extend(proposals?);
            Ok(())
        });
        if let Err(why) = &taken {
            self.counters.refused.count(why);
        }
        taken
    }

    fn check_proposal(&mut self, term: Term) -> Result<(), ProposeError> {
        if let Some(error) = &self.fatal {
            return Err(ProposeError::Failed(error.clone()));
        }
        if self.is_closed() {
            return Err(ProposeError::Closed);
        }
        if self.role != Role::Leader || term != self.term || self.step_down_if_overrun() {
            return Err(ProposeError::NotLeader);
        }
        if self.is_backlog_full() {
            return Err(ProposeError::Backlog {
                have: self.backlog_bytes(),
                max: self.backlog_bytes_max(),
            });
        }
        Ok(())
    }

    /// Proposes here when leading, otherwise sends the data to the leader and forgets it
    /// (server: `ForwardProposal`).
    ///
    /// # Errors
    /// As [`Node::propose`] when leading.
    pub fn forward_proposal(&mut self, data: Bytes) -> Result<(), ProposeError> {
        if self.role == Role::Leader {
            return self.propose(self.term, data);
        }
        check_entry_size(data.len())?;
        if self.is_closed() {
            return Err(ProposeError::Closed);
        }
        let subject = self.subjects.proposal.clone();
        self.send_rpc(&subject, None, data);
        Ok(())
    }

    /// The backlog, uncommitted or unapplied, is over its limit (server: `isLeaderOverrun`).
    pub(super) fn is_overrun(&self) -> bool {
        let applied = self.applied.max(self.snapshot_index);
        let commit = self.commit.max(self.snapshot_index);
        self.last_index.since(commit) > PAUSE_QUORUM_ENTRIES
            || commit.since(applied) > PAUSE_QUORUM_ENTRIES
    }

    pub(super) fn step_down_if_overrun(&mut self) -> bool {
        if !self.is_overrun() {
            return false;
        }
        self.overrun_count += 1;
        self.note(
            LogLevel::Warn,
            "stepped down: the backlog is over its limit".to_owned(),
        );
        self.switch_to_follower(None);
        true
    }

    /// Entry into the leader loop (behaviour.md 5.4).
    pub(super) fn enter_leader_loop(&mut self) {
        self.leading_term = self.term;
        self.subscribe(SubscriptionKind::Proposal, self.subjects.proposal.clone());
        self.subscribe(SubscriptionKind::Removal, self.subjects.removal.clone());
        self.timers
            .arm(Timer::Heartbeat, self.now.after(self.timing.heartbeat));
        self.timers.arm(
            Timer::LostQuorum,
            self.now.after(self.timing.lost_quorum_check),
        );
    }

    pub(super) fn leave_leader_loop(&mut self) {
        for kind in [SubscriptionKind::Proposal, SubscriptionKind::Removal] {
            if let Some(id) = self.subscriptions.of_kind(kind) {
                self.unsubscribe(id);
            }
        }
        self.timers.disarm(Timer::Heartbeat);
        self.timers.disarm(Timer::LostQuorum);
    }

    pub(super) fn heartbeat_tick(&mut self) {
        let interval = self.timing.heartbeat;
        self.timers.arm(Timer::Heartbeat, self.now.after(interval));
        if self
            .last_stored_at
            .is_none_or(|at| self.now.since(at) >= interval)
        {
            self.send_heartbeat();
        }
    }

    pub(super) fn lost_quorum_tick(&mut self) {
        self.timers.arm(
            Timer::LostQuorum,
            self.now.after(self.timing.lost_quorum_check),
        );
        if self.lost_quorum() {
            self.note(
                LogLevel::Warn,
                "stepped down: the quorum was lost".to_owned(),
            );
            self.switch_to_follower(None);
        }
    }

    /// An append entry without entries: no place in the log, same format. It is always small
    /// enough to be sent.
    pub(super) fn send_heartbeat(&mut self) {
        let sent = self.send_append_entry::<Entry>(&[]);
        debug_assert!(sent.is_ok() || self.role != Role::Leader, "{sent:?}");
    }

    /// Sends what was proposed, in batches (behaviour.md 7.2).
    ///
    /// Differs from the server: a membership change keeps its place among the proposals; there it
    /// overtakes those before it (SE-3).
    pub(super) fn send_proposals(&mut self) {
        if self.proposals.is_empty() {
            return;
        }
        let mut proposals = self.proposals.take();
        let term = self.leading_term;
        let stale = proposals.iter().filter(|p| p.term != term);
        self.refuse(stale);
        proposals.retain(|p| p.term == term);
        for batch in Batches(&proposals) {
            if let [proposal] = batch
                && proposal.entry.kind.changes_membership()
            {
                self.send_proposed_change(&proposal.entry);
                continue;
            }
            let index = self.last_index.next();
            self.await_append(index, batch);
            if let Err(error) = self.send_append_entry(batch) {
                self.revoke_append(index);
                self.note(
                    LogLevel::Warn,
                    format!("dropped {} proposals: {error}", batch.len()),
                );
            }
        }
        for proposal in &proposals {
            if let Some(reply) = &proposal.reply {
                // "Taken from the queue", whether or not it was appended (SE-32).
                self.send_reply(reply, Bytes::new());
            }
        }
        self.proposals.reuse(proposals);
    }

    fn send_proposed_change(&mut self, entry: &Entry) {
        let peer = PeerId::from_text(&entry.data);
        let was_sent = peer.is_ok_and(|peer| self.send_membership_change(entry.kind, peer));
        if !was_sent {
            self.note(
                LogLevel::Debug,
                "dropped a membership change: nothing to change".to_owned(),
            );
        }
    }

    /// Encodes the entries once, stores the bytes, sends them, and commits them at once when
    /// nobody else has to agree (behaviour.md 7.3).
    ///
    /// Differs from the server: the bytes are sent before they are durable here; our own copy
    /// counts towards the commit only once it is (Raft thesis 10.2.1).
    pub(super) fn send_append_entry<E: AsEntry>(&mut self, entries: &[E]) -> Result<(), SendError> {
        if self.role != Role::Leader {
            return Err(SendError::NotLeader);
        }
        let message = self.build_append_entry(entries)?;
        let frame = message.frame().clone();
        if !message.is_heartbeat() {
            self.store_to_wal(self.term, frame.clone())
                .map_err(|_| SendError::Store)?;
            self.last_stored_at = Some(self.now);
            self.uncommitted.add(self.last_index, frame.len());
            self.cache_pending_entry(message);
        }
        let subject = self.subjects.append_entry.clone();
        self.send_rpc(&subject, Some(self.response_inbox.clone()), frame);
        if self.quorum <= 1 && self.durability.durable_index() >= self.last_index {
            self.commit_alone(self.last_index);
        }
        Ok(())
    }

    /// The next append entry with these entries (server: `buildAppendEntry`).
    pub(super) fn build_append_entry<E: AsEntry>(
        &self,
        entries: &[E],
    ) -> Result<AppendEntry, EncodeError> {
        let head = AppendEntryHead {
            leader: self.id,
            term: self.term,
            commit: self.commit,
            prev_term: self.last_term,
            prev_index: self.last_index,
            leader_term: Term::ZERO,
        };
        let parts = entries.iter().map(|entry| {
            let entry = entry.as_entry();
            (entry.kind, entry.data.as_ref())
        });
        AppendEntry::encode(head, parts)
    }

    /// Everything that answers our append entries (behaviour.md 7.6).
    pub(super) fn process_append_entry_responses(&mut self) {
        let commit = self.commit;
        while let Some(InboundResponse { reply, message }) = self.responses.pop_front() {
            self.process_append_entry_response(message, reply);
            if self.role != Role::Leader {
                self.responses.clear();
            }
        }
        // Followers learn of the commit with the next entries, or else now.
        if self.commit > commit && self.role == Role::Leader && self.proposals.is_empty() {
            self.send_heartbeat();
        }
    }

    /// One answer (server: `processAppendEntryResponse`).
    pub(super) fn process_append_entry_response(
        &mut self,
        response: AppendEntryResponse,
        reply: Option<Subject>,
    ) {
        self.track_peer(response.peer);
        if response.success {
            if self.track_response(response.peer, response.term, response.index) {
                self.try_commit(response.index);
            }
        } else if let Some(inbox) = reply {
            self.catchup_follower(response, inbox);
        } else if response.term > self.term {
            self.adopt_term(response.term, "a follower is in a later term");
        }
    }

    /// Records an acknowledgement; says whether it may have completed a quorum
    /// (behaviour.md 9.1). Only entries of the current term count (Raft paper 5.4.2).
    pub(super) fn track_response(&mut self, id: PeerId, term: Term, index: Index) -> bool {
        if self.role != Role::Leader {
            return false;
        }
        let is_member = match self.peers.get_mut(&id) {
            Some(peer) => {
                peer.last_index = peer.last_index.max(index);
                true
            }
            None => false,
        };
        self.report_progress(id, index);
        // Nobody can hold an entry this leader has not sent: such an answer is not ours. Nor is one
        // in our own name; our own copy is counted apart.
        let is_ours = index <= self.last_index && id != self.id;
        let is_of_term = term == self.term
            || self.has_bug(Bug::CommitsOlderTerms)
            || self.has_bug(Bug::AcknowledgesCatchup);
        let counts = is_member || self.has_bug(Bug::CountsRemovedPeers);
        if index <= self.commit || !is_of_term || !counts || !is_ours {
            return false;
        }
        self.acks.record(index, id);
        true
    }

    /// Commits up to `index` if a quorum holds exactly that entry (behaviour.md 9.2). Our own
    /// copy counts while we are a member and once it is durable.
    ///
    /// Differs from the server: who acknowledged and was removed since does not count any more.
    /// The quorum is that of the members left, so a stranger's copy must not help to fill it. And
    /// our own copy alone is no quorum for an entry of an earlier leadership (Raft paper 5.4.2).
    pub(super) fn try_commit(&mut self, index: Index) -> bool {
        let counts_all = self.has_bug(Bug::CountsRemovedPeers);
        let is_member = |id: &PeerId| counts_all || self.peers.contains_key(id);
        let is_durable = self.durability.durable_index() >= index;
        let own = is_member(&self.id) && (is_durable || self.has_bug(Bug::CountsItselfBeforeSync));
        let others = self.acks.count(index, is_member);
        let is_of_this_term = others > 0 || index >= self.leads_from;
        if !is_of_this_term || others + usize::from(own) < self.quorum as usize {
            return false;
        }
        self.commit_through(index)
    }

    /// Our own copies up to `newly.index` are durable: whatever they complete commits. What was
    /// durable before was tried when it was acknowledged.
    pub(super) fn commit_durable(&mut self, newly: Newly) {
        if self.role != Role::Leader {
            return;
        }
        let before = self.commit;
        if let Some(index) = newly.alone {
            self.commit_alone(index);
        }
        let mut index = newly.index;
        if self.quorum > 1 {
            index = index.min(self.acks.last());
        }
        while index > self.commit.max(newly.before) && !self.try_commit(index) {
            index = index.prev();
        }
        if self.commit > before && self.role == Role::Leader && self.proposals.is_empty() {
            self.send_heartbeat();
        }
    }

    /// Commits an entry that was appended under a quorum of one.
    fn commit_alone(&mut self, index: Index) {
        if self.peers.contains_key(&self.id) {
            self.commit_through(index);
        }
    }

    fn commit_through(&mut self, index: Index) -> bool {
        let mut next = self.commit.next();
        while next <= index {
            match self.apply_commit(next) {
                Ok(()) => next = next.next(),
                Err(CommitError::NodeRemoved) => {
                    // We committed our own removal: hand over, then stop (behaviour.md 7.6).
                    self.hand_over_and_stop();
                    return true;
                }
                Err(CommitError::Closed | CommitError::EntryLoadFailed) => return false,
            }
        }
        true
    }
}

/// Anything that holds an entry to be sent.
pub(super) trait AsEntry {
    fn as_entry(&self) -> &Entry;
}

impl AsEntry for Entry {
    fn as_entry(&self) -> &Entry {
        self
    }
}

impl AsEntry for Proposal {
    fn as_entry(&self) -> &Entry {
        &self.entry
    }
}

/// Cuts proposals into runs of one append entry each. A membership change is a run of its own.
struct Batches<'a>(&'a [Proposal]);

impl<'a> Iterator for Batches<'a> {
    type Item = &'a [Proposal];

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let mut count = 0;
        for proposal in self.0 {
            let len = proposal.entry.data.len() + 1;
            if proposal.entry.kind.changes_membership() {
                count = count.max(1);
                break;
            }
            if count > 0 && bytes + len + 4 * (count + 1) > BODY_BYTES {
                break;
            }
            bytes += len;
            count += 1;
            if bytes >= BATCH_BYTES || count >= BATCH_ENTRIES {
                break;
            }
        }
        let (batch, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(batch)
    }
}

/// Whether an entry may be proposed: membership goes its own way, and the size has to fit.
pub(crate) fn check_entry(entry: &Entry) -> Result<(), ProposeError> {
    if entry.kind.changes_membership() {
        return Err(ProposeError::MembershipEntry);
    }
    check_entry_size(entry.data.len())
}

/// Whether one entry fits a message and, with a catch-up's trailer, a log record.
pub(crate) const fn check_entry_size(len: usize) -> Result<(), ProposeError> {
    let max = BODY_BYTES - RECORD_HEAD_LEN;
    if len > max {
        return Err(ProposeError::TooLarge { have: len, max });
    }
    Ok(())
}
