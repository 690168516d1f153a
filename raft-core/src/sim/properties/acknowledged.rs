//! What a client was told is there after the faults are over, once, on every server that is whole.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// How an item begins that travelled to the leader as a message. A network that doubles messages
/// doubles it, and its client is told nothing.
pub(in crate::sim) const FORWARDED: &[u8] = b"f";

/// What clients were told of what they proposed.
#[derive(Debug, Default)]
pub(in crate::sim) struct Acknowledged {
    told: BTreeSet<Bytes>,
}

impl Acknowledged {
    /// A client hears that `item` was applied.
    pub(in crate::sim) fn tell(&mut self, item: Bytes) {
        self.told.insert(item);
    }

    pub(in crate::sim) fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether all of it is among `items`, and nothing is there twice.
    pub(in crate::sim) fn check(&self, items: &[Bytes]) -> Result<(), String> {
        let mut seen: BTreeMap<&Bytes, u32> = BTreeMap::new();
        for item in items {
            *seen.entry(item).or_default() += 1;
        }
        let show = |item: &Bytes| {
            String::from_utf8_lossy(item.get(..item.len().min(24)).unwrap_or_default()).into_owned()
        };
        let once = |item: &Bytes| !item.starts_with(FORWARDED);
        let twice = |(item, count): &(&&Bytes, &u32)| **count > 1 && once(item);
        if let Some((item, count)) = seen.iter().find(twice) {
            return Err(format!("{} was applied {count} times", show(item)));
        }
        match self.told.iter().find(|item| !seen.contains_key(item)) {
            Some(item) => Err(format!("{} was acknowledged and is gone", show(item))),
            None => Ok(()),
        }
    }
}
