//! One seed from its first step to its verdict: trouble, then peace, in which the group has to
//! come back to life under load.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::cluster::Cluster;
use super::faults::{Fault, Plan};
use super::inject::Trouble;
use super::properties::{FORWARDED, Violation};

/// Time of the world within which a group has to come back to life once the faults are over.
pub(super) const PEACE_MAX: Duration = Duration::from_secs(60);
/// Proposals that have to be acknowledged in it.
const PEACE_ENTRIES: usize = 20;

/// What became of a seed.
#[derive(Debug)]
pub struct Report {
    /// What was run.
    pub plan: Plan,
    /// What did not hold, if anything.
    pub failure: Option<Failure>,
    /// How much happened.
    pub tally: Tally,
    /// What happened, line by line, if that was asked for.
    pub transcript: Option<String>,
}

/// Why a seed failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A property did not hold.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// The group did not come back to life.
    #[error("liveness: {0}")]
    Liveness(String),
    /// Nothing was committed, so the run shows nothing.
    #[error("vacuous: {0}")]
    Vacuous(String),
    /// A world could not be made.
    #[error("could not begin: {0}")]
    Setup(String),
}

impl Failure {
    /// The property that did not hold.
    #[must_use]
    pub const fn property(&self) -> &'static str {
        match self {
            Self::Violation(violation) => violation.property,
            Self::Liveness(_) => "liveness",
            Self::Vacuous(_) => "vacuous",
            Self::Setup(_) => "setup",
        }
    }
}

/// How much happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Seeds.
    pub seeds: u64,
    /// Steps of the scheduler.
    pub steps: u64,
    /// Time of the world.
    pub time: Duration,
    /// Indexes committed.
    pub committed: u64,
    /// Proposals whose client was told of it.
    pub acknowledged: u64,
    /// Terms that had a leader.
    pub elections: u64,
    /// How often each fault came about.
    pub faults: BTreeMap<Fault, u64>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.time += other.time;
        self.committed += other.committed;
        self.acknowledged += other.acknowledged;
        self.elections += other.elections;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let injected: u64 = self.faults.values().sum();
        write!(
            f,
            "{} seeds, {} s of their time, {} steps, {} elections, {} indexes committed, \
             {} proposals acknowledged, {injected} faults",
            self.seeds,
            self.time.as_secs(),
            self.steps,
            self.elections,
            self.committed,
            self.acknowledged,
        )?;
        for (at, (fault, count)) in self.faults.iter().enumerate() {
            let before = if at == 0 { ": " } else { ", " };
            write!(f, "{before}{} {count}", fault.name())?;
        }
        Ok(())
    }
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan, transcript: bool) -> Report {
    let mut tally = Tally {
        seeds: 1,
        ..Tally::default()
    };
    let mut world = match Cluster::new(&plan.world(transcript)) {
        Ok(world) => world,
        Err(error) => {
            return Report {
                plan: plan.clone(),
                failure: Some(Failure::Setup(error.to_string())),
                tally,
                transcript: None,
            };
        }
    };
    for at in 0..world.len() {
        if let Some(server) = world.server_mut(at) {
            server.pace = plan.pace;
        }
    }
    let mut run = Run {
        trouble: Trouble::new(plan),
        proposed: 0,
    };
    let outcome = run.play(&mut world, plan);
    tally.steps = world.steps();
    tally.time = Duration::from_nanos(world.now().as_nanos());
    tally.committed = world.committed();
    tally.acknowledged = world.acknowledged() as u64;
    tally.elections = world.elections() as u64;
    let always = plan
        .mix
        .faults()
        .filter(|fault| !plan.events().contains(fault));
    tally.faults = always.map(|fault| (fault, 1)).collect();
    for (fault, count) in &run.trouble.injected {
        tally.faults.insert(*fault, u64::from(*count));
    }
    if let Err(failure) = &outcome {
        let now = world.now();
        world.transcript.line(now, || failure.to_string());
    }
    Report {
        plan: plan.clone(),
        failure: outcome.err(),
        tally,
        transcript: world.take_transcript(),
    }
}

pub(super) struct Run {
    pub(super) trouble: Trouble,
    proposed: u64,
}

impl Run {
    fn play(&mut self, world: &mut Cluster, plan: &Plan) -> Result<(), Failure> {
        // A first leader, so that the trouble meets a group that works.
        let first = Duration::from_millis(plan.election_ms * 3);
        self.trouble.pass(world, first)?;
        for _ in 0..plan.rounds {
            for _ in 0..1 + self.trouble.draw(3) / 2 {
                self.trouble.inject(world)?;
            }
            for _ in 0..1 + self.trouble.draw(3) {
                self.load(world);
                let calm = self.trouble.while_up_to(plan.calm_max_ms);
                self.trouble.pass(world, calm)?;
            }
        }
        let broken = self.choose_broken(world, plan);
        self.trouble.end(world, &broken)?;
        self.live(world, &broken)?;
        if plan.mix.has(Fault::Rescue) {
            self.rescue(world)?;
        }
        Ok(())
    }

    /// Clients propose a little, mostly to the leader.
    fn load(&mut self, world: &mut Cluster) {
        let anybody = self.trouble.pick(world.len());
        let stray = self.trouble.draw(8) == 0;
        let to = world.leader().filter(|_| !stray).unwrap_or(anybody);
        for _ in 0..self.trouble.draw(5) {
            let size = match self.trouble.draw(20) {
                0 => 4_000,
                1..=4 => 600,
                _ => 16,
            };
            let size = self.trouble.pick(size);
            self.proposed += 1;
            let data = format!("{}:{}", self.proposed, "x".repeat(size));
            if stray && self.trouble.draw(2) == 0 {
                let data = [FORWARDED, data.as_bytes()].concat();
                world.command(to, |node, _| node.forward_proposal(data.into()).is_ok());
            } else {
                world.propose(to, data);
            }
        }
    }

    /// A minority that stays broken, in some worlds. Not where a server holds no entry: it may count
    /// among those that are broken (behaviour.md 6.5, empty votes). And one less where members come
    /// and go: a change may be under way.
    fn choose_broken(&mut self, world: &Cluster, plan: &Plan) -> Vec<usize> {
        let members = world.members();
        let changes = [Fault::AddPeer, Fault::RemovePeer];
        let reserve = usize::from(changes.iter().any(|fault| plan.mix.has(*fault)));
        let most = (members.len().saturating_sub(1) / 2).saturating_sub(reserve);
        let none = plan.mix.has(Fault::Rescue) || world.has_empty_log() || most == 0;
        if self.trouble.draw(3) != 0 || none {
            return Vec::new();
        }
        let servers: Vec<_> = (0..world.len())
            .filter(|at| members.contains(&world.id(*at)))
            .collect();
        let (count, first) = (
            1 + self.trouble.pick(most),
            self.trouble.pick(servers.len()),
        );
        let chosen = servers.iter().cycle().skip(first).take(count);
        chosen.copied().collect()
    }

    /// Liveness: leader, commits, and everybody caught up, while clients go on proposing.
    pub(super) fn live(&mut self, world: &mut Cluster, broken: &[usize]) -> Result<(), Failure> {
        let (begin, before) = (world.now(), world.acknowledged());
        // Members may still come and go: a change that was under way, a server that was heard from
        // and is taken in.
        let whole = |world: &Cluster| {
            let members = world.members();
            let is_whole = |at: &usize| !broken.contains(at) && members.contains(&world.id(*at));
            (0..world.len()).filter(is_whole).collect::<Vec<_>>()
        };
        let have = |world: &Cluster, index| {
            let mut whole = whole(world).into_iter();
            whole.all(|at| world.has_applied(at, index))
        };
        let mut target = None;
        loop {
            if world.now().since(begin) > PEACE_MAX {
                return Err(Failure::Liveness(stuck(world, &whole(world), before)));
            }
            self.load(world);
            world.run_for(Duration::from_millis(20))?;
            if target.is_none() && world.acknowledged() >= before + PEACE_ENTRIES {
                target = Some(world.committed());
            }
            if target.is_some_and(|target| have(world, target)) {
                break;
            }
        }
        let settled = world.run_until(PEACE_MAX, |world| have(world, world.committed()))?;
        if !settled {
            return Err(Failure::Liveness(stuck(world, &whole(world), before)));
        }
        for at in whole(world) {
            world.check_acknowledged(at)?;
        }
        if world.committed() == 0 || world.acknowledged() == 0 {
            let what = format!("{} proposals, nothing committed", self.proposed);
            return Err(Failure::Vacuous(what));
        }
        Ok(())
    }
}

/// Who stands where when nothing moves.
fn stuck(world: &Cluster, whole: &[usize], before: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "in {PEACE_MAX:?} without faults: leader {:?}, {} committed, {} acknowledged of them then",
        world.leader().map(|at| at + 1),
        world.committed(),
        world.acknowledged() - before
    );
    for at in whole {
        if let Some(s) = world.standing(*at) {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "; S-{} {:?} of {}, last {}, commit {}, applied {}",
                at + 1,
                s.role,
                s.term,
                s.last,
                s.commit,
                s.applied
            );
        }
    }
    text
}
