//! What a log holds, whatever it keeps for an entry: the arithmetic of append, truncate, compact.

use std::collections::VecDeque;

use super::{LoadError, LogKind, LogState, StorageError};
use crate::types::Index;

/// The longest frame a log takes: the server's 32 MiB record limit less its record header.
pub const FRAME_LEN_MAX: usize = (32 << 20) - 30;

/// What a span needs to know of the thing it keeps for each entry.
pub(super) trait Kept {
    /// The length of the entry's frame in bytes.
    fn frame_len(&self) -> usize;
}

/// A gapless run of entries (behaviour.md 13.1, 13.2).
///
/// Invariant: without entries `first` is the one after `last`, or both are zero.
#[derive(Debug)]
pub(super) struct Span<T> {
    kind: LogKind,
    items: VecDeque<T>,
    first: Index,
    last: Index,
    bytes: u64,
}

impl<T: Kept> Span<T> {
    pub(super) const fn new(kind: LogKind) -> Self {
        Self {
            kind,
            items: VecDeque::new(),
            first: Index::ZERO,
            last: Index::ZERO,
            bytes: 0,
        }
    }

    pub(super) fn state(&self) -> LogState {
        LogState {
            messages: self.items.len() as u64,
            bytes: self.bytes,
            first: self.first,
            last: self.last,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// What is kept at a position, counted from the oldest.
    pub(super) fn at(&self, position: usize) -> Option<&T> {
        self.items.get(position)
    }

    /// Whether an entry of `len` bytes may be appended at `index`.
    pub(super) fn check(&self, index: Index, len: usize) -> Result<(), StorageError> {
        let want = self.last.next();
        if index != want {
            return Err(StorageError::OutOfOrder { want, have: index });
        }
        if len > FRAME_LEN_MAX {
            return Err(StorageError::TooLarge {
                have: len,
                max: FRAME_LEN_MAX,
            });
        }
        Ok(())
    }

    /// Appends what [`Span::check`] has accepted.
    pub(super) fn push(&mut self, item: T) {
        self.bytes += self.kind.record_bytes(item.frame_len());
        self.items.push_back(item);
        self.last = self.last.next();
        if self.items.len() == 1 {
            self.first = self.last;
        }
    }

    pub(super) fn get(&self, index: Index) -> Result<&T, LoadError> {
        if index > self.last {
            return Err(LoadError::BeyondEnd);
        }
        if index < self.first {
            return Err(LoadError::Missing);
        }
        let at = usize::try_from(index.since(self.first)).ok();
        at.and_then(|at| self.items.get(at))
            .ok_or(LoadError::Missing)
    }

    /// Drops everything above `last`; returns whether that changed anything.
    pub(super) fn truncate(&mut self, last: Index) -> bool {
        let before = (self.first, self.last);
        if last == Index::ZERO {
            self.clear();
            self.first = Index::ZERO;
        } else if last < self.first || last > self.last {
            self.clear();
            self.first = last.next();
        } else {
            for _ in 0..self.last.since(last) {
                let dropped = self.items.pop_back();
                self.forget(dropped);
            }
        }
        self.last = last;
        before != (self.first, self.last)
    }

    /// Drops everything below `first`; returns whether that changed anything.
    pub(super) fn compact(&mut self, first: Index) -> bool {
        if first <= self.first {
            return false;
        }
        if first > self.last {
            self.clear();
            self.last = first.prev();
        } else {
            for _ in 0..first.since(self.first) {
                let dropped = self.items.pop_front();
                self.forget(dropped);
            }
        }
        self.first = first;
        true
    }

    fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    fn forget(&mut self, dropped: Option<T>) {
        self.bytes -= dropped.map_or(0, |item| self.kind.record_bytes(item.frame_len()));
    }
}
