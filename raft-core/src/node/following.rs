//! Append entries as they arrive: log matching, truncation, storing, answering
//! (behaviour.md 7.4; Raft paper 5.3).

use bytes::Bytes;

use super::input::{InboundEntry, Origin};
use super::output::RestsOn;
use super::{Bug, FatalError, LogLevel, Node, Role};
use crate::storage::LoadError;
use crate::types::{EntryType, Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryResponse, Subject};

/// Lag in entries beyond which a follower takes no more.
pub(super) const PAUSE_QUORUM_ENTRIES: u64 = 100_000;
/// Lag in entries at which it takes some again.
const RESUME_QUORUM_ENTRIES: u64 = 10_000;

/// What the consistency check said (behaviour.md 7.4 step 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consistency {
    /// The entry continues our log: store it.
    Continues,
    /// Nothing more to do with it, and nothing to answer.
    Done,
    /// It does not fit, and the catch-up it may belong to is over.
    Mismatch,
}

impl Node {
    pub(super) fn process_append_entries(&mut self) {
        if self.out_of_resources {
            self.entry_queue.clear();
        }
        while !self.snapshots.follows_leader()
            && let Some(InboundEntry {
                origin,
                reply,
                message,
            }) = self.entry_queue.pop_front()
        {
            self.process_append_entry(message, reply.as_ref(), origin);
        }
    }

    /// The append-entry procedure (server: `processAppendEntry`). Steps are numbered as in
    /// behaviour.md 7.4.
    ///
    /// Differs from the server: the election timer is reset after the term check (step 1 there is
    /// step 7 here), so that a stale leader cannot hold elections up (SE-5); and a catch-up entry
    /// never names the leader (SE-24). A snapshot message is never taken for an entry (SE-41).
    pub(super) fn process_append_entry(
        &mut self,
        ae: AppendEntry,
        reply: Option<&Subject>,
        origin: Origin,
    ) {
        // Step 2. What arrives while our log is about to be replaced waits in the queue.
        if self.role == Role::Closed || self.fatal.is_some() || self.snapshots.follows_leader() {
            return;
        }
        let is_live = origin == Origin::Live;
        let term = ae.effective_term();
        // No entry is of a later term than its sender, nor the entry before it of a later one. What
        // is stale besides is answered as that.
        let contradicts_itself = ae.head.term > term || ae.head.prev_term > ae.head.term;
        let is_stale = is_live && term < self.term;
        if contradicts_itself && !is_stale && origin != Origin::Replay {
            self.counters.messages_malformed += 1;
            self.note(LogLevel::Warn, format!("dropped {ae:?}: its terms fall"));
            return;
        }
        let named = is_live.then_some(ae.head.leader);

        // Steps 3 and 4.
        if self.role == Role::Leader {
            if term < self.term {
                self.respond_stale(reply);
                return;
            }
            self.follow(term, named);
        } else if self.role == Role::Candidate && term >= self.term {
            self.follow(term, named);
            self.update_lead_change(false);
        }

        // Step 5.
        let mut catching_up = self.catchup.is_some();

        // Step 6: a left-over of an inbox that is not ours any more.
        if let Origin::Catchup(sub) = origin {
            let ours = self
                .catchup
                .as_ref()
                .is_some_and(|catchup| catchup.sub == sub);
            let old = ae.head.leader_term == Term::ZERO || ae.head.prev_index < self.last_index;
            if !ours && old {
                return;
            }
        }

        // Step 7.
        if term > self.term {
            self.raise_term(term);
            if self.role != Role::Follower {
                self.switch_to_follower(named);
            }
        } else if term < self.term && origin != Origin::Replay {
            if is_live {
                self.respond_stale(reply);
                return;
            }
            if ae.head.leader_term != Term::ZERO {
                return;
            }
        }
        if !self.transfer_pending {
            self.reset_election_timeout();
        }

        // Step 8.
        if catching_up {
            if self.catchup_reached_target() {
                self.cancel_catchup();
                catching_up = false;
            } else if is_live {
                if self.catchup_stalled() {
                    self.request_catchup(&ae, reply);
                }
                return;
            }
        }

        // Step 9.
        if is_live {
            self.track_leader(ae.head.leader);
        }

        // Step 10.
        if origin != Origin::Replay && self.is_quorum_paused(catching_up) {
            return;
        }

        // A snapshot stands in place of entries we lack. One that does not is of no use.
        let is_snapshot = matches!(origin, Origin::Catchup(_)) && is_leader_snapshot(&ae);
        if is_snapshot && ae.head.prev_index <= self.last_index {
            return;
        }
        if self.has_bug(Bug::CommitsBeforeMatching) {
            self.commit_up_to(ae.head.commit);
        }

        // Step 11.
        let is_next = ae.head.prev_index == self.last_index
            && (ae.head.prev_term == self.last_term || self.has_bug(Bug::SkipsConsistencyCheck));
        if !is_next {
            if ae.head.prev_index <= self.last_index {
                match self.reconcile(&ae, is_live) {
                    Consistency::Continues => {}
                    Consistency::Done => return,
                    Consistency::Mismatch => {
                        self.cancel_catchup();
                        return;
                    }
                }
            } else if catching_up {
                self.follow_snapshot(&ae);
                return;
            } else {
                self.request_catchup(&ae, reply);
                return;
            }
        }

        self.accept(ae, reply, origin, catching_up);
    }

    /// Steps 12 to 15: the entry continues our log.
    fn accept(
        &mut self,
        ae: AppendEntry,
        reply: Option<&Subject>,
        origin: Origin,
        catching_up: bool,
    ) {
        let is_live = origin == Origin::Live;
        let commit = ae.head.commit;
        if !ae.is_heartbeat() {
            if origin == Origin::Replay {
                self.last_term = ae.head.term;
                self.last_index = ae.index();
            } else if self.store_to_wal(ae.head.term, ae.frame().clone()).is_err() {
                return;
            } else {
                self.reset_initializing();
            }
            self.inspect(&ae, is_live);
            self.cache_pending_entry(ae);
        }
        if commit > self.commit {
            if catching_up {
                self.send_catchup_signal();
            }
            self.commit_up_to(commit);
        }
        let answers = is_live || self.has_bug(Bug::AcknowledgesCatchup);
        if answers && self.role != Role::Closed {
            let response = AppendEntryResponse {
                term: self.last_term,
                index: self.last_index,
                peer: self.id,
                success: true,
            };
            self.respond(reply, response, None);
        }
    }

    /// Step 13: what has an effect before it commits.
    fn inspect(&mut self, ae: &AppendEntry, is_live: bool) {
        for entry in ae.entries() {
            let peer = || PeerId::from_text(entry.data).ok();
            match entry.kind {
                EntryType::LeaderTransfer if is_live && peer() == Some(self.id) => {
                    self.receive_transfer();
                }
                EntryType::AddPeer => peer().into_iter().for_each(|p| self.append_addition(p)),
                EntryType::RemovePeer => peer().into_iter().for_each(|p| self.append_removal(p)),
                _ => {}
            }
        }
    }

    /// Step 14: commits what the sender says is committed, as far as the log goes.
    pub(super) fn commit_up_to(&mut self, commit: Index) {
        // What lies beyond our log now, nobody has said to be committed: other entries may come.
        let upto = commit.min(self.last_index);
        if self.paused {
            self.held_commit = self.held_commit.max(upto);
            return;
        }
        let mut index = self.commit.next();
        while index <= upto && self.apply_commit(index).is_ok() {
            index = index.next();
        }
    }

    /// A leader or candidate meets an entry of its term or a later one.
    fn follow(&mut self, term: Term, leader: Option<PeerId>) {
        if term > self.term {
            self.raise_term(term);
        }
        self.switch_to_follower(leader);
    }

    fn respond_stale(&mut self, reply: Option<&Subject>) {
        let response = AppendEntryResponse {
            term: self.term,
            index: self.last_index,
            peer: self.id,
            success: false,
        };
        self.respond(reply, response, None);
    }

    /// Queues an answer to an append entry.
    fn respond(
        &mut self,
        reply: Option<&Subject>,
        response: AppendEntryResponse,
        inbox: Option<Subject>,
    ) {
        let Some(reply) = reply else { return };
        let rests_on = if response.success {
            RestsOn::Log(response.index)
        } else {
            RestsOn::TermVote
        };
        let payload = Bytes::copy_from_slice(&response.encode());
        self.publish_after(rests_on, reply, inbox, payload);
    }

    /// Asks the leader for what lies between our log and `ae` (behaviour.md 8.1).
    fn request_catchup(&mut self, ae: &AppendEntry, reply: Option<&Subject>) {
        let inbox = self.create_catchup(ae);
        let response = AppendEntryResponse {
            term: self.last_term,
            index: self.last_index,
            peer: self.id,
            success: false,
        };
        self.respond(reply, response, Some(inbox));
    }

    /// Step 9: adopts the leader of a live entry, and notes that it was heard from.
    ///
    /// Differs from the server: a pending transfer to this node ends when another leader is
    /// adopted; the server lets it campaign against the new leader.
    fn track_leader(&mut self, leader: PeerId) {
        if self.role == Role::Follower && self.leader != Some(leader) {
            self.transfer_pending = false;
            self.update_leader(Some(leader));
            self.reset_election_timeout();
            self.update_lead_change(false);
        }
        if self.leader == Some(leader)
            && let Some(peer) = self.peers.get_mut(&leader)
        {
            peer.last_heard = Some(self.now);
        }
    }

    /// Step 10: entries are refused, silently, while applying lags too far.
    fn is_quorum_paused(&mut self, catching_up: bool) -> bool {
        let applied = self.applied.max(self.snapshot_index);
        let lag = self.commit.max(self.snapshot_index).since(applied);
        if self.quorum_paused {
            if lag > RESUME_QUORUM_ENTRIES {
                if catching_up {
                    self.cancel_catchup();
                }
                return true;
            }
            self.quorum_paused = false;
        } else if lag > PAUSE_QUORUM_ENTRIES {
            self.quorum_paused = true;
            self.overrun_count += 1;
            self.note(
                LogLevel::Warn,
                format!("paused: {lag} entries are not applied"),
            );
            if catching_up {
                self.cancel_catchup();
            }
            return true;
        }
        false
    }

    /// Step 11A: the entry goes back to or before our tail and does not match it.
    ///
    /// Differs from the server: what is already in our log is never cut off because its message
    /// arrives again, or late; the server cuts whatever stands behind the message's position,
    /// entries it acknowledged included. And an entry of ours that cannot be read stops the group,
    /// where the server takes it for absent and may cut the log at it.
    fn reconcile(&mut self, ae: &AppendEntry, is_live: bool) -> Consistency {
        let (prev_term, prev_index) = (ae.head.prev_term, ae.head.prev_index);
        // Row 1: everything up to the commit is the same everywhere.
        if prev_index < self.commit {
            return Consistency::Done;
        }
        match self.has_already(ae) {
            Ok(true) => return Consistency::Done,
            Ok(false) => {}
            Err(_) => return Consistency::Mismatch,
        }
        let Ok(existing) = self.load_entry(prev_index) else {
            return Consistency::Mismatch;
        };
        let cut_to = match existing {
            // Row 4: the position is that of our snapshot, so committed: the leader has the same
            // entry there, whatever term either of us names for it (SE-29, SE-30). What we have
            // behind it is not what the message brings.
            None if prev_index == self.snapshot_index && prev_index > Index::ZERO => {
                (prev_term, prev_index)
            }
            // Row 2: we have it already.
            None if prev_term == self.last_term && is_live => return Consistency::Done,
            // Row 3: our tail is where the leader says, under the term the leader says.
            None if prev_index == self.last_index => {
                self.truncate_wal(prev_term, prev_index, ae.head.leader);
                return Consistency::Mismatch;
            }
            // Row 5: we do not have the position at all.
            None => {
                self.reset_wal(ae.head.leader);
                return Consistency::Mismatch;
            }
            // Row 6: the position matches, what we have behind it does not.
            Some(existing) if existing.head.term == prev_term => (prev_term, prev_index),
            // Row 7: the entry at the commit itself differs; no leader may say that.
            Some(existing) if existing.head.prev_index < self.commit => return Consistency::Done,
            // Row 8: drop it and all after.
            Some(existing) => {
                let (term, index) = (existing.head.prev_term, existing.head.prev_index);
                self.truncate_wal(term, index, ae.head.leader);
                return Consistency::Mismatch;
            }
        };
        if self.truncate_wal(cut_to.0, cut_to.1, ae.head.leader) {
            Consistency::Continues
        } else {
            Consistency::Done
        }
    }

    /// Whether our log holds what the message brings, or, for a heartbeat, what its leader
    /// appended after sending it. Index and term name an entry (Raft paper 5.3), so there is no
    /// conflict, and only a conflict is a reason to cut.
    fn has_already(&mut self, ae: &AppendEntry) -> Result<bool, Unloadable> {
        if ae.head.prev_index >= self.last_index || self.has_bug(Bug::CutsOnRepeat) {
            return Ok(false);
        }
        let term = if ae.is_heartbeat() {
            ae.effective_term()
        } else {
            ae.head.term
        };
        let ours = self.load_entry(ae.index())?;
        Ok(ours.is_some_and(|e| e.head.prev_term == ae.head.prev_term && e.head.term == term))
    }

    /// The entry at `index`, `None` when the log does not reach there (server: `loadEntry`).
    pub(super) fn load_entry(&mut self, index: Index) -> Result<Option<AppendEntry>, Unloadable> {
        match self.log.load(index) {
            Ok(frame) => match AppendEntry::decode(frame) {
                Ok(entry) => Ok(Some(entry)),
                Err(error) => Err(self.unreadable(index, &error)),
            },
            Err(LoadError::Missing | LoadError::BeyondEnd) => Ok(None),
            Err(LoadError::Closed) => Err(Unloadable),
            Err(error) => Err(self.unreadable(index, &error)),
        }
    }

    fn unreadable(&mut self, index: Index, why: &dyn std::error::Error) -> Unloadable {
        self.set_write_err(FatalError::Unreadable {
            index,
            why: why.to_string(),
        });
        Unloadable
    }

    /// The first entry of a leader arrived: the node is not new any more (behaviour.md 7.5).
    pub(super) fn reset_initializing(&mut self) {
        self.initializing = false;
        if std::mem::take(&mut self.scale_up) {
            self.set_observer_now(false, 0);
        }
    }
}

/// An entry that is there cannot be read; the node has failed and says why.
#[derive(Debug, thiserror::Error)]
#[error("raft: could not load entry from WAL")]
pub(super) struct Unloadable;

/// Whether a catch-up message is a snapshot in place of entries (behaviour.md 8.4), not an entry.
pub(super) fn is_leader_snapshot(ae: &AppendEntry) -> bool {
    let kinds = [EntryType::Snapshot, EntryType::PeerState];
    ae.head.leader_term == Term::ZERO && ae.entries().map(|entry| entry.kind).eq(kinds)
}
