//! State machine safety, second half: applications that applied the same index are in the same
//! state, by a hash chain over everything they were handed (Raft paper 5.4.3).

use bytes::Bytes;

use super::shadow::{fold, mix};
use crate::types::Index;

/// What the application was handed at an index.
#[derive(Clone, Debug)]
struct Step {
    /// The state after it.
    chain: u64,
    /// How many items there were up to it.
    items: usize,
}

/// What every application has to have seen, as the first to apply an index saw it.
#[derive(Debug, Default)]
pub(in crate::sim) struct Story {
    steps: Vec<Step>,
    items: Vec<Bytes>,
}

impl Story {
    pub(in crate::sim) const fn last(&self) -> Index {
        Index(self.steps.len() as u64)
    }

    fn step(&self, index: Index) -> Option<&Step> {
        let at = usize::try_from(index.0.checked_sub(1)?).ok()?;
        self.steps.get(at)
    }

    /// The application data up to `index`, in order.
    pub(in crate::sim) fn items(&self, index: Index) -> &[Bytes] {
        let count = self.step(index).map_or(0, |step| step.items);
        self.items.get(..count).unwrap_or_default()
    }

    /// The state after `index`.
    pub(in crate::sim) fn chain(&self, index: Index) -> Option<u64> {
        if index == Index::ZERO {
            return Some(0);
        }
        self.step(index).map(|step| step.chain)
    }

    /// An application in state `chain` applies `items` at `index`; its state after that.
    pub(in crate::sim) fn apply(
        &mut self,
        index: Index,
        chain: u64,
        items: impl Iterator<Item = Bytes>,
    ) -> Result<u64, String> {
        if self.last() < index.prev() {
            return Err(format!("applies {index} after {}", self.last()));
        }
        let is_new = self.last() < index;
        let mut chain = mix(chain ^ index.0);
        for item in items {
            chain = fold(chain, &item);
            if is_new {
                self.items.push(item);
            }
        }
        if is_new {
            let items = self.items.len();
            self.steps.push(Step { chain, items });
        }
        if self.chain(index) != Some(chain) {
            return Err(format!("is in another state at {index} than others"));
        }
        Ok(chain)
    }
}
