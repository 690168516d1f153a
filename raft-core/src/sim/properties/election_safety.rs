//! Election safety: at most one leader in a term (Raft paper 5.2).

use std::collections::BTreeMap;

use crate::node::{Role, Standing};
use crate::types::{PeerId, Term};

#[derive(Debug, Default)]
pub(super) struct ElectionSafety {
    leaders: BTreeMap<Term, PeerId>,
}

impl ElectionSafety {
    /// Looks at a node. True when it is the first to be seen leading its term.
    pub(super) fn check(&mut self, id: PeerId, now: &Standing) -> Result<bool, String> {
        if now.role != Role::Leader {
            return Ok(false);
        }
        match self.leaders.get(&now.term) {
            None => {
                self.leaders.insert(now.term, id);
                Ok(true)
            }
            Some(leader) if *leader == id => Ok(false),
            Some(leader) => Err(format!("leads term {} as {leader} does", now.term)),
        }
    }

    /// The highest term that ever had a leader.
    pub(super) fn highest(&self) -> Term {
        let last = self.leaders.last_key_value();
        last.map_or(Term::ZERO, |(term, _)| *term)
    }

    pub(super) fn count(&self) -> usize {
        self.leaders.len()
    }
}
