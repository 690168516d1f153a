//! What must hold in every world, checked from outside the nodes.
//!
//! | Property | Checked when | Where |
//! | --- | --- | --- |
//! | election safety: one leader in a term | after every turn | [`election_safety`] |
//! | a leader has the votes of a quorum | a server starts to lead | [`vote_once`] |
//! | a server votes once in a term, its saved term never goes back | a sync is done, a vote leaves | [`vote_once`] |
//! | term, commit, processed, applied never go back | after every turn | [`monotonic`] |
//! | snapshot ≤ applied ≤ processed ≤ commit ≤ last | after every turn | [`order`] |
//! | log matching; a leader never cuts | a log changed | [`log_matching`] |
//! | leader completeness | a server starts to lead | [`leader_completeness`] |
//! | committed entries stay, and were on a quorum for good | a commit moved | [`committed`] |
//! | state machine safety | an application applies, or restores a snapshot | [`state_machine`] |
//! | consecutive quorums meet, one change at a time | after every turn of a leader | [`configuration`] |
//! | no message leaves before the sync it rests on | a message leaves | [`durable_first`] |
//! | a crash leaves what was synced and a prefix of the rest | a server comes back | [`shadow`] |
//! | no loop without progress | at every step | [`progress`] |
//! | what a client was told is there after the faults | the world is whole again | [`acknowledged`] |

mod acknowledged;
mod committed;
mod configuration;
mod durable_first;
mod election_safety;
mod leader_completeness;
mod log_matching;
mod monotonic;
mod order;
mod progress;
mod shadow;
mod state_machine;
mod vote_once;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use acknowledged::{Acknowledged, FORWARDED};
pub(super) use committed::Ledger;
pub(super) use durable_first::Leaving;
pub(super) use shadow::{Mark, Moved, Shadow, Trail};
pub(super) use state_machine::Story;

use crate::node::{Role, Standing};
use crate::time::Instant;
use crate::types::{Index, PeerId};
use crate::wire::TermVote;

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{property}: server {server} at {at} ns: {what}")]
pub struct Violation {
    /// Which property.
    pub property: &'static str,
    /// Whom it was noticed on.
    pub server: PeerId,
    /// When, in nanoseconds of the world's clock.
    pub at: u64,
    /// What was wrong.
    pub what: String,
}

/// A property's name and what was wrong.
pub(super) type Broken = (&'static str, String);

/// Names the property an error belongs to.
fn of<T>(property: &'static str, result: Result<T, String>) -> Result<T, Broken> {
    result.map_err(|what| (property, what))
}

/// What the servers said and showed so far, and what may not be contradicted.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) ledger: Ledger,
    pub(super) story: Story,
    pub(super) acknowledged: Acknowledged,
    elections: election_safety::ElectionSafety,
    votes: vote_once::VoteOnce,
    monotonic: monotonic::Monotonic,
    messages: durable_first::DurableFirst,
    progress: progress::Progress,
    /// How each node stood after its last turn.
    before: BTreeMap<PeerId, Standing>,
}

impl Properties {
    /// Of a group that begins with `members`.
    pub(super) fn of(members: BTreeSet<PeerId>) -> Self {
        Self {
            ledger: Ledger::of(members),
            ..Self::default()
        }
    }

    /// How many terms had a leader.
    pub(super) fn leaders(&self) -> usize {
        self.elections.count()
    }

    /// At every step of the world.
    pub(super) fn check_step(&mut self, now: Instant) -> Result<(), Broken> {
        of("progress", self.progress.check(now))
    }

    /// After a turn of the node of `id`. `shadows` are all servers', `moved` says what the turn
    /// did to the log.
    pub(super) fn check_turn<'a>(
        &mut self,
        (id, shadow): (PeerId, &Shadow),
        now: Standing,
        moved: Moved,
        shadows: impl Iterator<Item = (PeerId, &'a Shadow)> + Clone,
    ) -> Result<(), Broken> {
        let log = &shadow.log;
        let before = self.before.get(&id);
        if moved.changed {
            of(
                "log matching",
                log_matching::check_leader(before, &now, moved),
            )?;
            let mut others = shadows.clone().filter(|(other, _)| *other != id);
            let matched = others.try_for_each(|(_, other)| log_matching::check(log, &other.log));
            of("log matching", matched)?;
        } else if before == Some(&now) {
            return Ok(());
        }
        if now.role != Role::Closed {
            of("order of positions", order::check(&now, log))?;
        }
        let highest = self.elections.highest();
        let elected = of("election safety", self.elections.check(id, &now))?;
        if elected {
            of("election by a quorum", self.votes.elected(id, &now))?;
            let complete = leader_completeness::check(&self.ledger, now.term, log);
            of("leader completeness", complete)?;
            if now.term > highest {
                of(
                    "configuration",
                    configuration::check_overlap(&now, &self.ledger),
                )?;
            }
        }
        let commit = self.monotonic.commit(id);
        let copies = |at: &Standing, index, mark| count_copies(at, shadows.clone(), index, mark);
        let leads = |s: &Standing| (s.role == Role::Leader).then_some(s.term);
        let led = leads(&now).or_else(|| before.and_then(leads));
        let standings: Vec<_> = before.into_iter().chain([&now]).collect();
        let ledger = &mut self.ledger;
        let committed = ledger.check(shadow, (commit, led), &standings, now.commit, copies);
        of("commit", committed)?;
        of("monotony", self.monotonic.check(id, &now))?;
        of("configuration", configuration::check_majority(&now))?;
        if now.role == Role::Leader {
            let led = configuration::check_leader(&now, log, &self.ledger);
            of("configuration", led)?;
        }
        self.before.insert(id, now);
        Ok(())
    }

    /// A server starts, with what its disk held.
    pub(super) fn started(&mut self, id: PeerId, shadow: &Shadow) {
        self.monotonic.started(id, shadow.saved.term);
        self.before.remove(&id);
    }

    /// A server's disk is gone.
    pub(super) fn wiped(&mut self, id: PeerId) {
        self.votes.forget(id);
    }

    /// A server has saved term and vote for good.
    pub(super) fn saved(
        &mut self,
        id: PeerId,
        before: TermVote,
        now: TermVote,
    ) -> Result<(), Broken> {
        of("one vote in a term", self.votes.saved(id, before, now))
    }

    /// A message leaves a server.
    pub(super) fn check_message(
        &mut self,
        id: PeerId,
        shadow: &Shadow,
        message: Leaving<'_>,
    ) -> Result<(), Broken> {
        let known = (&self.ledger, &mut self.votes);
        let checked = self.messages.check(id, shadow, known, message);
        of("durable first", checked)
    }
}

/// How many members of a node's group have `mark` at `index` for good.
fn count_copies<'a>(
    now: &Standing,
    shadows: impl Iterator<Item = (PeerId, &'a Shadow)>,
    index: Index,
    mark: Mark,
) -> usize {
    let members = shadows.filter(|(id, _)| now.members.contains(id));
    members
        .filter(|(_, shadow)| shadow.holds(index, mark))
        .count()
}
