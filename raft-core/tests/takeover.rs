//! Folders written by the server, 85 of them, are taken over: a node made from each knows what the
//! server recovered from it, or more.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod golden;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use raft_core::config::Timing;
use raft_core::node::{Committed, Node, NodeSetup};
use raft_core::storage::takeover::{Taken, TakenLog, read_log};
use raft_core::storage::{
    Log, LogKind, MemoryLog, OpenedGroup, RealDisk, StorageError, StoreConfig, WriteSeq, open_group,
};
use raft_core::time::Instant;
use raft_core::types::{EntryType, GroupName, Index, PeerId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Who opened the folders.
const OPENER: PeerId = PeerId(*b"esFhDys3");

/// Where the server cuts or empties a log behind a bad place, later entries are kept here, and the
/// indexes between are known to be lost. What stands before them is what the server recovers.
const LOST: [(&str, (u64, u64)); 17] = [
    ("bad-payload-at-1", (1, 1)),
    ("bad-payload-at-5", (5, 5)),
    ("flipped-byte-first-record-no-index-db", (1, 1)),
    ("flipped-byte-first-record-with-index-db", (1, 1)),
    ("flipped-byte-no-index-db", (10, 10)),
    ("flipped-byte-with-index-db", (10, 10)),
    ("flipped-length-no-index-db", (10, 10)),
    ("many-blocks-first-missing-no-index-db", (1, 4)),
    ("many-blocks-middle-flip-no-index-db", (10, 10)),
    ("many-blocks-middle-missing-no-index-db", (9, 12)),
    ("many-blocks-middle-missing-with-index-db", (9, 12)),
    ("snapshot-below-log-gap", (6, 13)),
    ("snapshot-higher-term-lower-index", (4, 13)),
    ("snapshot-removed", (1, 13)),
    ("wrong-pindex-at-1", (1, 1)),
    ("wrong-pindex-at-5", (5, 5)),
    ("wrong-pterm-at-5", (5, 5)),
];

/// Where else a node knows something other than the server: the fields that differ.
fn different(name: &str) -> Value {
    match name {
        // The old log is dropped once a snapshot covers it, and here none does.
        "interrupted-purge-done" => json!({
            "pterm": 1, "pindex": 21, "commit": 20,
            "log_entries": true, "queued_for_state_machine": true,
        }),
        // A node is never in a term before that of its own last entry.
        "snapshot-beyond-log" => json!({"term": 5, "vote": ""}),
        "snapshot-higher-term-lower-index" => json!({"term": 7, "vote": ""}),
        // The server's log and node disagree afterwards; it cuts the good entry 4 too.
        "wrong-pterm-at-5" => json!({"pindex": 4, "log_entries": true}),
        // A commit beyond the log counts for the entries up to the one that says so.
        "commit-beyond-log" => json!({"commit": 7, "queued_for_state_machine": true}),
        _ => json!({}),
    }
}

fn unpack(case: &Value) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let archive = golden::path("groups").join(golden::text(case, "archive"));
    let content = GzDecoder::new(File::open(archive).unwrap());
    tar::Archive::new(content).unpack(dir.path()).unwrap();
    dir
}

fn kind(case: &Value) -> LogKind {
    match case.get("memory_log") {
        Some(_) => LogKind::Memory,
        None => LogKind::File,
    }
}

fn open(case: &Value, dir: &Path) -> Result<(OpenedGroup, TakenLog), StorageError> {
    let group = GroupName::new(golden::text(case, "group")).unwrap();
    let config = StoreConfig {
        dir: dir.to_path_buf(),
        group: group.clone(),
        kind: kind(case),
    };
    let opened = open_group(Arc::new(RealDisk), &config)?;
    let found = opened.snapshots.found.newest.as_ref();
    let floor = found.map_or(Index::ZERO, |found| found.name.index);
    let log = read_log(&RealDisk, dir, &group, floor)?;
    Ok((opened, log.unwrap_or_default()))
}

/// A node over what was taken before anything lost.
fn node(case: &Value, opened: OpenedGroup, taken: &TakenLog) -> Node {
    let mut log = MemoryLog::new();
    let floor = opened.snapshots.found.newest.as_ref();
    let mut seq = WriteSeq::ZERO;
    let mut next_seq = || {
        seq = WriteSeq(seq.0 + 1);
        seq
    };
    if let Some(floor) = floor {
        log.compact(floor.name.index.next(), next_seq()).unwrap();
    }
    for entry in &taken.entries {
        let Taken::Whole(entry) = entry else { break };
        let frame = entry.frame().clone();
        log.append(entry.index(), next_seq(), frame).unwrap();
    }
    let setup = NodeSetup {
        id: OPENER,
        group: GroupName::new(golden::text(case, "group")).unwrap(),
        timing: Timing::default(),
        managed: false,
        observer: false,
        recovering: true,
        scale_up: false,
        track: false,
        seed: 1,
        unknown_peers_online: true,
        log: Box::new(log),
        term_vote: opened.term_vote,
        peer_state: opened.peer_state.unwrap(),
        snapshots: opened.snapshots,
        last_seq: seq,
    };
    Node::recover(setup, Instant::ZERO).unwrap()
}

fn entry(kind: u64, data: &[u8]) -> Value {
    let sum = golden::hex(&Sha256::digest(data));
    json!({"type": kind, "data_len": data.len(), "data_sha256": sum})
}

fn entries<'a>(of: impl Iterator<Item = (EntryType, &'a [u8])>) -> Value {
    of.map(|(kind, data)| entry(kind.code().into(), data))
        .collect()
}

/// Short data is spelled out in the vectors; here all of it goes by its sum.
fn summed(value: &mut Value) {
    if let Some(digits) = value["data_hex"].as_str() {
        *value = entry(golden::u64_of(value, "type"), &golden::unhex(digits));
    } else if let Some(object) = value.as_object_mut() {
        object.remove("data_parts");
    }
}

fn sum_all(items: &mut Value) {
    for item in items.as_array_mut().into_iter().flatten() {
        item["entries"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(summed);
    }
}

/// The node as the vectors describe one.
fn described(node: &mut Node, taken: &TakenLog) -> Value {
    let queued: Vec<Value> = std::iter::from_fn(|| node.take_applied(1, usize::MAX).pop())
        .filter_map(|item| match item {
            Committed::Entries(committed) => Some(json!({
                "index": committed.index.0,
                "entries": entries(committed.entries().map(|entry| (entry.kind, entry.data))),
            })),
            Committed::NilGuard | Committed::CatchupStarted => None,
        })
        .collect();
    let status = node.status(Instant::ZERO);
    let peers = node.current_peer_state();
    let mut names: Vec<String> = peers.peers.iter().map(ToString::to_string).collect();
    names.sort();
    let whole = taken.entries.iter().map_while(|entry| match entry {
        Taken::Whole(entry) => Some(entry),
        Taken::Lost { .. } => None,
    });
    let log: Vec<Value> = whole
        .map(|entry| {
            json!({
                "index": entry.index().0,
                "leader": entry.head.leader.to_string(),
                "term": entry.head.term.0,
                "commit": entry.head.commit.0,
                "pterm": entry.head.prev_term.0,
                "pindex": entry.head.prev_index.0,
                "lterm": entry.head.leader_term.0,
                "entries": entries(entry.entries().map(|entry| (entry.kind, entry.data))),
            })
        })
        .collect();
    json!({
        "term": status.term.0,
        "vote": status.vote.map_or(String::new(), |vote| vote.to_string()),
        "pterm": status.last_term.0,
        "pindex": status.last_index.0,
        "commit": status.commit.0,
        "processed": status.processed.0,
        "applied": status.applied.0,
        "cluster_size": status.cluster_size,
        "quorum": status.quorum,
        "peers": names,
        "domain_ext": peers.domain_ext,
        "queued_for_state_machine": queued,
        "log_entries": log,
    })
}

/// How what was found differs from what the vectors say; nothing when it does not.
fn differences(case: &Value) -> Vec<String> {
    let name = golden::name(case);
    let dir = unpack(case);
    let mut expected = case["recovered"].clone();
    let starts = expected["outcome"] == "started";
    let (opened, taken) = match open(case, dir.path()) {
        Ok((opened, taken)) if opened.peer_state.is_some() => (opened, taken),
        Ok(_) if !starts => return Vec::new(),
        Ok(_) => return vec!["has no peers".to_owned()],
        Err(_) if !starts => return Vec::new(),
        Err(error) => return vec![error.to_string()],
    };
    if !starts {
        return vec!["opens, the server refused".to_owned()];
    }
    let lost = taken.entries.iter().find_map(|taken| match taken {
        Taken::Lost { from, to, .. } => Some((from.0, to.0)),
        Taken::Whole(_) => None,
    });
    let told = LOST.iter().find(|(other, _)| *other == name);
    let told = told.map(|(_, range)| *range);
    let mut wrong = Vec::new();
    if lost != told {
        wrong.push(format!("lost {lost:?}, not {told:?}"));
    }
    let mut node = node(case, opened, &taken);
    let found = described(&mut node, &taken);
    sum_all(&mut expected["queued_for_state_machine"]);
    sum_all(&mut expected["log_entries"]);
    let different = different(name);
    for (field, value) in found.as_object().unwrap() {
        // A memory log's vector tells less.
        let Some(theirs) = expected.get(field).filter(|theirs| !theirs.is_null()) else {
            continue;
        };
        let agrees = match &different[field] {
            Value::Null => value == theirs,
            Value::Bool(_) => value != theirs,
            ours => value == ours && value != theirs,
        };
        if !agrees {
            wrong.push(format!("{field} is {value}, the server has {theirs}"));
        }
    }
    wrong
}

#[test]
fn folders_of_the_server_are_taken_over() {
    let mut wrong = Vec::new();
    for case in golden::cases("groups/groups.json") {
        let name = golden::name(&case);
        if name != "encrypted" {
            let all = differences(&case).into_iter();
            wrong.extend(all.map(|one| format!("{name}: {one}")));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn encrypted_folder_is_refused_and_left_as_it_is() {
    let cases = golden::cases("groups/groups.json");
    let case = cases.iter().find(|case| golden::name(case) == "encrypted");
    let dir = unpack(case.unwrap());
    let log = || std::fs::read(dir.path().join("msgs/1.blk")).unwrap();
    let before = log();

    let error = open(case.unwrap(), dir.path()).err().unwrap().to_string();

    assert!(
        error.ends_with("belongs to an encrypted log; nothing was changed"),
        "{error}"
    );
    assert_eq!(log(), before);
}
