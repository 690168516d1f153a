//! Who acknowledged what of a leader's log (Raft paper 5.3: matchIndex; behaviour.md 9.1).

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::types::{Index, PeerId};

/// Who acknowledged which index in the current term. An index is forgotten once it commits.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// The index the first set is for.
    first: Index,
    sets: VecDeque<SmallVec<[PeerId; 4]>>,
}

impl Acks {
    pub(super) fn clear(&mut self) {
        self.sets.clear();
    }

    /// Records that `peer` acknowledged exactly `index`.
    pub(super) fn record(&mut self, index: Index, peer: PeerId) {
        if self.sets.is_empty() {
            self.first = index;
        }
        while index < self.first {
            self.first = self.first.prev();
            self.sets.push_front(SmallVec::new());
        }
        let at = usize::try_from(index.since(self.first)).unwrap_or(usize::MAX);
        // An index is acknowledged only after it was sent, so this stays within the log.
        while self.sets.len() <= at {
            self.sets.push_back(SmallVec::new());
        }
        if let Some(set) = self.sets.get_mut(at)
            && !set.contains(&peer)
        {
            set.push(peer);
        }
    }

    /// How many of those that are `counted` acknowledged exactly `index`.
    pub(super) fn count(&self, index: Index, counted: impl Fn(&PeerId) -> bool) -> usize {
        if index < self.first {
            return 0;
        }
        let at = usize::try_from(index.since(self.first)).unwrap_or(usize::MAX);
        let set = self.sets.get(at);
        set.map_or(0, |set| set.iter().filter(|peer| counted(peer)).count())
    }

    /// Forgets everything up to `index`.
    pub(super) fn forget(&mut self, index: Index) {
        while self.first <= index && self.sets.pop_front().is_some() {
            self.first = self.first.next();
        }
    }

    /// The highest index anybody acknowledged.
    pub(super) fn last(&self) -> Index {
        Index(self.first.0 + self.sets.len() as u64).prev()
    }

    /// The acknowledged indexes with their counts, for tests and dumps.
    #[cfg(feature = "testing")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Index, usize)> + '_ {
        let indexes = (self.first.0..).map(Index);
        indexes
            .zip(&self.sets)
            .filter(|(_, set)| !set.is_empty())
            .map(|(i, set)| (i, set.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId(*b"AAAAAAAA");
    const B: PeerId = PeerId(*b"BBBBBBBB");

    fn all(acks: &Acks, index: u64) -> usize {
        acks.count(Index(index), |_| true)
    }

    #[test]
    fn acknowledgement_is_for_exactly_its_index_and_counts_once() {
        let mut acks = Acks::default();
        acks.record(Index(5), A);
        acks.record(Index(5), A);
        acks.record(Index(7), B);
        acks.record(Index(4), B);

        assert_eq!(
            [3, 4, 5, 6, 7, 8].map(|at| all(&acks, at)),
            [0, 1, 1, 0, 1, 0]
        );
        assert_eq!(acks.count(Index(5), |peer| *peer == B), 0);
        assert_eq!(acks.last(), Index(7));
    }

    #[test]
    fn what_is_forgotten_counts_no_more_and_the_rest_stays() {
        let mut acks = Acks::default();
        for index in 3..=6 {
            acks.record(Index(index), A);
        }

        acks.forget(Index(4));
        assert_eq!([4, 5, 6].map(|at| all(&acks, at)), [0, 1, 1]);

        acks.forget(Index(9));
        acks.record(Index(20), B);
        assert_eq!([6, 9, 20].map(|at| all(&acks, at)), [0, 0, 1]);
    }
}
