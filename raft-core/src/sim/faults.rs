//! What goes wrong in a world, chosen from its seed: the plan.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::cluster::ClusterOptions;
use super::host::Pace;
use super::network::NetworkOptions;
use crate::config::Timing;
use crate::node::Bug;
use crate::rng::Rng;

/// A kind of thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Messages get lost.
    Loss,
    /// Messages arrive twice.
    Duplication,
    /// Messages overtake each other.
    Reordering,
    /// Some messages take a hundred times as long.
    Lateness,
    /// Messages arrive damaged.
    Corruption,
    /// Clocks run fast and slow.
    Drift,
    /// Applications take their time.
    SlowApply,
    /// A server loses its power and comes back.
    Crash,
    /// All servers lose their power at once.
    Blackout,
    /// A server loses its power again and again.
    CrashLoop,
    /// A process stands still, its timers late.
    Pause,
    /// The servers fall apart into two or three sets.
    Partition,
    /// Some servers hear others that do not hear them.
    OneWay,
    /// Some pairs do not reach each other; everybody reaches somebody.
    Mesh,
    /// The leader alone is cut off.
    LeaderCut,
    /// Everything to and from a server is slow.
    SlowPeer,
    /// A disk takes long.
    SlowDisk,
    /// A write or sync fails; the node closes and is started again.
    DiskError,
    /// A server loses its disk and starts anew, where that may lose nothing.
    Wipe,
    /// A leader hands over.
    Transfer,
    /// A server campaigns for no reason.
    Campaign,
    /// A server observes for a while.
    Observer,
    /// A follower's applies are held back for a while.
    HeldApply,
    /// An application installs a snapshot.
    Snapshot,
    /// An application opens a checkpoint, and installs or aborts it later.
    Checkpoint,
    /// A leader's application sends its state as an entry.
    SentSnapshot,
    /// A server joins.
    AddPeer,
    /// A member leaves.
    RemovePeer,
    /// A majority is gone for good, and the rest is rescued. A mode of its own: no part of `all`.
    Rescue,
    /// A bit on the disk of a server without power turns round. No part of `all`, but of `storage`.
    Rot,
}

/// All kinds.
pub const FAULTS: [Fault; 30] = [
    Fault::Loss,
    Fault::Duplication,
    Fault::Reordering,
    Fault::Lateness,
    Fault::Corruption,
    Fault::Drift,
    Fault::SlowApply,
    Fault::Crash,
    Fault::Blackout,
    Fault::CrashLoop,
    Fault::Pause,
    Fault::Partition,
    Fault::OneWay,
    Fault::Mesh,
    Fault::LeaderCut,
    Fault::SlowPeer,
    Fault::SlowDisk,
    Fault::DiskError,
    Fault::Wipe,
    Fault::Transfer,
    Fault::Campaign,
    Fault::Observer,
    Fault::HeldApply,
    Fault::Snapshot,
    Fault::Checkpoint,
    Fault::SentSnapshot,
    Fault::AddPeer,
    Fault::RemovePeer,
    Fault::Rescue,
    Fault::Rot,
];

impl Fault {
    /// Its name in a mix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Duplication => "duplication",
            Self::Reordering => "reordering",
            Self::Lateness => "lateness",
            Self::Corruption => "corruption",
            Self::Drift => "drift",
            Self::SlowApply => "slow-apply",
            Self::Crash => "crash",
            Self::Blackout => "blackout",
            Self::CrashLoop => "crash-loop",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::OneWay => "one-way",
            Self::Mesh => "mesh",
            Self::LeaderCut => "leader-cut",
            Self::SlowPeer => "slow-peer",
            Self::SlowDisk => "slow-disk",
            Self::DiskError => "disk-error",
            Self::Wipe => "wipe",
            Self::Transfer => "transfer",
            Self::Campaign => "campaign",
            Self::Observer => "observer",
            Self::HeldApply => "held-apply",
            Self::Snapshot => "snapshot",
            Self::Checkpoint => "checkpoint",
            Self::SentSnapshot => "sent-snapshot",
            Self::AddPeer => "add-peer",
            Self::RemovePeer => "remove-peer",
            Self::Rescue => "rescue",
            Self::Rot => "rot",
        }
    }

    /// Whether it happens at moments. The others hold all the time.
    const fn is_event(self) -> bool {
        self as u32 >= Self::Crash as u32 && !matches!(self, Self::Rescue)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mix(u32);

/// Why a text names no mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called {0:?}")]
pub struct NoSuchFault(String);

impl Mix {
    /// Every kind but [`Fault::Rescue`] and [`Fault::Rot`].
    pub const ALL: Self = Self((1 << Fault::Rescue as u32) - 1);
    /// What happens to disks, and what makes servers write and read them.
    pub const STORAGE: Self = Self::NONE
        .with(Fault::Crash)
        .with(Fault::Blackout)
        .with(Fault::CrashLoop)
        .with(Fault::LeaderCut)
        .with(Fault::SlowDisk)
        .with(Fault::DiskError)
        .with(Fault::Wipe)
        .with(Fault::Transfer)
        .with(Fault::Snapshot)
        .with(Fault::Checkpoint)
        .with(Fault::SentSnapshot)
        .with(Fault::Rot);
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether the set has `fault`.
    #[must_use]
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// The set and `fault`.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u32)
    }

    /// The set without `fault`.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u32))
    }

    /// Its kinds.
    pub fn faults(self) -> impl Iterator<Item = Fault> {
        FAULTS.into_iter().filter(move |fault| self.has(*fault))
    }

    /// Each of the kinds in or out, by the flip of a coin: worlds with few kinds of faults find
    /// what worlds with all of them hide.
    fn swarm(self, rng: &mut Rng) -> Self {
        let coins = rng.next_u64();
        let picked = self
            .faults()
            .filter(|fault| coins >> (*fault as u32) & 1 == 1);
        picked.fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("all"),
            Self::STORAGE => f.write_str("storage"),
            Self::NONE => f.write_str("none"),
            some => {
                let names: Vec<_> = some.faults().map(Fault::name).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl fmt::Debug for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mix({self})")
    }
}

impl FromStr for Mix {
    type Err = NoSuchFault;

    /// Names with commas between; `all`, `storage` and `none`.
    fn from_str(text: &str) -> Result<Self, NoSuchFault> {
        text.split(',')
            .map(str::trim)
            .try_fold(Self::NONE, |mix, name| match name {
                "all" => Ok(Self(mix.0 | Self::ALL.0)),
                "storage" => Ok(Self(mix.0 | Self::STORAGE.0)),
                "none" | "" => Ok(mix),
                name => FAULTS
                    .into_iter()
                    .find(|fault| fault.name() == name)
                    .map(|fault| mix.with(fault))
                    .ok_or_else(|| NoSuchFault(name.to_owned())),
            })
    }
}

/// Everything a run is decided by. The seed decides it, within the faults that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The faults the seed could choose from.
    pub allowed: Mix,
    /// The faults it chose.
    pub mix: Mix,
    /// How many servers the group begins with.
    pub servers: usize,
    /// How many more machines may join it.
    pub spares: usize,
    /// Whether the membership is decided by an outside reconciler only.
    pub managed: bool,
    /// How often something goes wrong before the faults end.
    pub rounds: u32,
    /// The longest time between two things, in milliseconds.
    pub calm_max_ms: u64,
    /// The shortest election timeout, in milliseconds; the other timers follow from it.
    pub election_ms: u64,
    /// The network while the faults last.
    pub network: NetworkOptions,
    /// By how many of a thousand clocks may be wrong.
    pub drift_per_mille: u64,
    /// The longest time a sync takes, in microseconds.
    pub sync_max_us: u64,
    /// How applications work.
    pub pace: Pace,
    /// A known bug to put back.
    pub bug: Option<Bug>,
}

impl Plan {
    /// The plan of `seed`.
    #[must_use]
    pub fn of(seed: u64, allowed: Mix, bug: Option<Bug>) -> Self {
        // The plan and the world draw from streams of their own.
        let mut rng = Rng::new(seed ^ 0x706c_616e);
        let mut draw = |limit: u64| rng.next_u64() % limit;
        let servers = match draw(10) {
            0..=5 => 3,
            6..=8 => 5,
            _ => 7,
        };
        let (rounds, calm) = (60 + draw(180), draw(4));
        let election_ms = 100 + draw(200);
        let sync_max_us = [300, 1_000, 5_000, 20_000];
        let sync = draw(4);
        let rates = [draw(120), draw(100), draw(200), draw(30), draw(60)];
        let delay = draw(4);
        let (drift, batch, busy) = (10 + draw(190), 1 + draw(20), 100 + draw(20_000));
        let (spares, managed) = (1 + draw(3), draw(2) == 0);
        let mut mix = allowed.swarm(&mut rng);
        if mix.has(Fault::Wipe) && (mix.has(Fault::AddPeer) || mix.has(Fault::RemovePeer)) {
            // Not both: who is about to be removed does not campaign (behaviour.md 6.2), who has
            // forgotten everything cannot win, and of three servers these are too many.
            mix = if rng.next_u64().is_multiple_of(2) {
                mix.without(Fault::Wipe)
            } else {
                mix.without(Fault::AddPeer).without(Fault::RemovePeer)
            };
        }
        if allowed.has(Fault::Rescue) {
            // Who is gone and who is left has to be settled.
            let unsettled = [Fault::AddPeer, Fault::RemovePeer, Fault::Wipe];
            mix = unsettled.into_iter().fold(mix, Mix::without);
            mix = mix.with(Fault::Rescue);
        }
        let rate = |fault, per_mille: u64| {
            let per_mille = u32::try_from(per_mille).unwrap_or(0);
            if mix.has(fault) { 1 + per_mille } else { 0 }
        };
        let [lost, doubled, reordered, late, damaged] = rates;
        let pick = |from: [u64; 4], at: u64| {
            usize::try_from(at)
                .ok()
                .and_then(|at| from.get(at).copied())
                .unwrap_or(1_000)
        };
        Self {
            seed,
            allowed,
            mix,
            servers,
            spares: if mix.has(Fault::AddPeer) {
                usize::try_from(spares).unwrap_or(1)
            } else {
                0
            },
            managed,
            rounds: u32::try_from(rounds).unwrap_or(20),
            calm_max_ms: pick([10, 50, 150, 300], calm),
            election_ms,
            network: NetworkOptions {
                delay_min: Duration::from_micros(200),
                delay_max: Duration::from_micros(pick([500, 2_000, 8_000, 25_000], delay)),
                late_per_mille: rate(Fault::Lateness, late),
                lost_per_mille: rate(Fault::Loss, lost),
                doubled_per_mille: rate(Fault::Duplication, doubled),
                reordered_per_mille: rate(Fault::Reordering, reordered),
                corrupted_per_mille: rate(Fault::Corruption, damaged),
            },
            drift_per_mille: if mix.has(Fault::Drift) { drift } else { 0 },
            sync_max_us: pick(sync_max_us, sync),
            pace: if mix.has(Fault::SlowApply) {
                Pace {
                    batch: usize::try_from(batch).unwrap_or(1),
                    busy: Duration::from_micros(busy),
                }
            } else {
                Pace::AT_ONCE
            },
            bug,
        }
    }

    /// The kinds that happen at moments.
    pub(super) fn events(&self) -> Vec<Fault> {
        self.mix.faults().filter(|fault| fault.is_event()).collect()
    }

    /// The timers of the nodes: the server's proportions, faster.
    #[must_use]
    pub fn timing(&self) -> Timing {
        let election = Duration::from_millis(self.election_ms);
        Timing::builder()
            .election_min(election)
            .election_max(election * 5 / 2)
            .campaign_min(election / 8)
            .campaign_max(election / 2)
            .heartbeat(election / 5)
            .lost_quorum_interval(election * 4)
            .lost_quorum_check(election / 2)
            .lost_quorum_signal(election * 8)
            .rescue_timeout(election * 200)
            .build()
            .expect("fractions of a positive time are positive, and the ranges are not empty")
    }

    /// The world of the plan.
    #[must_use]
    pub fn world(&self, transcript: bool) -> ClusterOptions {
        ClusterOptions {
            seed: self.seed,
            servers: self.servers,
            spares: self.spares,
            managed: self.managed,
            timing: self.timing(),
            network: self.network,
            sync_min: Duration::from_micros(100),
            sync_max: Duration::from_micros(self.sync_max_us),
            clock_drift_per_mille: self.drift_per_mille,
            transcript,
            bug: self.bug,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = &self.network;
        write!(
            f,
            "seed {}: {} servers and {} spare, {}, {} rounds up to {} ms apart, election from {} ms, \
             delay up to {:?}, sync up to {} µs, clocks ±{} ‰, application {:?} busy, \
             ‰ lost {} doubled {} reordered {} late {} damaged {}, faults: {}",
            self.seed,
            self.servers,
            self.spares,
            if self.managed { "managed" } else { "unmanaged" },
            self.rounds,
            self.calm_max_ms,
            self.election_ms,
            network.delay_max,
            self.sync_max_us,
            self.drift_per_mille,
            self.pace.busy,
            network.lost_per_mille,
            network.doubled_per_mille,
            network.reordered_per_mille,
            network.late_per_mille,
            network.corrupted_per_mille,
            self.mix,
        )?;
        match self.bug {
            Some(bug) => write!(f, ", bug put back: {}", bug.name()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_stand_in_the_order_of_their_numbers() {
        for (at, fault) in FAULTS.into_iter().enumerate() {
            assert_eq!(fault as usize, at, "{fault:?}");
        }
    }

    #[test]
    fn mixes_are_read_as_they_are_written() {
        let some = Mix::NONE.with(Fault::Crash).with(Fault::OneWay);

        for mix in [Mix::ALL, Mix::NONE, some] {
            assert_eq!(mix.to_string().parse(), Ok(mix));
        }
        assert_eq!(some.to_string(), "crash,one-way");
        assert_eq!(
            "crash,flood".parse::<Mix>(),
            Err(NoSuchFault("flood".to_owned()))
        );
    }

    #[test]
    fn seeds_choose_every_size_and_every_fault_and_nothing_that_is_not_allowed() {
        let allowed = Mix::NONE.with(Fault::Loss).with(Fault::Pause);
        let plans = || (0..200).map(|seed| Plan::of(seed, Mix::ALL, None));

        for servers in [3, 5, 7] {
            assert!(plans().any(|plan| plan.servers == servers));
        }
        for fault in Mix::ALL.faults() {
            let chosen = plans().filter(|plan| plan.mix.has(fault)).count();
            assert!((40..140).contains(&chosen), "{fault:?}: {chosen}");
        }
        for seed in 0..50 {
            let plan = Plan::of(seed, allowed, None);
            assert!(plan.mix.faults().all(|fault| allowed.has(fault)));
            assert_eq!(plan, Plan::of(seed, allowed, None));
        }
    }
}
