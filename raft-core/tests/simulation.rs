//! The simulator itself: it makes the same run twice, it finds the bugs it has to find, and it
//! stays silent without them. Campaigns of many seeds are `./build.sh sim`.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::panic;
use std::sync::Once;

use raft_core::node::{BUGS, Bug};
use raft_core::sim::{Fault, Mix, Plan, Report, run};

/// Seeds within which each known bug has to be found.
const SEEDS: u64 = 200;

fn play(seed: u64, faults: Mix, bug: Option<Bug>) -> Report {
    run(&Plan::of(seed, faults, bug), false)
}

/// A node that panics is closed and reported by the run; its text need not be printed too.
fn silence_nodes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            let by_node = what.location().is_some_and(|place| {
                let file = place.file();
                file.contains("src/node") || file.contains("src/shard")
            });
            if !by_node {
                loud(what);
            }
        }));
    });
}

/// How many seeds it took to find `bug`, and by which property.
fn found(bug: Bug) -> Option<(u64, &'static str)> {
    (0..SEEDS).find_map(|seed| {
        let failure = play(seed, Mix::ALL, Some(bug)).failure?;
        Some((seed + 1, failure.property()))
    })
}

#[test]
fn every_known_bug_is_found_and_nothing_else() {
    silence_nodes();
    let mut missed = Vec::new();
    let mut needed = 0;
    for bug in BUGS {
        match found(bug) {
            Some((seeds, property)) => {
                println!("{}: {seeds} seeds, {property}", bug.name());
                needed = needed.max(seeds);
            }
            None => missed.push(bug.name()),
        }
    }

    assert_eq!(missed, Vec::<&str>::new(), "not found in {SEEDS} seeds");
    for seed in 0..needed {
        let report = play(seed, Mix::ALL, None);
        assert_eq!(report.failure, None, "{}", report.plan);
    }
}

#[test]
fn seed_makes_the_same_transcript_twice_and_the_same_run_without_one() {
    for seed in [1, 12, 500] {
        let plan = Plan::of(seed, Mix::ALL, None);
        let (one, other, silent) = (run(&plan, true), run(&plan, true), run(&plan, false));

        assert!(one.transcript.as_ref().unwrap().len() > 10_000);
        assert_eq!(one.transcript, other.transcript, "{plan}");
        assert_eq!(one.tally, silent.tally, "{plan}");
    }
}

#[test]
fn runs_are_not_vacuous() {
    for seed in 0..20 {
        let report = play(seed, Mix::ALL, None);
        let tally = report.tally;

        assert_eq!(report.failure, None, "{}", report.plan);
        assert!(tally.acknowledged >= 20 && tally.elections >= 1, "{tally}");
    }
}

#[test]
fn each_fault_alone_comes_about_and_breaks_nothing() {
    for fault in raft_core::sim::faults::FAULTS {
        let only = Mix::NONE.with(fault);
        let mut struck = 0;
        for seed in 0..12 {
            let report = play(seed, only, None);
            assert_eq!(report.failure, None, "{}", report.plan);
            struck += report.tally.faults.get(&fault).copied().unwrap_or(0);
        }

        assert!(struck > 0, "{} never came about", fault.name());
    }
}

/// Whatever else happens to the disks.
#[test]
fn disk_that_rots_is_refused_or_holds_what_it_held() {
    let mut struck = 0;
    for seed in 0..60 {
        let report = play(seed, Mix::STORAGE, None);
        assert_eq!(report.failure, None, "{}", report.plan);
        struck += report.tally.faults.get(&Fault::Rot).copied().unwrap_or(0);
    }
    assert!(struck > 50, "{struck} bits turned round");
}

/// With everything else going wrong before the majority is lost.
#[test]
fn rescued_group_keeps_what_was_committed_and_lives_on() {
    for seed in 0..30 {
        let report = play(seed, Mix::ALL.with(Fault::Rescue), None);
        assert_eq!(report.failure, None, "{}", report.plan);
    }
}

/// `seeds.txt`: a seed, its faults, and what it found once.
#[test]
fn seeds_that_found_something_stay_clean() {
    let lines = include_str!("seeds.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for line in lines {
        let mut words = line.split_whitespace();
        let seed = words.next().unwrap().parse().unwrap();
        let faults = words.next().unwrap().parse().unwrap();

        let report = play(seed, faults, None);

        assert_eq!(report.failure, None, "{line}: {}", report.plan);
        count += 1;
    }
    assert!(count > 0, "the list is empty");
}

#[test]
fn fault_that_is_not_allowed_never_comes_about() {
    let allowed = Mix::NONE.with(Fault::Crash).with(Fault::Loss);
    for seed in 0..10 {
        let faults = play(seed, allowed, None).tally.faults;
        assert!(faults.keys().all(|fault| allowed.has(*fault)), "{faults:?}");
    }
}
