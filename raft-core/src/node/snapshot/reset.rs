//! Starting over: from the snapshot of a start, from the last snapshot, from nothing
//! (behaviour.md 3.6, 9.6, 14.1).

use super::{Node, SnapshotError};
use crate::node::{FatalError, Fate, LogLevel};
use crate::storage::FoundSnapshots;
use crate::time::Instant;
use crate::types::{Index, Term};
use crate::wire::AppendEntry;

impl Node {
    /// Begins from the snapshot that was found (server: `setupLastSnapshot`). It is handed to the
    /// application, and what an interrupted install has left goes.
    ///
    /// Differs from the server: the term is at least the snapshot's. Its file may be on the disk
    /// although the term that was written beside it is not.
    pub(in crate::node) fn setup_last_snapshot(
        &mut self,
        found: FoundSnapshots,
    ) -> Result<(), FatalError> {
        if let Some(newest) = found.newest {
            let index = newest.file.last_index;
            self.check_alignment(index)?;
            self.snapshots.adopted = Some(newest.name);
            self.last_index = index;
            self.last_term = newest.file.last_term;
            if self.last_term > self.term {
                self.raise_term(self.last_term);
            }
            self.commit = index;
            self.snapshot_index = index;
            if !newest.peers.peers.is_empty() {
                self.domain_ext = newest.peers.domain_ext;
                self.process_peer_state(&newest.peers);
            }
            self.apply.push_snapshot(index, newest.file.data);
            self.signal_apply();
            self.drop_stale_log(index, newest.file.last_term)?;
            self.compact_log(index);
        } else {
            self.check_alignment(Index::ZERO)?;
        }
        for name in found.stale {
            self.remove_snapshot_file(name);
        }
        Ok(())
    }

    /// The log has to continue the snapshot; what it has besides, below the snapshot, is dropped.
    ///
    /// Differs from the server: a log that begins or ends elsewhere stops the start. The server
    /// drops such a log, and what was acknowledged in it.
    fn check_alignment(&self, snapshot: Index) -> Result<(), FatalError> {
        let log = self.log.state();
        let continues = log.first <= snapshot.next();
        let is_past_it = log.messages == 0 && log.last > snapshot;
        if continues && !is_past_it {
            return Ok(());
        }
        Err(FatalError::Misaligned {
            snapshot,
            first: log.first,
            last: log.last,
        })
    }

    /// Drops a log that has another entry where the snapshot ends (Raft paper, section 7). The node
    /// had cut it and its snapshot overtook the cut on the way to the disk; nothing of what is
    /// there was acknowledged since, and nothing of it can be committed.
    fn drop_stale_log(&mut self, snapshot: Index, term: Term) -> Result<(), FatalError> {
        let log = self.log.state();
        if snapshot < log.first || log.last <= snapshot {
            return Ok(());
        }
        let index = snapshot.next();
        let unreadable = |why: String| FatalError::Unreadable { index, why };
        let frame = self.log.load(index);
        let frame = frame.map_err(|error| unreadable(error.to_string()))?;
        let after = AppendEntry::decode(frame).map_err(|error| unreadable(error.to_string()))?;
        if after.head.prev_term == term {
            return Ok(());
        }
        self.note(
            LogLevel::Warn,
            format!(
                "dropped the log: it has another entry at {snapshot} than the snapshot; nothing \
                 acknowledged is lost"
            ),
        );
        self.drop_log();
        Ok(())
    }

    /// Hands the last snapshot to the application once more and holds what follows back until
    /// applying is resumed (server: `DrainAndReplaySnapshot`). False when there is no snapshot to
    /// be read. Blocks on the disk.
    ///
    /// Differs from the server: what was processed and applied goes back with the commit, and an
    /// open checkpoint ends; so no snapshot is made of a state the application has left.
    pub fn drain_and_replay_snapshot(&mut self, now: Instant) -> bool {
        self.advance_to(now);
        if self.is_closed() {
            return false;
        }
        let Ok(file) = self.load_last_snapshot_core() else {
            return false;
        };
        self.pause_apply_now();
        self.apply.clear();
        self.cancel_catchup();
        self.snapshots.abort_open();
        self.commit = file.last_index;
        self.processed = self.processed.min(self.commit);
        self.applied = self.applied.min(self.commit);
        self.apply.push_snapshot(file.last_index, file.data);
        self.signal_apply();
        true
    }

    /// Forgets everything but the node's own identity: log, snapshots, membership, term and vote
    /// (server: `Reset`). The caller should have made it an observer, or it elects itself.
    ///
    /// Differs from the server: does nothing on a closed node.
    pub fn reset(&mut self, now: Instant) {
        self.advance_to(now);
        if self.is_closed() {
            return;
        }
        self.switch_to_follower(None);
        self.cancel_catchup();
        self.runs.clear();
        self.progress.clear();
        self.clear_queues();
        self.end_awaited(Fate::Undecided);
        self.snapshots.forget_all();
        self.commit = Index::ZERO;
        self.held_commit = Index::ZERO;
        self.applied = Index::ZERO;
        self.processed = Index::ZERO;
        self.snapshot_index = Index::ZERO;
        if !self.reset_wal(self.id) {
            return;
        }
        self.durability.issue();
        self.membership_change = None;
        let us = self.peers.get(&self.id).copied().unwrap_or_default();
        self.peers.clear();
        self.peers.insert(self.id, us);
        self.removed.clear();
        self.adjust_cluster_size_and_quorum();
        self.term = Term::ZERO;
        self.vote = None;
        self.write_term_vote();
        self.write_peer_state(self.current_peer_state());
    }

    fn clear_queues(&mut self) {
        self.entry_queue.clear();
        self.vote_requests.clear();
        self.vote_responses.clear();
        self.responses.clear();
        self.refuse_proposals();
        // Their indexes will be those of other entries.
        self.end_awaited(Fate::Undecided);
        self.apply.clear();
    }
}

impl super::Snapshots {
    /// There are no snapshots any more; whoever is about to install one hears that it was aborted.
    fn forget_all(&mut self) {
        self.adopted = None;
        self.is_open = false;
        self.drops_all = true;
        // Writes that were not taken never happen; those under way come back and are removed.
        for op in std::mem::take(&mut self.ops) {
            let crate::storage::SnapshotOp::Write(write) = op else {
                continue;
            };
            let never = self.installs.iter().position(|i| i.id.0 == write.id);
            let never = never.and_then(|at| self.installs.remove(at));
            if let Some(id) = never.and_then(|mut install| install.end_wait()) {
                self.outcomes.insert(id, Err(SnapshotError::Aborted));
            }
        }
    }
}
