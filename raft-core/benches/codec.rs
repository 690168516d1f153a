//! What encoding and decoding an append entry costs, in time and in allocations, beside a plain
//! copy of the same bytes in the same run.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench may panic, and reads the clock"
)]

mod counting;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::Criterion;
use raft_core::types::{Entry, Index, PeerId, Term};
use raft_core::wire::{AppendEntry, AppendEntryHead, ChecksumKey, SnapshotFile};

use counting::allocations;

/// One line of the closing table.
struct Row {
    name: String,
    nanos: f64,
    allocations: f64,
}

/// Measures operations one after the other and keeps what the closing table shows.
struct Table {
    criterion: Criterion,
    rows: Vec<Row>,
}

impl Table {
    /// Measures `step`, which is handed the value it gave back the last time: so a message can be
    /// decoded over and over without a clone that would be measured too.
    fn measure<T>(&mut self, name: &str, mut value: Option<T>, mut step: impl FnMut(T) -> T) {
        let mut turn = |iterations: u64| {
            for _ in 0..iterations {
                value = value.take().map(|value| black_box(step(value)));
            }
        };
        turn(100);
        let before = allocations();
        turn(100);
        let allocations = (allocations() - before) as f64 / 100.0;

        let mut samples = Vec::new();
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                turn(iterations);
                let taken = start.elapsed();
                // The first turns of a warm-up are too short to tell the clock from the work.
                if taken >= Duration::from_millis(1) {
                    samples.push(taken.as_nanos() as f64 / iterations as f64);
                }
                taken
            });
        });
        // There are no samples when the command line asks for other benches.
        samples.sort_by(f64::total_cmp);
        if let Some(&nanos) = samples.get(samples.len() / 2) {
            let name = name.into();
            self.rows.push(Row {
                name,
                nanos,
                allocations,
            });
        }
    }

    fn append_entry(&mut self, name: &str, entries: &[Entry]) {
        let first = self.rows.len();
        let head = AppendEntryHead {
            leader: PeerId(*b"S1Nunr6R"),
            term: Term(3),
            commit: Index(41),
            prev_term: Term(3),
            prev_index: Index(42),
            leader_term: Term::ZERO,
        };
        let encoded = AppendEntry::encode_entries(head, entries).unwrap();
        let frame = || Some(Bytes::copy_from_slice(encoded.frame()));
        let bytes = encoded.frame().to_vec();

        self.measure(&format!("{name}: memcpy"), Some(bytes.clone()), |mut to| {
            to.copy_from_slice(black_box(&bytes));
            to
        });
        self.measure(
            &format!("{name}: allocate and memcpy"),
            Some(Vec::new()),
            |_| black_box(&bytes).clone(),
        );
        self.measure(&format!("{name}: encode"), Some(encoded.clone()), |_| {
            AppendEntry::encode_entries(black_box(head), black_box(entries)).unwrap()
        });
        // What a leader of five does with a message: four peers and the log hold the same bytes.
        self.measure(
            &format!("{name}: encode and share 5 times"),
            Some(encoded.clone()),
            |_| {
                let message = AppendEntry::encode_entries(black_box(head), black_box(entries));
                let message = message.unwrap();
                black_box([(); 5].map(|()| message.frame().clone()));
                message
            },
        );
        self.measure(&format!("{name}: decode"), frame(), |frame| {
            AppendEntry::decode(frame)
                .map(black_box)
                .unwrap()
                .into_frame()
        });
        self.measure(&format!("{name}: decode and walk"), frame(), |frame| {
            let message = AppendEntry::decode(frame).unwrap();
            message.entries().for_each(|entry| {
                black_box(entry);
            });
            message.into_frame()
        });
        self.measure(&format!("{name}: decode and share"), frame(), |frame| {
            let message = AppendEntry::decode(frame).unwrap();
            message.shared_entries().for_each(|entry| {
                black_box(entry);
            });
            message.into_frame()
        });
        self.measure(
            &format!("{name}: encode again for catch-up"),
            frame(),
            |frame| {
                let message = AppendEntry::decode(frame).unwrap();
                black_box(message.with_leader_term(Term(7)));
                message.into_frame()
            },
        );
        self.print(name, bytes.len(), first);
    }

    fn snapshot(&mut self) {
        let first = self.rows.len();
        let key = ChecksumKey::of_text("TEST");
        let snapshot = SnapshotFile {
            last_term: Term(3),
            last_index: Index(20),
            peer_state: Bytes::from_static(&[0; 10]),
            data: vec![b'x'; 1 << 20].into(),
        };
        let file = snapshot.encode(&key);
        let bytes = file.to_vec();

        self.measure("snapshot 1 MiB: memcpy", Some(bytes.clone()), |mut to| {
            to.copy_from_slice(black_box(&bytes));
            to
        });
        self.measure("snapshot 1 MiB: encode", Some(file.clone()), |_| {
            snapshot.encode(&key)
        });
        self.measure("snapshot 1 MiB: decode", Some(file.clone()), |file| {
            black_box(SnapshotFile::decode(file.clone(), &key).unwrap());
            file
        });
        self.print("snapshot 1 MiB", bytes.len(), first);
    }

    /// The rows since `first`, each beside the first of them.
    fn print(&self, title: &str, len: usize, first: usize) {
        let rows = self.rows.get(first..).unwrap_or_default();
        if rows.is_empty() {
            return;
        }
        let copy = rows.first().map_or(f64::NAN, |row| row.nanos);
        println!("\n{title}, {len} bytes: ns, times memcpy, allocations");
        for Row {
            name,
            nanos,
            allocations,
        } in rows
        {
            println!(
                "{name:<44} {nanos:>10.1} {:>7.1} {allocations:>5.1}",
                nanos / copy
            );
        }
        println!();
    }
}

fn entries(count: usize, len: usize) -> Vec<Entry> {
    (0..count).map(|_| Entry::normal(vec![b'x'; len])).collect()
}

fn main() {
    let criterion = Criterion::default()
        .configure_from_args()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    let mut table = Table {
        criterion,
        rows: Vec::new(),
    };
    table.append_entry("heartbeat", &[]);
    table.append_entry("1x256 B", &entries(1, 256));
    table.append_entry("64x256 B", &entries(64, 256));
    table.append_entry("1x64 KiB", &entries(1, 64 << 10));
    table.snapshot();
}
