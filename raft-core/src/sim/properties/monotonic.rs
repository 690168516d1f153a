//! Term, commit, processed and applied never go back while a process lives; the term never, as
//! far as it was saved.

use std::collections::BTreeMap;

use crate::node::Standing;
use crate::types::{Index, PeerId, Term};

#[derive(Debug, Default)]
pub(super) struct Monotonic {
    shown: BTreeMap<PeerId, Shown>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    term: Term,
    commit: Index,
    processed: Index,
    applied: Index,
}

impl Monotonic {
    /// A process starts: what it shows starts over, but for what it had saved.
    pub(super) fn started(&mut self, id: PeerId, saved: Term) {
        let term = saved;
        self.shown.insert(
            id,
            Shown {
                term,
                ..Shown::default()
            },
        );
    }

    /// The commit a node showed last.
    pub(super) fn commit(&self, id: PeerId) -> Index {
        self.shown
            .get(&id)
            .map_or(Index::ZERO, |shown| shown.commit)
    }

    pub(super) fn check(&mut self, id: PeerId, now: &Standing) -> Result<(), String> {
        let before = self.shown.entry(id).or_default();
        let now = Shown {
            term: now.term,
            commit: now.commit,
            processed: now.processed,
            applied: now.applied,
        };
        let pairs = [
            ("term", before.term.0, now.term.0),
            ("commit", before.commit.0, now.commit.0),
            ("processed", before.processed.0, now.processed.0),
            ("applied", before.applied.0, now.applied.0),
        ];
        if let Some((what, from, to)) = pairs.iter().find(|(_, from, to)| to < from) {
            return Err(format!("its {what} went back from {from} to {to}"));
        }
        *before = now;
        Ok(())
    }
}
