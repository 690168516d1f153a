//! From commit to the application and back (behaviour.md 9).

use std::collections::VecDeque;

use super::error::CommitError;
use super::{FatalError, Node, PauseError, Role, signal};
use crate::time::Instant;
use crate::types::{Entry, EntryType, Index, PeerId};
use crate::wire::{AppendEntry, EntryRef, PeerState};

/// One item of the apply queue.
#[derive(Clone, Debug)]
pub enum Committed {
    /// A committed index. Items come in index order.
    Entries(CommittedEntry),
    /// The replay of start-up is over, once for each start; or a catch-up that was announced is.
    NilGuard,
    /// What follows until the next nil guard is catch-up and may be coalesced.
    CatchupStarted,
}

/// What one committed index holds for the application: entries of type Normal, Snapshot, AddPeer
/// and RemovePeer. There may be none; the index has to be reported as applied all the same.
#[derive(Clone, Debug)]
pub struct CommittedEntry {
    /// The log index.
    pub index: Index,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// The message as it was stored; its entries are read in place.
    Message(AppendEntry),
    /// Some of its entries were skipped.
    Picked(Vec<Entry>),
}

impl CommittedEntry {
    /// The entries for the application, in order, in place.
    pub fn entries(&self) -> impl Iterator<Item = EntryRef<'_>> {
        let (message, picked) = match &self.body {
            Body::Message(message) => (Some(message.entries()), None),
            Body::Picked(entries) => (None, Some(entries.iter())),
        };
        let picked = picked.into_iter().flatten();
        let picked = picked.map(|entry| EntryRef {
            kind: entry.kind,
            data: &entry.data,
        });
        message
            .into_iter()
            .flatten()
            .chain(picked)
            .filter_map(handed_up)
    }

    /// Bytes it keeps alive.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.body {
            Body::Message(message) => message.frame().len(),
            Body::Picked(entries) => entries.iter().map(|entry| entry.data.len()).sum(),
        }
    }
}

/// The entry as the application sees it, if it does.
fn handed_up(entry: EntryRef<'_>) -> Option<EntryRef<'_>> {
    let is_peer = || PeerId::from_text(entry.data).is_ok();
    match entry.kind {
        EntryType::Normal | EntryType::Snapshot => Some(entry),
        EntryType::OldSnapshot => Some(EntryRef {
            kind: EntryType::Snapshot,
            ..entry
        }),
        EntryType::AddPeer | EntryType::RemovePeer if is_peer() => Some(entry),
        _ => None,
    }
}

/// The queue between commit and the application.
#[derive(Debug, Default)]
pub(super) struct ApplyQueue(VecDeque<Committed>);

impl ApplyQueue {
    pub(super) fn push_nil_guard(&mut self) {
        self.0.push_back(Committed::NilGuard);
    }

    /// The state of the application up to `index`, from a snapshot.
    pub(super) fn push_snapshot(&mut self, index: Index, data: bytes::Bytes) {
        let body = Body::Picked(vec![Entry {
            kind: EntryType::Snapshot,
            data,
        }]);
        self.0
            .push_back(Committed::Entries(CommittedEntry { index, body }));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn push_catchup_started(&mut self) {
        self.0.push_back(Committed::CatchupStarted);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Node {
    /// Takes what is committed, up to `max_entries` items and about `max_bytes` bytes, at least
    /// one item if there is any.
    pub fn take_applied(&mut self, max_entries: usize, max_bytes: usize) -> Vec<Committed> {
        let queue = &mut self.apply.0;
        let mut bytes = 0;
        let mut count = 0;
        for item in queue.iter().take(max_entries.max(1)) {
            if count > 0 && bytes >= max_bytes {
                break;
            }
            if let Committed::Entries(entry) = item {
                bytes += entry.bytes();
            }
            count += 1;
        }
        let taken = queue.drain(..count).collect();
        if !queue.is_empty() {
            self.outbox.raise(signal::APPLY);
        }
        taken
    }

    /// Items waiting for the application.
    #[must_use]
    pub fn apply_len(&self) -> usize {
        self.apply.len()
    }

    /// Raises the applies signal.
    pub(super) const fn signal_apply(&mut self) {
        self.outbox.raise(signal::APPLY);
    }

    /// Commits one index: the entry takes effect and goes to the application
    /// (server: `applyCommit`).
    ///
    /// Differs from the server: an entry that cannot be read stops the group. The server resets
    /// its log and snapshot (SE-18).
    pub(super) fn apply_commit(&mut self, index: Index) -> Result<(), CommitError> {
        if self.role == Role::Closed {
            return Err(CommitError::Closed);
        }
        if index <= self.commit {
            return Ok(());
        }
        if self.role == Role::Leader {
            self.acks.forget(index);
            self.uncommitted.commit(index);
        }
        if index <= self.snapshot_index {
            return Ok(());
        }
        let entry = match self.pending.remove(index) {
            // A junk entry in the cache, left by a white-box test, is never applied.
            Some(entry) if entry.index() == index => entry,
            _ => match self.load_entry(index) {
                Ok(Some(entry)) => entry,
                Ok(None) if index <= self.last_index => {
                    let why = "it is missing in the log".to_owned();
                    self.set_write_err(FatalError::Unreadable { index, why });
                    return Err(CommitError::Closed);
                }
                Ok(None) | Err(_) => return Err(CommitError::EntryLoadFailed),
            },
        };
        self.commit = index;
        self.counters.commits += 1;
        self.install_committed_snapshot(&entry)?;
        let (body, removed_us) = self.apply_entries(index, entry);
        self.counters.entries_committed += match &body {
            Body::Message(message) => message.count() as u64,
            Body::Picked(entries) => entries.len() as u64,
        };
        self.apply
            .0
            .push_back(Committed::Entries(CommittedEntry { index, body }));
        self.signal_apply();
        if removed_us {
            Err(CommitError::NodeRemoved)
        } else {
            Ok(())
        }
    }

    /// Lets the entries of a committed index take effect; says whether we removed ourselves.
    fn apply_entries(&mut self, index: Index, message: AppendEntry) -> (Body, bool) {
        let passive =
            |entry: EntryRef<'_>| matches!(entry.kind, EntryType::Normal | EntryType::Snapshot);
        if message.entries().all(passive) {
            return (Body::Message(message), false);
        }
        let mut picked = Vec::new();
        for entry in message.shared_entries() {
            let peer = PeerId::from_text(&entry.data).ok();
            match (entry.kind, peer) {
                (EntryType::PeerState, _) => {
                    if self.role != Role::Leader
                        && let Ok(state) = PeerState::decode(&entry.data)
                    {
                        self.process_peer_state(&state);
                    }
                }
                (EntryType::AddPeer | EntryType::RemovePeer, None) => {}
                (EntryType::AddPeer | EntryType::RemovePeer, Some(_))
                    if self.role == Role::Leader && self.membership_change.is_none() =>
                {
                    // Reverted by an eviction meanwhile (behaviour.md 11.5).
                }
                (EntryType::AddPeer, Some(peer)) => {
                    self.add_peer(peer);
                    self.end_membership_change(index);
                    picked.push(entry);
                }
                (EntryType::RemovePeer, Some(peer)) => {
                    self.remove_peer(peer);
                    self.end_membership_change(index);
                    picked.push(entry);
                    if peer == self.id && self.role == Role::Leader {
                        return (Body::Picked(picked), true);
                    }
                }
                _ => picked.push(entry),
            }
        }
        (Body::Picked(picked), false)
    }

    /// The application worked through everything up to `index` and is done, for good, with
    /// everything up to `applied`. Returns how many entries and about how many bytes a snapshot
    /// would now free (behaviour.md 9.4).
    pub fn processed(&mut self, index: Index, applied: Index, now: Instant) -> (u64, u64) {
        self.advance_to(now);
        if index > self.commit {
            return (0, 0);
        }
        self.processed = self.processed.max(index);
        self.settle_processed();
        self.applied = self.applied.max(applied.min(index));
        if self.announce_at > Index::ZERO && self.processed >= self.announce_at {
            self.announce_at = Index::ZERO;
            if self.role == Role::Leader && !self.complete_leader {
                self.complete_leader = true;
                self.leader_since = Some(self.now);
                self.update_lead_change(true);
            }
        }
        let entries = self.applied.since(self.snapshot_index);
        let bytes = match self.last_index.since(self.snapshot_index) {
            0 => 0,
            all => {
                let share = u128::from(entries) * u128::from(self.log.state().bytes);
                u64::try_from(share / u128::from(all)).unwrap_or(u64::MAX)
            }
        };
        (entries, bytes)
    }

    /// Holds committed entries back until [`Node::resume_apply`].
    ///
    /// # Errors
    /// [`PauseError::AlreadyLeader`]: a leader has to step down first.
    pub fn pause_apply(&mut self, now: Instant) -> Result<(), PauseError> {
        self.advance_to(now);
        if self.role == Role::Leader {
            return Err(PauseError::AlreadyLeader);
        }
        self.pause_apply_now();
        Ok(())
    }

    pub(super) fn pause_apply_now(&mut self) {
        if self.role != Role::Follower {
            self.switch_to_follower(None);
        }
        self.paused = true;
        self.held_commit = self.held_commit.max(self.commit);
        self.arm_election(self.timing.observer_interval);
    }

    /// Hands on what was held back and goes on applying.
    pub fn resume_apply(&mut self, now: Instant) {
        self.advance_to(now);
        self.resume_apply_now();
    }

    pub(super) fn resume_apply_now(&mut self) {
        if !self.paused || self.role == Role::Closed {
            return;
        }
        self.paused = false;
        let held = std::mem::take(&mut self.held_commit);
        self.commit_up_to(held);
        if self.transfer_pending {
            self.arm_transfer();
        } else {
            self.reset_election_timeout();
        }
    }
}
