//! Stored entries that are not committed yet (server: `pae`). A cache: what is not here is loaded
//! from the log when it commits.

use std::collections::BTreeMap;

use super::Node;
use crate::types::Index;
use crate::wire::AppendEntry;

/// Most entries kept.
const ENTRIES_MAX: usize = 20_000;
/// Most bytes of them. The server has no such bound, and entries of 32 MiB.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The entries that are kept, by index, and their bytes together.
#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: BTreeMap<Index, AppendEntry>,
    bytes: u64,
}

fn bytes_of(entry: &AppendEntry) -> u64 {
    entry.frame().len() as u64
}

impl Pending {
    /// Keeps an entry, if there is room.
    fn keep(&mut self, index: Index, entry: AppendEntry) {
        // Another entry may have stood there.
        self.remove(index);
        if self.entries.len() < ENTRIES_MAX && self.bytes < BYTES_MAX {
            self.put(index, entry);
        }
    }

    /// Keeps an entry, room or not.
    pub(super) fn put(&mut self, index: Index, entry: AppendEntry) {
        self.bytes += bytes_of(&entry);
        self.entries.insert(index, entry);
    }

    pub(super) fn remove(&mut self, index: Index) -> Option<AppendEntry> {
        let removed = self.entries.remove(&index)?;
        self.bytes -= bytes_of(&removed);
        Some(removed)
    }

    /// Drops what stands behind `last`.
    pub(super) fn cut(&mut self, last: Index) {
        for entry in self.entries.split_off(&last.next()).values() {
            self.bytes -= bytes_of(entry);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The indexes, in order.
    pub(super) fn indexes(&self) -> impl Iterator<Item = Index> {
        self.entries.keys().copied()
    }
}

impl Node {
    /// Keeps a stored entry decoded until it commits (server: `cachePendingEntry`).
    pub(super) fn cache_pending_entry(&mut self, entry: AppendEntry) {
        self.pending.keep(entry.index(), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{N0, entry};
    use super::*;

    static BLOCK: [u8; 8 * 1024 * 1024] = [7; 8 * 1024 * 1024];

    fn at(index: u64, data: &'static [u8]) -> (Index, AppendEntry) {
        (Index(index), entry(N0, 1, 0, (1, index - 1), data))
    }

    #[test]
    fn entries_beyond_the_bytes_are_not_kept_until_some_are_gone() {
        let mut pending = Pending::default();
        for index in 1..=10 {
            let (index, entry) = at(index, &BLOCK);
            pending.keep(index, entry);
        }
        let kept = |pending: &Pending| pending.indexes().map(|index| index.0).collect::<Vec<_>>();
        assert_eq!(
            kept(&pending),
            [1, 2, 3, 4, 5, 6, 7, 8],
            "64 MiB and a little"
        );

        pending.remove(Index(1));
        let (index, entry) = at(11, b"small");
        pending.keep(index, entry);

        assert_eq!(kept(&pending), [2, 3, 4, 5, 6, 7, 8, 11]);
        pending.cut(Index(1));
        assert_eq!((pending.bytes, kept(&pending).len()), (0, 0));
    }

    #[test]
    fn entry_that_takes_the_place_of_another_counts_once() {
        let mut pending = Pending::default();
        let (index, large) = at(1, &BLOCK);
        let (_, small) = at(1, b"small");
        let bytes = bytes_of(&small);
        pending.keep(index, large);

        pending.keep(index, small);

        assert_eq!((pending.bytes, pending.indexes().count()), (bytes, 1));
        pending.clear();
        assert_eq!(pending.bytes, 0);
    }
}
