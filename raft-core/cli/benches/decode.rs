//! How many lines `nrg decode` answers in a second: the program itself, over pipes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench may panic, and reads the clock"
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use raft_core::types::{Entry, Index, PeerId, Term};
use raft_core::wire::{AppendEntry, AppendEntryHead};

const LINES: usize = 200_000;
const LINES_PER_WRITE: usize = 100;

fn main() {
    let entries = vec![Entry::normal(vec![b'x'; 256]); 8];
    for (what, entries) in [
        ("heartbeats", &entries[..0]),
        ("append entries of 1x256 B", &entries[..1]),
        ("append entries of 8x256 B", &entries[..]),
    ] {
        let (lines, seconds) = run(&line(entries));
        assert_eq!(lines, LINES);
        println!("nrg decode, {what}: {:.0} lines/s", lines as f64 / seconds);
    }
}

fn line(entries: &[Entry]) -> String {
    let head = AppendEntryHead {
        leader: PeerId(*b"S1Nunr6R"),
        term: Term(3),
        commit: Index(41),
        prev_term: Term(3),
        prev_index: Index(42),
        leader_term: Term::ZERO,
    };
    let message = AppendEntry::encode_entries(head, entries).unwrap();
    let mut line = String::from("append_entry ");
    for byte in message.frame() {
        write!(line, "{byte:02x}").unwrap();
    }
    line.push('\n');
    line
}

/// Feeds `line` to the program as often as [`LINES`] says; the answers, and the seconds it takes.
fn run(line: &str) -> (usize, f64) {
    let block = line.repeat(LINES_PER_WRITE);
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nrg"))
        .arg("decode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        for _ in 0..LINES / LINES_PER_WRITE {
            stdin.write_all(block.as_bytes()).unwrap();
        }
    });
    let mut answers = BufReader::with_capacity(1 << 16, child.stdout.take().unwrap());
    let mut count = 0;
    loop {
        let some = answers.fill_buf().unwrap();
        if some.is_empty() {
            break;
        }
        count += some.iter().filter(|byte| **byte == b'\n').count();
        let len = some.len();
        answers.consume(len);
    }
    assert!(child.wait().unwrap().success());
    writer.join().unwrap();
    (count, start.elapsed().as_secs_f64())
}
