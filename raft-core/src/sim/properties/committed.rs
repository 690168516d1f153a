//! State machine safety, first half: what is committed at an index stays so for ever, on every
//! server (Raft paper 5.4.3); it was durable on a quorum when it was committed, and committed
//! beneath an entry of the leader's own term (5.4.2).

use std::collections::BTreeSet;

use super::shadow::{Mark, Shadow};
use crate::node::Standing;
use crate::types::{Index, PeerId, Term};

/// What was committed, by index, as the first server to say so had it.
#[derive(Debug, Default)]
pub(in crate::sim) struct Ledger {
    entries: Vec<Committed>,
    /// The membership from an index on.
    members: Vec<(Index, BTreeSet<PeerId>)>,
}

#[derive(Clone, Copy, Debug)]
struct Committed {
    mark: Mark,
    /// The term of the leader that committed it.
    in_term: Term,
}

impl Ledger {
    /// A ledger of a group that begins with `members`.
    pub(in crate::sim) fn of(members: BTreeSet<PeerId>) -> Self {
        Self {
            entries: Vec::new(),
            members: vec![(Index::ZERO, members)],
        }
    }

    /// The highest index anybody committed.
    pub(in crate::sim) const fn last(&self) -> Index {
        Index(self.entries.len() as u64)
    }

    fn entry(&self, index: Index) -> Option<&Committed> {
        let at = usize::try_from(index.0.checked_sub(1)?).ok()?;
        self.entries.get(at)
    }

    /// What is committed at `index`; what stands before every log at zero.
    pub(in crate::sim) fn mark(&self, index: Index) -> Option<Mark> {
        if index == Index::ZERO {
            return Some(Mark::default());
        }
        self.entry(index).map(|entry| entry.mark)
    }

    /// The highest index committed by a leader of a term before `term`.
    pub(in crate::sim) fn committed_before(&self, term: Term) -> Index {
        let before = self.entries.iter().rposition(|entry| entry.in_term < term);
        Index(before.map_or(0, |at| at as u64 + 1))
    }

    /// The membership after `index` was committed.
    pub(in crate::sim) fn members_at(&self, index: Index) -> Option<&BTreeSet<PeerId>> {
        let mut known = self.members.iter().rev();
        known.find(|(from, _)| *from <= index).map(|(_, set)| set)
    }

    /// The membership everybody has to agree with by now.
    pub(in crate::sim) fn members(&self) -> Option<&BTreeSet<PeerId>> {
        self.members.last().map(|(_, set)| set)
    }

    /// A node shows `commit`, having shown `before`; `led` is the term it leads, or led when its
    /// turn began. `standings` are where it stands and where it stood then: its membership may have
    /// changed in between. `copies` counts the members that have a mark at an index for good.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(
        &mut self,
        shadow: &Shadow,
        (before, led): (Index, Option<Term>),
        standings: &[&Standing],
        commit: Index,
        copies: impl Fn(&Standing, Index, Mark) -> usize,
    ) -> Result<(), String> {
        let known = self.last();
        let base = shadow.log.base();
        if base > known {
            return Err(format!(
                "begins after {base}, of which only {known} was committed"
            ));
        }
        let mut index = before.max(shadow.log.base()).next();
        while index <= commit {
            let Some(mark) = shadow.log.at(index) else {
                return Err(format!("committed {index}, which is not in its log"));
            };
            match self.mark(index) {
                Some(known) if known == mark => {}
                Some(_) => {
                    return Err(format!("committed another entry at {index} than before"));
                }
                None => {
                    let Some(term) = led else {
                        return Err(format!("committed {index}, which no leader committed"));
                    };
                    self.check_quorum(index, mark, standings, &copies)?;
                    self.extend(index, mark, term, shadow);
                }
            }
            index = index.next();
        }
        let (to, last) = (self.last(), self.mark(self.last()).unwrap_or_default().term);
        if to == known || led == Some(last) {
            return Ok(());
        }
        // The Raft paper's 5.4.2: what is of an older term commits only beneath an entry of the
        // leader's own. A leader that commits its own removal stops there, below it.
        let has_own_above = (to.next().0..=shadow.log.last().0).any(|at| {
            let mark = shadow.log.at(Index(at));
            let own = mark.filter(|mark| Some(mark.term) == led);
            own.is_some_and(|mark| {
                let quorum = self.check_quorum(Index(at), mark, standings, &copies);
                quorum.is_ok()
            })
        });
        if has_own_above {
            return Ok(());
        }
        Err(format!(
            "committed up to {to}, of {last}, by counting its copies"
        ))
    }

    fn check_quorum(
        &self,
        index: Index,
        mark: Mark,
        standings: &[&Standing],
        copies: impl Fn(&Standing, Index, Mark) -> usize,
    ) -> Result<(), String> {
        // A lone node's own copy commits the entry by which it adds its first peer.
        let was_alone = self.members().is_some_and(|members| members.len() == 1);
        let mut found = Vec::new();
        for standing in standings {
            let needed = if was_alone {
                1
            } else {
                standing.quorum as usize
            };
            let copies = copies(standing, index, mark);
            if copies >= needed {
                return Ok(());
            }
            found.push(format!("{copies} of {}", standing.members.len()));
        }
        let found = found.join(" or ");
        Err(format!("committed {index}, for good on {found}"))
    }

    fn extend(&mut self, index: Index, mark: Mark, in_term: Term, shadow: &Shadow) {
        self.entries.push(Committed { mark, in_term });
        let change = shadow.log.changes_above(index.prev()).next();
        if let Some(change) = change.filter(|change| change.index == index) {
            let mut members = self.members().cloned().unwrap_or_default();
            if change.adds {
                members.insert(change.peer);
            } else {
                members.remove(&change.peer);
            }
            self.members.push((index, members));
        }
    }
}
