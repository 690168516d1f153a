//! A server votes once in a term, and its saved term never goes back: told from what it wrote to
//! its disk for good and from the votes it gave away (Raft paper 5.2).

use std::collections::BTreeMap;

use crate::node::Standing;
use crate::types::{PeerId, Term};
use crate::wire::TermVote;

#[derive(Debug, Default)]
pub(super) struct VoteOnce {
    saved: BTreeMap<(PeerId, Term), PeerId>,
    /// To whom, and whether from an empty log.
    given: BTreeMap<(PeerId, Term), (PeerId, bool)>,
}

impl VoteOnce {
    /// A server has saved `now` for good, after `before`.
    pub(super) fn saved(
        &mut self,
        id: PeerId,
        before: TermVote,
        now: TermVote,
    ) -> Result<(), String> {
        let term = now.term;
        if term < before.term {
            return Err(format!("saved term {term} after {}", before.term));
        }
        if term == before.term && before.vote.is_some() && now.vote.is_none() {
            return Err(format!("took back its vote in {term}"));
        }
        let Some(vote) = now.vote else {
            return Ok(());
        };
        match *self.saved.entry((id, term)).or_insert(vote) {
            first if first == vote => Ok(()),
            first => Err(format!("saved votes for {first} and {vote} in {term}")),
        }
    }

    /// A server gives its vote away; `empty` says that its log was.
    pub(super) fn given(
        &mut self,
        id: PeerId,
        term: Term,
        (to, empty): (PeerId, bool),
    ) -> Result<(), String> {
        let given = self.given.entry((id, term)).or_insert((to, empty));
        // It may have been sent entries since, and answers a repeated request anew.
        given.1 &= empty;
        match given.0 {
            first if first == to => Ok(()),
            first => Err(format!("voted in {term} for {first} and {to}")),
        }
    }

    /// `id` starts to lead: a quorum of its members gave it their votes in its term, out of logs
    /// that held something, or all of them did (behaviour.md 6.5).
    pub(super) fn elected(&self, id: PeerId, now: &Standing) -> Result<(), String> {
        let mut counted = 0;
        let mut all = 0;
        for member in &now.members {
            let own = (id, false);
            let vote = match self.given.get(&(*member, now.term)) {
                _ if *member == id => Some(&own),
                vote => vote.filter(|(to, _)| *to == id),
            };
            if let Some((_, empty)) = vote {
                all += 1;
                counted += u32::from(!empty || now.rescued);
            }
        }
        if counted >= now.quorum || all == now.members.len() {
            return Ok(());
        }
        Err(format!(
            "leads {} by {counted} votes, {} with those of empty logs, of {:?}",
            now.term, all, now.members
        ))
    }

    /// A server's disk was lost, and with it what it remembers.
    pub(super) fn forget(&mut self, id: PeerId) {
        self.saved.retain(|(of, _), _| *of != id);
        self.given.retain(|(of, _), _| *of != id);
    }
}
