//! Commits of one group of three nodes in one process, over the loopback hub: rate, latency and
//! processor time, for memory and for synced file logs.
//!
//! A commit is an entry applied on the leader. One thread plays the application of all three
//! servers: it polls, takes, reports as processed, and keeps a number of proposals outstanding.
//! The processor time is the whole process's. The device's own time for one write and sync is
//! measured in the same run, as no commit on disk can be faster than that.
//!
//! `cargo bench -p raft-core --bench commit -- [--seconds N] [--dir FOLDER] [--only memory|file]
//! [--outstanding N]`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "it may fail by panicking, and its numbers are small"
)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(missing_docs, reason = "a program of its own")]

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use raft_core::config::NodeConfig;
use raft_core::node::Committed;
use raft_core::runtime::{Loopback, NodeHandle, Ready, Runtime, RuntimeConfig, Transport, ready};
use raft_core::storage::LogKind;
use raft_core::types::{EntryType, GroupName, Index, PeerId};

const ENTRY_BYTES: usize = 256;
const WARM_UP: Duration = Duration::from_millis(500);
/// Latencies kept for the percentiles.
const SAMPLES_MAX: usize = 4_000_000;

struct Options {
    measured: Duration,
    dir: PathBuf,
    kinds: Vec<LogKind>,
    outstanding: Vec<usize>,
}

fn main() {
    let options = options();
    println!(
        "three nodes in one process, {ENTRY_BYTES}-byte entries, {} s each; {} processors",
        options.measured.as_secs_f32(),
        std::thread::available_parallelism().map_or(1, usize::from),
    );
    let (p50, p99) = device(&options.dir);
    println!(
        "device: one write of {ENTRY_BYTES} bytes and fdatasync: p50 {p50:.0} us, p99 {p99:.0} us"
    );
    println!();
    println!("log     outstanding    commits/s     p50 us     p99 us   CPU us/entry   syncs/s");
    for kind in options.kinds {
        for outstanding in &options.outstanding {
            let folder = tempfile::tempdir_in(&options.dir).unwrap();
            let result = run(kind, *outstanding, options.measured, folder.path());
            println!(
                "{:<7} {:>11} {:>12.0} {:>10.1} {:>10.1} {:>14.2} {:>9.0}",
                match kind {
                    LogKind::Memory => "memory",
                    LogKind::File => "file",
                },
                outstanding,
                result.rate,
                result.p50,
                result.p99,
                result.cpu,
                result.syncs,
            );
        }
    }
}

fn options() -> Options {
    let mut options = Options {
        measured: Duration::from_secs(3),
        dir: std::env::temp_dir(),
        kinds: vec![LogKind::Memory, LogKind::File],
        outstanding: vec![1, 64, 1_024],
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let seconds = words.next().and_then(|word| word.parse().ok());
                options.measured = Duration::from_secs_f64(seconds.expect("--seconds N"));
            }
            "--dir" => options.dir = words.next().expect("--dir FOLDER").into(),
            "--only" => {
                let memory = words.next().expect("--only memory|file") == "memory";
                options.kinds = vec![if memory {
                    LogKind::Memory
                } else {
                    LogKind::File
                }];
            }
            "--outstanding" => {
                let count = words.next().and_then(|word| word.parse().ok());
                options.outstanding = vec![count.expect("--outstanding N")];
            }
            // What cargo adds.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    options
}

struct Outcome {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
    syncs: f64,
}

struct Run {
    runtime: Runtime,
    nodes: Vec<NodeHandle>,
    leader: NodeHandle,
    start: Instant,
    committed: u64,
    latencies: Vec<u32>,
}

fn run(kind: LogKind, outstanding: usize, measured: Duration, dir: &Path) -> Outcome {
    let mut run = Run::new(kind, dir);
    run.propose(outstanding);
    run.pump(WARM_UP);

    run.committed = 0;
    run.latencies.clear();
    let (cpu, syncs, from) = (cpu_time(), run.runtime.metrics().syncs, Instant::now());
    run.pump(measured);
    let took = from.elapsed();
    let cpu = cpu_time() - cpu;
    let syncs = run.runtime.metrics().syncs - syncs;

    for node in &run.nodes {
        node.stop();
        node.wait_stopped(None);
    }
    let (p50, p99) = percentiles(&mut run.latencies);
    let committed = run.committed as f64;
    Outcome {
        rate: committed / took.as_secs_f64(),
        p50: p50 / 1_000.0,
        p99: p99 / 1_000.0,
        cpu: cpu.as_secs_f64() * 1e6 / committed,
        syncs: syncs as f64 / took.as_secs_f64(),
    }
}

impl Run {
    fn new(kind: LogKind, dir: &Path) -> Self {
        let runtime = Runtime::open(RuntimeConfig::default()).unwrap();
        let hub = Loopback::new();
        let ids = ["S-1", "S-2", "S-3"].map(PeerId::from_server_name);
        let start = |(at, id): (usize, &PeerId)| {
            let root = dir.join(at.to_string());
            let config = NodeConfig {
                log: kind,
                token: at as u64 + 1,
                ..NodeConfig::new(*id, GroupName::new("BENCH").unwrap(), root)
            };
            Runtime::bootstrap(&config, &ids, true, 0, 0).unwrap();
            runtime
                .start(config, Transport::Loopback(hub.clone()))
                .unwrap()
        };
        let nodes: Vec<_> = ids.iter().enumerate().map(start).collect();
        nodes[0].campaign(true).unwrap();
        let leader = nodes[0].clone();
        let mut run = Self {
            runtime,
            nodes,
            leader,
            start: Instant::now(),
            committed: 0,
            latencies: Vec::with_capacity(SAMPLES_MAX),
        };
        while !run.leader.is_leader() {
            run.turn();
            run.leader = run
                .nodes
                .iter()
                .find(|n| n.is_leader())
                .unwrap_or(&run.leader)
                .clone();
        }
        run
    }

    /// Proposes entries that carry the moment they were proposed at.
    fn propose(&self, count: usize) {
        let now = self.start.elapsed().as_nanos() as u64;
        let mut packed = BytesMut::with_capacity(count * ENTRY_BYTES);
        for _ in 0..count {
            packed.put_u64_le(now);
            packed.put_bytes(0x5a, ENTRY_BYTES - 8);
        }
        let packed = packed.freeze();
        let outcome = match count {
            0 => Ok(()),
            1 => self.leader.propose(self.leader.term(), packed),
            _ => {
                let lengths = vec![ENTRY_BYTES as u32; count];
                self.leader
                    .propose_slices(self.leader.term(), packed, &lengths)
            }
        };
        outcome.unwrap();
    }

    fn pump(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let done = self.turn();
            self.propose(done);
        }
    }

    /// Waits for events and applies; how many entries the leader applied.
    fn turn(&mut self) -> usize {
        let mut events = [Ready::default(); 16];
        let count = self
            .runtime
            .poll_ready(Some(Duration::from_millis(100)), &mut events)
            .unwrap();
        let mut done = 0;
        for event in &events[..count] {
            if event.mask & ready::APPLY == 0 {
                continue;
            }
            let node = self.nodes[event.token as usize - 1].clone();
            let leads = node.token() == self.leader.token();
            let mut last = Index::ZERO;
            for item in node.take_applied(usize::MAX, usize::MAX) {
                let Committed::Entries(committed) = item else {
                    continue;
                };
                last = committed.index;
                if leads {
                    done += self.applied(&committed);
                }
            }
            if last > Index::ZERO {
                node.processed(last, last);
            }
        }
        done
    }

    fn applied(&mut self, committed: &raft_core::node::CommittedEntry) -> usize {
        let now = self.start.elapsed().as_nanos() as u64;
        let mut count = 0;
        for entry in committed
            .entries()
            .filter(|entry| entry.kind == EntryType::Normal)
        {
            let proposed = entry
                .data
                .first_chunk()
                .map_or(0, |at| u64::from_le_bytes(*at));
            count += 1;
            if self.latencies.len() < SAMPLES_MAX {
                self.latencies
                    .push(u32::try_from(now - proposed).unwrap_or(u32::MAX));
            }
        }
        self.committed += count as u64;
        count
    }
}

fn percentiles(nanos: &mut [u32]) -> (f64, f64) {
    nanos.sort_unstable();
    let at = |share: usize| f64::from(nanos.get(nanos.len() * share / 100).copied().unwrap_or(0));
    (at(50), at(99))
}

/// The time of one small write and its sync on the device under `dir`, in microseconds, within a
/// file that already has its blocks, as a log's has.
fn device(dir: &Path) -> (f64, f64) {
    const WRITES: usize = 300;
    let mut file: File = tempfile::tempfile_in(dir).unwrap();
    file.write_all(&vec![0; WRITES * ENTRY_BYTES]).unwrap();
    file.rewind().unwrap();
    file.sync_all().unwrap();
    let record = [0x5a; ENTRY_BYTES];
    let mut nanos: Vec<_> = (0..WRITES)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&record).unwrap();
            file.sync_data().unwrap();
            start.elapsed().as_nanos() as u32
        })
        .collect();
    let (p50, p99) = percentiles(&mut nanos);
    (p50 / 1_000.0, p99 / 1_000.0)
}

/// Processor time of the whole process, from the kernel's accounting in clock ticks.
fn cpu_time() -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the program's name, may hold anything but ends with the last parenthesis.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}
