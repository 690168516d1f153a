//! Runs seeds of the simulator: `./build.sh sim --seeds N --start S [--faults MIX]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, panic, thread};

use raft_core::node::{BUGS, Bug};
use raft_core::sim::faults::FAULTS;
use raft_core::sim::{Fault, Mix, Plan, Report, Tally, run};

/// Seeds of which one is run twice, and its transcripts compared.
const TWICE_EVERY: u64 = 50;

#[derive(Clone, Debug)]
struct Options {
    seeds: u64,
    start: u64,
    faults: Mix,
    bug: Option<Bug>,
    jobs: usize,
    folder: PathBuf,
    transcript: bool,
}

fn usage() -> String {
    let faults: Vec<_> = FAULTS.into_iter().map(Fault::name).collect();
    let bugs: Vec<_> = BUGS.into_iter().map(Bug::name).collect();
    format!(
        "usage: sim [OPTIONS]

  --seeds N       how many seeds to run (500)
  --start S       the first of them (0)
  --faults MIX    what may go wrong: names with commas between, all, or none (all)
  --bug NAME      put a known bug back
  --jobs N        threads (as many as there are cores)
  --transcript    write the transcript of each seed, not of those that fail only
  --out FOLDER    where transcripts go (artifacts/sim)

faults: {}
bugs: {}",
        faults.join(" "),
        bugs.join(" ")
    )
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seeds: 500,
        start: 0,
        faults: Mix::ALL,
        bug: None,
        jobs: thread::available_parallelism().map_or(1, usize::from),
        folder: PathBuf::from("artifacts/sim"),
        transcript: false,
    };
    while let Some(word) = words.next() {
        if word == "--transcript" {
            options.transcript = true;
            continue;
        }
        if word == "--help" {
            return Err(usage());
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{word} wants a value"))?;
        let number = || value.parse().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--seeds" => options.seeds = number()?,
            "--start" => options.start = number()?,
            "--faults" => options.faults = value.parse().map_err(|e| format!("{e}"))?,
            "--bug" => {
                let bug = Bug::of(&value).ok_or_else(|| format!("no bug is called {value}"))?;
                options.bug = Some(bug);
            }
            "--jobs" => options.jobs = usize::try_from(number()?).unwrap_or(1).max(1),
            "--out" => options.folder = value.into(),
            _ => return Err(format!("no option {word}\n\n{}", usage())),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    // A node that panics is closed by its shard and reported by the run; its text is in there.
    panic::set_hook(Box::new(|_| {}));
    let clock = Clock::start();
    let campaign = Campaign::default();
    thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| campaign.work(&options));
        }
    });
    let tally = campaign.tally.lock().map(|tally| tally.clone());
    let (tally, time) = (tally.unwrap_or_default(), clock.passed());
    let minutes = time.as_millis().max(1);
    let rate = u128::from(tally.seeds) * 60_000 / minutes;
    println!("{tally}");
    println!(
        "{} seeds in {:.1} s: {rate} seeds/min with {} jobs; {} of them twice, for the same transcript",
        tally.seeds,
        time.as_secs_f64(),
        options.jobs,
        campaign.twice.load(Ordering::Relaxed),
    );
    if campaign.failed.load(Ordering::Relaxed) {
        return ExitCode::FAILURE;
    }
    if tally.seeds > 0 && tally.committed < tally.seeds * 20 {
        println!("vacuous: fewer than 20 indexes were committed in a run");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The machine's clock, for the rate that is printed; nothing in a run depends on it.
struct Clock(std::time::Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "only the rate is measured")]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn passed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[derive(Default)]
struct Campaign {
    next: AtomicU64,
    twice: AtomicU64,
    failed: AtomicBool,
    tally: Mutex<Tally>,
}

impl Campaign {
    fn work(&self, options: &Options) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= options.seeds {
                return;
            }
            let seed = options.start + number;
            let plan = Plan::of(seed, options.faults, options.bug);
            let twice = number.is_multiple_of(TWICE_EVERY);
            let report = run(&plan, twice || options.transcript);
            if let Ok(mut tally) = self.tally.lock() {
                tally.add(&report.tally);
            }
            if twice {
                self.twice.fetch_add(1, Ordering::Relaxed);
                if run(&plan, true).transcript != report.transcript {
                    self.failed.store(true, Ordering::Relaxed);
                    println!("seed {seed}: two runs differ; options: {plan}");
                }
            }
            if report.failure.is_some() || options.transcript {
                self.tell(options, &report);
            }
        }
    }

    /// Prints what failed, and writes the transcript: the same run again, which is the same.
    fn tell(&self, options: &Options, report: &Report) {
        let Plan { seed, allowed, .. } = report.plan;
        let transcript = match &report.transcript {
            Some(text) => Some(text.clone()),
            None => run(&report.plan, true).transcript,
        };
        let file = options.folder.join(format!("seed-{seed}.txt"));
        let content = format!("{}\n{}", report.plan, transcript.unwrap_or_default());
        let written = fs::create_dir_all(&options.folder).and_then(|()| fs::write(&file, content));
        let Some(failure) = &report.failure else {
            println!("seed {seed}: {}", file.display());
            return;
        };
        self.failed.store(true, Ordering::Relaxed);
        let bug = report.plan.bug.map(|bug| format!(" --bug {}", bug.name()));
        println!("seed {seed} failed: {failure}");
        println!("  options: {}", report.plan);
        println!(
            "  replay: ./build.sh sim --seeds 1 --start {seed} --faults {allowed}{}",
            bug.unwrap_or_default()
        );
        match written {
            Ok(()) => println!("  transcript: {}", file.display()),
            Err(error) => println!("  transcript could not be written: {error}"),
        }
    }
}
