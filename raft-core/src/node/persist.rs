//! What has to be on disk before it may be spoken of.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Bug, FatalError, LogLevel, Node, Role, signal};
use crate::storage::{GroupWrites, LogKind, StorageError, WriteSeq};
use crate::types::{Index, PeerId, Term};
use crate::wire::{PeerState, TermVote};

/// An appended entry that is not durable yet.
#[derive(Clone, Copy, Debug)]
struct Unsynced {
    seq: WriteSeq,
    index: Index,
    /// The quorum was one when it was appended: its own durability commits it.
    alone: bool,
}

/// What became durable with one sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newly {
    /// The highest index that was durable before.
    pub(super) before: Index,
    /// The highest index that is durable now.
    pub(super) index: Index,
    /// The highest newly durable index that commits by its own durability.
    pub(super) alone: Option<Index>,
}

/// The order of writes and how far it is durable.
///
/// Invariants: `durable <= issued`; `term_vote`, `log <= issued`; `unsynced` rises in `seq` and in
/// `index`; each of its indexes is above `durable_index`.
#[derive(Debug)]
pub(super) struct Durability {
    issued: WriteSeq,
    taken: WriteSeq,
    durable: WriteSeq,
    term_vote: WriteSeq,
    log: WriteSeq,
    unsynced: VecDeque<Unsynced>,
    durable_index: Index,
    /// The last bytes asked for; equal ones are not written again.
    written_term_vote: TermVote,
    written_peers: Option<PeerState>,
    pending_term_vote: Option<TermVote>,
    pending_peers: Option<PeerState>,
}

impl Durability {
    /// After recovery: what was read is durable, and the counting goes on after `last`.
    pub(super) const fn recovered(last: WriteSeq, term_vote: TermVote, index: Index) -> Self {
        Self {
            issued: last,
            taken: last,
            durable: last,
            term_vote: last,
            log: last,
            unsynced: VecDeque::new(),
            durable_index: index,
            written_term_vote: term_vote,
            written_peers: None,
            pending_term_vote: None,
            pending_peers: None,
        }
    }

    /// The number of the next write.
    pub(super) fn issue(&mut self) -> WriteSeq {
        self.issued = WriteSeq(self.issued.0 + 1);
        self.issued
    }

    /// Up to where writes are durable.
    pub(super) const fn durable(&self) -> WriteSeq {
        self.durable
    }

    /// The last write of term and vote: what carries our term waits for it.
    pub(super) const fn term_vote(&self) -> WriteSeq {
        self.term_vote
    }

    /// The last write of term and vote or to the log: what promises an entry waits for it.
    pub(super) fn everything(&self) -> WriteSeq {
        self.term_vote.max(self.log)
    }

    /// The highest index whose entry is durable here.
    pub(super) const fn durable_index(&self) -> Index {
        self.durable_index
    }

    /// Everything up to `index` is in a durable snapshot.
    fn covered_by_snapshot(&mut self, index: Index) {
        self.durable_index = self.durable_index.max(index);
        self.unsynced.retain(|unsynced| unsynced.index > index);
    }

    /// `upto` is durable. `None` when that was known.
    pub(super) fn cover(&mut self, upto: WriteSeq) -> Option<Newly> {
        let upto = upto.min(self.issued);
        if upto <= self.durable {
            return None;
        }
        self.durable = upto;
        let mut newly = Newly {
            before: self.durable_index,
            index: self.durable_index,
            alone: None,
        };
        while let Some(front) = self.unsynced.front().copied().filter(|u| u.seq <= upto) {
            self.unsynced.pop_front();
            newly.index = front.index;
            if front.alone {
                newly.alone = Some(front.index);
            }
        }
        self.durable_index = newly.index;
        Some(newly)
    }

    fn cut(&mut self, last: Index) {
        while self.unsynced.back().is_some_and(|u| u.index > last) {
            self.unsynced.pop_back();
        }
        self.durable_index = self.durable_index.min(last);
    }

    /// No entry of this leadership commits by its own durability any more.
    pub(super) fn end_alone(&mut self) {
        for unsynced in &mut self.unsynced {
            unsynced.alone = false;
        }
    }
}

impl Node {
    /// Everything to be written since the last call, in order. The driver carries it out and
    /// reports with [`Node::handle_durable`] or [`Node::handle_write_failed`]; one batch of a
    /// group at a time.
    pub fn take_writes(&mut self) -> Option<GroupWrites> {
        if self.durability.taken == self.durability.issued && !self.snapshots.has_ops() {
            return None;
        }
        self.durability.taken = self.durability.issued;
        let (snapshots, drop_snapshots) = self.snapshots.take_ops();
        Some(GroupWrites {
            upto: self.durability.issued,
            term_vote: self.durability.pending_term_vote.take(),
            peers: self.durability.pending_peers.take(),
            snapshots,
            log: self.log.take_writes(),
            drop_snapshots,
        })
    }

    /// Puts the current term and vote on their way to the disk unless they are on it
    /// (server: `writeTermVote`).
    pub(super) fn write_term_vote(&mut self) {
        let now = TermVote {
            term: self.term,
            vote: self.vote,
        };
        if self.fatal.is_some() || now == self.durability.written_term_vote {
            return;
        }
        self.durability.written_term_vote = now;
        self.durability.pending_term_vote = Some(now);
        self.durability.term_vote = self.durability.issue();
    }

    /// Puts a membership on its way to `peers.idx` unless it is there (server: `writePeerState`).
    pub(super) fn write_peer_state(&mut self, state: PeerState) {
        if self.fatal.is_some() || self.durability.written_peers.as_ref() == Some(&state) {
            return;
        }
        self.durability.written_peers = Some(state.clone());
        self.durability.pending_peers = Some(state);
        self.durability.issue();
    }

    /// Appends an encoded append entry after the last index (server: `storeToWAL`).
    pub(super) fn store_to_wal(&mut self, term: Term, frame: Bytes) -> Result<(), StoreFailed> {
        if self.fatal.is_some() {
            return Err(StoreFailed);
        }
        let index = self.last_index.next();
        let seq = self.next_log_write();
        if let Err(error) = self.log.append(index, seq, frame) {
            self.fail_storage(error);
            return Err(StoreFailed);
        }
        match self.log_kind {
            LogKind::Memory => self.durability.durable_index = index,
            LogKind::File => {
                self.durability.log = seq;
                let alone = self.quorum <= 1 && self.role == Role::Leader;
                self.durability
                    .unsynced
                    .push_back(Unsynced { seq, index, alone });
            }
        }
        self.last_term = term;
        self.last_index = index;
        Ok(())
    }

    /// Cuts the log to `last`, whose term is `term`, with all that follows from it
    /// (behaviour.md 8.7; server: `truncateWAL`). `leader` is who made us do it.
    ///
    /// Differs from the server: a cut below the commit is refused and closes the group. The
    /// server cuts, with a committed entry lost.
    pub(super) fn truncate_wal(&mut self, term: Term, last: Index, leader: PeerId) -> bool {
        // What is held back while paused is committed as well.
        let commit = self.commit.max(self.held_commit);
        if last < commit {
            self.set_write_err(FatalError::TruncateBelowCommit {
                to: last,
                commit,
                leader,
            });
            return false;
        }
        let seq = self.next_log_write();
        if let Err(error) = self.log.truncate(last, seq) {
            self.fail_storage(error);
            return false;
        }
        if self.log_kind == LogKind::File {
            self.durability.log = seq;
        }
        self.durability.cut(last);
        self.outbox.forget_above(last);
        if self.has_bug(Bug::RevertsTermOnCut) {
            self.term = term;
            self.vote = None;
        }
        self.note(
            LogLevel::Info,
            format!("cut the log to {last} of term {term}"),
        );
        self.last_term = term;
        self.last_index = last;
        self.pending.cut(last);
        self.forget_snapshot_above(last);
        if self
            .membership_change
            .as_ref()
            .is_some_and(|change| change.index > last)
        {
            self.revert_membership_change();
        }
        true
    }

    /// Cuts off everything (server: `resetWAL`).
    pub(super) fn reset_wal(&mut self, leader: PeerId) -> bool {
        self.truncate_wal(Term::ZERO, Index::ZERO, leader)
    }

    /// Drops the whole log, which a snapshot stands for. False when that failed and the node with
    /// it.
    pub(super) fn drop_log(&mut self) -> bool {
        let seq = self.next_log_write();
        if let Err(error) = self.log.truncate(Index::ZERO, seq) {
            self.fail_storage(error);
            return false;
        }
        self.durability.cut(Index::ZERO);
        true
    }

    /// The number of the next change of the log. A memory log has no writes to wait for.
    fn next_log_write(&mut self) -> WriteSeq {
        match self.log_kind {
            LogKind::Memory => self.durability.issued,
            LogKind::File => self.durability.issue(),
        }
    }

    /// Drops the log up to a durable snapshot at `index`; a log that ends before it goes on after
    /// it. False when that failed and the node with it.
    pub(super) fn compact_log(&mut self, index: Index) -> bool {
        let seq = self.next_log_write();
        if let Err(error) = self.log.compact(index.next(), seq) {
            self.fail_storage(error);
            return false;
        }
        self.durability.covered_by_snapshot(index);
        true
    }

    /// Stops the group because its store failed.
    pub(super) fn fail_storage(&mut self, error: StorageError) {
        if matches!(error, StorageError::Closed) {
            return;
        }
        self.set_write_err(FatalError::Storage(error.into()));
    }

    /// Stops the group for good (server: `setWriteErr`). What waited for a write is never said.
    pub(super) fn set_write_err(&mut self, error: FatalError) {
        // Also of a node that was stopped meanwhile.
        self.outbox.drop_waiting();
        if self.fatal.is_some() || self.is_closed() {
            return;
        }
        self.note(LogLevel::Error, error.to_string());
        self.fatal = Some(error);
        self.outbox.raise(signal::FAULT);
        self.stop();
    }

    /// The node has left its driver: its log is not read any more.
    pub(crate) fn release_log(&mut self) {
        self.log.close();
    }

    /// The error that closed the node, if one did.
    #[must_use]
    pub const fn fatal_error(&self) -> Option<&FatalError> {
        self.fatal.as_ref()
    }
}

/// The entry was not stored; the node has failed and says why.
#[derive(Debug, thiserror::Error)]
#[error("raft: could not store entry to WAL")]
pub(super) struct StoreFailed;
