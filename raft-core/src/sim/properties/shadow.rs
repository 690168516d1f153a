//! What a server's log is, and what of it is on the disk for good, told from outside: by watching
//! the calls its node makes on it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::committed::Ledger;
use crate::storage::{LoadError, Log, LogKind, LogState, LogWrite, StorageError, WriteSeq};
use crate::types::{EntryType, Index, PeerId, Term};
use crate::wire::{AppendEntry, TermVote};

/// What stands at an index, and, by the chain, at every index before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sim) struct Mark {
    pub(in crate::sim) term: Term,
    /// The hash of the entry and of the chain before it: equal chains are equal logs.
    pub(in crate::sim) chain: u64,
}

/// A membership change as its entry says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Change {
    pub(in crate::sim) index: Index,
    pub(in crate::sim) adds: bool,
    pub(in crate::sim) peer: PeerId,
}

/// A log reduced to its marks.
#[derive(Clone, Debug, Default)]
pub(in crate::sim) struct Trail {
    /// What came before the first entry that is still there.
    base: Index,
    base_mark: Mark,
    marks: VecDeque<Mark>,
    /// The membership changes among the entries, in order.
    changes: Vec<Change>,
}

/// What an entry adds to a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Link {
    term: Term,
    hash: u64,
    change: Option<(bool, PeerId)>,
}

impl Link {
    /// Of a stored frame. A catch-up adds the term of the leader that serves it, which is no part
    /// of the entry; nor is the commit the sender happened to know.
    pub(in crate::sim) fn of(frame: &Bytes) -> Option<Self> {
        let entry = AppendEntry::decode(frame.clone()).ok()?;
        let mut hash = fold(0, entry.head.leader.as_bytes());
        hash = mix(hash ^ entry.head.term.0);
        hash = mix(hash ^ entry.head.prev_term.0);
        hash = mix(hash ^ entry.head.prev_index.0);
        let mut change = None;
        for record in entry.entries() {
            hash = fold(mix(hash ^ u64::from(record.kind.code())), record.data);
            if record.kind.changes_membership()
                && let Ok(peer) = PeerId::from_text(record.data)
            {
                change = Some((record.kind == EntryType::AddPeer, peer));
            }
        }
        Some(Self {
            term: entry.head.term,
            hash,
            change,
        })
    }
}

/// Folds bytes into a hash. Fast, and no adversary chooses them.
pub(in crate::sim) fn fold(mut hash: u64, bytes: &[u8]) -> u64 {
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = mix(hash ^ u64::from_le_bytes(word));
    }
    mix(hash ^ bytes.len() as u64)
}

pub(in crate::sim) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (value ^ (value >> 29)).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

impl Trail {
    pub(in crate::sim) fn last(&self) -> Index {
        Index(self.base.0 + self.marks.len() as u64)
    }

    pub(in crate::sim) const fn base(&self) -> Index {
        self.base
    }

    /// The mark at `index`, if it is the base or in the log.
    pub(in crate::sim) fn at(&self, index: Index) -> Option<Mark> {
        if index == self.base {
            return Some(self.base_mark);
        }
        let offset = index.0.checked_sub(self.base.0 + 1)?;
        self.marks.get(usize::try_from(offset).ok()?).copied()
    }

    pub(in crate::sim) fn tail(&self) -> Mark {
        self.marks.back().copied().unwrap_or(self.base_mark)
    }

    /// The membership changes above `index`.
    pub(in crate::sim) fn changes_above(&self, index: Index) -> impl Iterator<Item = Change> + '_ {
        let changes = self.changes.iter().copied();
        changes.filter(move |change| change.index > index)
    }

    pub(in crate::sim) fn append(&mut self, link: &Link) {
        let before = self.tail();
        self.marks.push_back(Mark {
            term: link.term,
            chain: mix(before.chain ^ link.hash),
        });
        if let Some((adds, peer)) = link.change {
            let index = self.last();
            self.changes.push(Change { index, adds, peer });
        }
    }

    fn truncate(&mut self, last: Index, ledger: &Ledger) {
        if last > self.last() {
            self.move_up(last, ledger);
            return;
        }
        let kept = last.since(self.base);
        self.marks.truncate(usize::try_from(kept).unwrap_or(0));
        self.changes.retain(|change| change.index <= last);
        if last < self.base {
            // A reset. Nothing but the empty log is left.
            *self = Self::default();
        }
    }

    fn compact(&mut self, first: Index, ledger: &Ledger) {
        let base = first.prev();
        if base <= self.base {
            return;
        }
        if base > self.last() {
            self.move_up(base, ledger);
            return;
        }
        self.base_mark = self.at(base).unwrap_or_default();
        let dropped = usize::try_from(base.since(self.base)).unwrap_or(usize::MAX);
        self.marks.drain(..dropped.min(self.marks.len()));
        self.base = base;
        self.changes.retain(|change| change.index > base);
    }

    /// Empties the trail and lets it begin after `base`, which a snapshot stands for.
    fn move_up(&mut self, base: Index, ledger: &Ledger) {
        *self = Self {
            base,
            base_mark: ledger.mark(base).unwrap_or_default(),
            ..Self::default()
        };
    }

    fn apply(&mut self, call: &Call, ledger: &Ledger) {
        match call {
            Call::Append(link) => self.append(link),
            Call::Truncate(last) => self.truncate(*last, ledger),
            Call::Compact(first) => self.compact(*first, ledger),
        }
    }

    /// Reads a whole log.
    ///
    /// # Errors
    /// What cannot be read, as text.
    pub(in crate::sim) fn read(log: &dyn Log, ledger: &Ledger) -> Result<Self, String> {
        let state = log.state();
        let mut trail = Self::default();
        if state.first > Index(1) {
            trail.move_up(state.first.prev(), ledger);
        }
        let mut index = trail.base.next();
        while index <= state.last {
            let frame = log
                .load(index)
                .map_err(|error| format!("{index}: {error}"))?;
            let link = Link::of(&frame).ok_or_else(|| format!("{index} is no append entry"))?;
            trail.append(&link);
            index = index.next();
        }
        Ok(trail)
    }
}

/// A change of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Append(Link),
    Truncate(Index),
    Compact(Index),
}

/// The calls made on a log since somebody looked.
type Calls = Arc<Mutex<Vec<(WriteSeq, Call)>>>;

/// A log that tells of what is done to it.
struct Watched {
    inner: Box<dyn Log>,
    calls: Calls,
}

impl Watched {
    fn note(&self, seq: WriteSeq, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push((seq, call));
    }
}

impl Log for Watched {
    fn kind(&self) -> LogKind {
        self.inner.kind()
    }

    fn state(&self) -> LogState {
        self.inner.state()
    }

    fn append(&mut self, index: Index, seq: WriteSeq, frame: Bytes) -> Result<(), StorageError> {
        let link = Link::of(&frame);
        self.inner.append(index, seq, frame)?;
        // A frame that is none is found when it is read back.
        let link = link.unwrap_or(Link {
            term: Term::ZERO,
            hash: 0,
            change: None,
        });
        self.note(seq, Call::Append(link));
        Ok(())
    }

    fn load(&self, index: Index) -> Result<Bytes, LoadError> {
        self.inner.load(index)
    }

    fn truncate(&mut self, last: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.inner.truncate(last, seq)?;
        self.note(seq, Call::Truncate(last));
        Ok(())
    }

    fn compact(&mut self, first: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.inner.compact(first, seq)?;
        self.note(seq, Call::Compact(first));
        Ok(())
    }

    fn take_writes(&mut self) -> Vec<LogWrite> {
        self.inner.take_writes()
    }

    fn handle_written(&mut self, seq: WriteSeq) {
        self.inner.handle_written(seq);
    }

    fn close(&mut self) {
        self.inner.close();
    }
}

/// One server's log and disk as seen from outside.
#[derive(Debug, Default)]
pub(in crate::sim) struct Shadow {
    /// The log as the node has it.
    pub(in crate::sim) log: Trail,
    /// The log as it would be after a power failure that leaves nothing unsynced.
    pub(in crate::sim) durable: Trail,
    /// Where it ended before the last sync.
    pub(in crate::sim) durable_before: Index,
    /// The last index a snapshot on the disk stands for, for good.
    pub(in crate::sim) snapshot: Index,
    /// Term and vote that are on the disk for good.
    pub(in crate::sim) saved: TermVote,
    unsynced: VecDeque<(WriteSeq, Call)>,
    calls: Calls,
}

/// What absorbing the calls since the last look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sim) struct Moved {
    /// Something was appended or cut.
    pub(in crate::sim) changed: bool,
    /// The lowest index the log was cut to.
    pub(in crate::sim) cut_to: Option<Index>,
}

impl Shadow {
    /// Whether the disk holds, for good, what was committed at `index` as `mark`.
    pub(in crate::sim) fn holds(&self, index: Index, mark: Mark) -> bool {
        let base = self.durable.base().max(self.snapshot);
        index <= base || self.durable.at(index) == Some(mark)
    }

    /// The term a server that comes back is in at least: the saved one, or that of its last entry.
    pub(in crate::sim) fn term(&self) -> Term {
        self.saved.term.max(self.durable.tail().term)
    }

    /// Wraps a log, so that this shadow follows it.
    pub(in crate::sim) fn watch(&mut self, inner: Box<dyn Log>) -> Box<dyn Log> {
        self.calls = Calls::default();
        let calls = Arc::clone(&self.calls);
        Box::new(Watched { inner, calls })
    }

    /// What opening the disk found is durable, whatever had been synced before.
    pub(in crate::sim) fn recovered(&mut self, log: Trail, snapshot: Index, saved: TermVote) {
        self.snapshot = snapshot;
        self.durable = log.clone();
        self.log = log;
        self.saved = saved;
        self.unsynced.clear();
    }

    /// Takes over what the node did to its log since the last call.
    pub(in crate::sim) fn absorb(&mut self, ledger: &Ledger) -> Moved {
        let mut moved = Moved::default();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (seq, call) in calls.drain(..) {
            moved.changed = true;
            if let Call::Truncate(last) = call {
                moved.cut_to = Some(moved.cut_to.map_or(last, |cut| cut.min(last)));
            }
            self.log.apply(&call, ledger);
            self.unsynced.push_back((seq, call));
        }
        moved
    }

    /// Everything up to `upto` is on the disk for good.
    pub(in crate::sim) fn synced(&mut self, upto: WriteSeq, ledger: &Ledger) {
        let before = self.durable.last();
        while let Some((_, call)) = self.unsynced.pop_front_if(|(seq, _)| *seq <= upto) {
            self.durable.apply(&call, ledger);
            self.durable_before = before;
        }
    }

    /// Whether a log found after a crash is what was durable, with the first so many of the calls
    /// that were not.
    pub(in crate::sim) fn explains(&self, found: &Trail, ledger: &Ledger) -> bool {
        let same = |trail: &Trail| trail.last() == found.last() && trail.tail() == found.tail();
        let mut trail = self.durable.clone();
        if same(&trail) {
            return true;
        }
        for (_, call) in &self.unsynced {
            trail.apply(call, ledger);
            if same(&trail) {
                return true;
            }
        }
        // A snapshot of more than the log held came through ahead of the log's own change.
        let covers = found.base() > self.durable.last() && found.last() == found.base();
        covers && ledger.mark(found.base()) == Some(found.tail())
    }

    /// As [`Shadow::explains`], of a disk that has rotted. What the last sync made durable may be
    /// missing: no later write says that it was, so it looks like one that never came through.
    pub(in crate::sim) fn explains_rotten(&self, found: &Trail, ledger: &Ledger) -> bool {
        let is_cut = found.last() >= self.durable_before.min(self.durable.last())
            && self.durable.at(found.last()) == Some(found.tail());
        is_cut || self.explains(found, ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(hash: u64) -> Link {
        Link {
            term: Term(1),
            hash,
            change: None,
        }
    }

    #[test]
    fn chains_differ_from_the_first_different_entry_on() {
        let (mut one, mut other) = (Trail::default(), Trail::default());
        for hash in 1..=5 {
            one.append(&link(hash));
            other.append(&link(if hash == 3 { 30 } else { hash }));
        }

        let same: Vec<_> = (0..=5)
            .filter(|at| one.at(Index(*at)) == other.at(Index(*at)))
            .collect();
        assert_eq!(same, [0, 1, 2]);
    }

    #[test]
    fn compacted_trail_keeps_its_chain_and_its_tail() {
        let ledger = Ledger::default();
        let mut trail = Trail::default();
        (1..=5).for_each(|hash| trail.append(&link(hash)));
        let (third, last) = (trail.at(Index(3)), trail.tail());

        trail.compact(Index(4), &ledger);

        assert_eq!((trail.base(), trail.last()), (Index(3), Index(5)));
        assert_eq!((trail.at(Index(3)), trail.tail()), (third, last));
        assert_eq!(trail.at(Index(2)), None);
    }

    #[test]
    fn crash_leaves_a_prefix_of_what_was_written_and_nothing_else() {
        let ledger = Ledger::default();
        let mut shadow = Shadow::default();
        for (seq, hash) in [(1, 1), (2, 2), (3, 3)] {
            shadow
                .unsynced
                .push_back((WriteSeq(seq), Call::Append(link(hash))));
        }
        shadow.synced(WriteSeq(1), &ledger);
        let found = |hashes: &[u64]| {
            let mut trail = Trail::default();
            hashes.iter().for_each(|hash| trail.append(&link(*hash)));
            trail
        };

        for kept in [&[1][..], &[1, 2], &[1, 2, 3]] {
            assert!(shadow.explains(&found(kept), &ledger), "{kept:?}");
        }
        for lost in [&[][..], &[2], &[1, 3]] {
            assert!(!shadow.explains(&found(lost), &ledger), "{lost:?}");
        }
    }
}
