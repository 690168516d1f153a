//! What the log costs: appending, writing, syncing, loading, recovering, in time and allocations.
//! The folder is a temporary one (`TMPDIR`); its device decides the sync lines.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench may panic, and reads the clock"
)]

mod counting;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::storage::{
    Disk, GroupWrites, Log, LogKind, MemoryLog, OpenMode, OpenedGroup, RealDisk, StoreConfig,
    WriteSeq, open_group,
};
use raft_core::types::{GroupName, Index};

use counting::allocations;

/// An append entry of one record of 256 bytes.
const FRAME_LEN: usize = 42 + 5 + 256;

/// Prints the time and the allocations of each of `count` operations, done by one call of `act`.
fn report<T>(name: &str, count: u64, act: impl FnOnce() -> T) -> T {
    let before = allocations();
    let start = Instant::now();
    let result = black_box(act());
    let taken = start.elapsed();
    let allocations = allocations() - before;
    line(name, taken, allocations, count);
    result
}

fn line(name: &str, taken: Duration, allocations: u64, count: u64) {
    let each = taken.as_nanos() as f64 / count as f64;
    let allocations = allocations as f64 / count as f64;
    println!("{name:44} {each:12.1} ns {allocations:8.3} allocations");
}

fn append(log: &mut dyn Log, frame: &Bytes, count: u64) {
    let last = log.state().last.0;
    for index in last + 1..=last + count {
        log.append(Index(index), WriteSeq(index), frame.clone())
            .unwrap();
    }
}

fn write(group: &mut OpenedGroup) {
    let upto = WriteSeq(group.log.state().last.0);
    let log = group.log.take_writes();
    group
        .store
        .write(GroupWrites {
            upto,
            log,
            ..GroupWrites::default()
        })
        .unwrap();
    group.log.handle_written(upto);
}

fn open(dir: &Path) -> OpenedGroup {
    let group = GroupName::new("BENCH").unwrap();
    let config = StoreConfig {
        dir: dir.into(),
        group,
        kind: LogKind::File,
    };
    open_group(Arc::new(RealDisk), &config).unwrap()
}

/// The device's own time: a plain write of one page over a file that has its length, and a sync.
fn device(dir: &Path) {
    let file = RealDisk
        .open(&dir.join("device"), OpenMode::Create)
        .unwrap();
    file.write_at(0, &vec![0; 4 << 20]).unwrap();
    file.sync_all().unwrap();
    report("device: write 4 KiB in place, sync", 200, || {
        for page in 0..200 {
            file.write_at(page * 4096, &[1; 4096]).unwrap();
            file.sync_data().unwrap();
        }
    });
}

fn main() {
    let frame = Bytes::from(vec![7; FRAME_LEN]);
    let root = tempfile::tempdir().unwrap();
    let count = 200_000;

    let mut memory = MemoryLog::new();
    report("memory: append", count, || {
        append(&mut memory, &frame, count)
    });
    report("memory: load", count, || {
        for index in 1..=count {
            black_box(memory.load(Index(index)).unwrap());
        }
    });

    let mut group = open(root.path());
    for batch in [1, 64, 1024] {
        let rounds = 20_480 / batch;
        let (mut appending, mut writing) = (Duration::ZERO, Duration::ZERO);
        let before = allocations();
        for _ in 0..rounds {
            let start = Instant::now();
            append(&mut *group.log, &frame, batch);
            appending += start.elapsed();
            let start = Instant::now();
            write(&mut group);
            writing += start.elapsed();
        }
        let allocations = allocations() - before;
        let count = rounds * batch;
        line(
            &format!("file: append, {batch} a batch"),
            appending,
            0,
            count,
        );
        line(
            &format!("file: write, {batch} a batch (all allocations)"),
            writing,
            allocations,
            count,
        );
    }

    device(root.path());
    group.store.sync(true).unwrap();
    for batch in [1, 64, 1024] {
        report(
            &format!("file: append, write, sync {batch}: a batch"),
            200,
            || {
                for _ in 0..200 {
                    append(&mut *group.log, &frame, batch);
                    write(&mut group);
                    group.store.sync(true).unwrap();
                }
            },
        );
    }

    let entries = group.log.state().messages;
    drop(group);
    let group = report("file: recover", entries, || open(root.path()));
    report("file: load from the file, in order", entries, || {
        for index in 1..=entries {
            black_box(group.log.load(Index(index)).unwrap());
        }
    });
}
