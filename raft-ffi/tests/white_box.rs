//! White-box access: nodes with a driver and without one, through the same functions.

#![cfg(feature = "testing")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "live handles and local places throughout"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod support;

use std::ptr::{null, null_mut};
use std::slice;

use natsraft::batch::*;
use natsraft::constants::*;
use natsraft::node::*;
use natsraft::propose::*;
use natsraft::runtime::*;
use natsraft::status::*;
use natsraft::testing::catchup::*;
use natsraft::testing::elections::*;
use natsraft::testing::hands::*;
use natsraft::testing::log::*;
use natsraft::testing::loopback::nrg_test_batch_messages;
use natsraft::testing::membership::*;
use natsraft::testing::node::*;
use natsraft::testing::replication::*;
use natsraft::types::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use support::{Host, entries, node_config, ok, peer, sized, zeroed};

/// A detached node with its runtime and folder.
struct Detached {
    node: *mut NrgNode,
    runtime: *mut NrgRuntime,
    #[expect(dead_code, reason = "removed with it")]
    folder: TempDir,
}

fn manual_runtime() -> *mut NrgRuntime {
    let mut runtime = null_mut();
    let config = NrgRuntimeConfig {
        struct_size: sized::<NrgRuntimeConfig>(),
        clock: NRG_CLOCK_MANUAL,
        ..zeroed()
    };
    ok(unsafe { nrg_runtime_open(&config, &mut runtime) });
    runtime
}

impl Detached {
    fn open(flags: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = manual_runtime();
        let root = folder.path().to_str().unwrap().to_owned();
        let config = node_config(&root, null(), 1, peer("AAAAAAAA"));
        let mut node = null_mut();
        ok(unsafe { nrg_test_node_open(runtime, &config, flags, &mut node) });
        Self {
            node,
            runtime,
            folder,
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        unsafe {
            ok(nrg_node_free(self.node));
            ok(nrg_runtime_shutdown(self.runtime));
            ok(nrg_runtime_free(self.runtime));
        }
    }
}

fn dump(node: *const NrgNode) -> Value {
    let mut batch = null_mut();
    ok(unsafe { nrg_test_node_dump(node, &mut batch) });
    serde_json::from_slice(&entries(batch).unwrap()[0].3).unwrap()
}

fn set(node: *const NrgNode, patch: &str) -> i32 {
    unsafe { nrg_test_node_set(node, patch.as_ptr(), patch.len()) }
}

fn sent(node: *const NrgNode) -> Vec<(String, Vec<u8>)> {
    let (mut batch, mut count, mut sent) = (null_mut(), 0, Vec::new());
    unsafe {
        ok(nrg_test_spy_take(node, &mut batch));
        let messages = nrg_test_batch_messages(batch, &mut count);
        for at in 0..count {
            let message = &*messages.add(at);
            let subject = slice::from_raw_parts(message.subject_ptr, message.subject_len);
            let payload = slice::from_raw_parts(message.payload_ptr, message.payload_len);
            let subject = String::from_utf8(subject.to_vec()).unwrap();
            sent.push((subject, payload.to_vec()));
        }
        ok(nrg_batch_free(batch));
    }
    sent
}

#[test]
fn node_is_called_read_and_written_whatever_drives_it() {
    let host = Host::lone_leader();
    let detached = Detached::open(0);
    for node in [host.nodes[0].node, detached.node] {
        ok(unsafe { nrg_test_node_freeze(node) });
        ok(set(node, r#"{"term": 5}"#));
        ok(unsafe { nrg_test_add_peer(node, peer("BBBBBBBB")) });
        let seen = dump(node);
        assert_eq!((&seen["term"], &seen["csz"]), (&json!(5), &json!(2)));
        let mut won = 7;
        ok(unsafe { nrg_test_won_election(node, 2, &mut won) });
        assert_eq!(won, 1);

        assert_eq!(set(node, r#"{"no_such_field": 1}"#), NRG_STATUS_NOT_FOUND);
        assert_eq!(set(node, "no json"), NRG_STATUS_MALFORMED);
        assert_eq!(set(node, r#"{"term": "x"}"#), NRG_STATUS_INVALID_ARGUMENT);
        ok(unsafe { nrg_test_node_unfreeze(node) });
    }
}

#[test]
fn functions_of_a_node_work_on_a_detached_one() {
    let detached = Detached::open(0);
    let node = detached.node;
    let refused = unsafe { nrg_node_propose(node, 1, null(), 0) };
    assert_eq!(refused, NRG_STATUS_NOT_LEADER);
    ok(unsafe { nrg_test_switch_to_candidate(node) });
    ok(unsafe { nrg_test_switch_to_leader(node) });

    ok(unsafe { nrg_node_propose(node, 1, b"x".as_ptr(), 1) });

    assert_eq!(dump(node)["prop"], json!(1));
    let mut batch = null_mut();
    ok(unsafe { nrg_test_proposals_take(node, &mut batch) });
    let proposal = entries(batch).unwrap().remove(0).3;
    assert_eq!(proposal, b"\x01\0\0\0\0\0\0\0\0x");
    ok(unsafe { nrg_node_stop(node) });
    assert_eq!(dump(node)["state"], json!(3));
}

#[test]
fn detached_node_answers_what_it_processes() {
    let detached = Detached::open(0);
    let node = detached.node;
    // A vote request of term 3 from an empty candidate.
    let mut request = [0; 32];
    request[0] = 3;
    request[24..].copy_from_slice(b"BBBBBBBB");
    let process = |frame: &[u8]| {
        let (frame_ptr, frame_len) = (frame.as_ptr(), frame.len());
        unsafe { nrg_test_process_vote_request(node, frame_ptr, frame_len, b"back".as_ptr(), 4) }
    };
    ok(unsafe { nrg_test_node_hold_sync(node, 1) });
    ok(process(&request));
    assert_eq!(sent(node), [], "a vote waits for its sync");

    ok(unsafe { nrg_test_node_hold_sync(node, 0) });
    let vote = [b"\x03\0\0\0\0\0\0\0".as_slice(), b"AAAAAAAA", b"\x01"].concat();
    let answer = ("back".to_owned(), vote);
    assert_eq!(sent(node), [answer], "granted; a new node is not yet empty");
    let (mut term, mut vote) = (0, 0);
    ok(unsafe { nrg_test_read_term_vote(node, &mut term, &mut vote) });
    assert_eq!((term, vote), (3, peer("BBBBBBBB")));

    assert_ne!(process(b"too short"), NRG_STATUS_OK);
    let origin = unsafe { nrg_test_process_append_entry(node, null(), 0, null(), 0, 3, 0) };
    assert_ne!(origin, NRG_STATUS_OK);
    let mut batch = null_mut();
    let missing = unsafe { nrg_test_load_entry(node, 9, &mut batch) };
    assert_ne!((missing, batch.is_null()), (NRG_STATUS_OK, false));
    let inbox = unsafe { nrg_test_create_catchup(node, b"x".as_ptr(), 1, &mut batch) };
    assert_ne!((inbox, batch.is_null()), (NRG_STATUS_OK, false));
}

#[test]
fn driven_node_has_no_hands() {
    let host = Host::lone_leader();
    let node = host.nodes[0].node;
    let (mut batch, mut role) = (null_mut(), 0);
    unsafe {
        for status in [
            nrg_test_turn(node),
            nrg_test_run(node, 1),
            nrg_test_run_as_leader(node, 1, &mut role),
            nrg_test_node_hold_sync(node, 1),
            nrg_test_permits(node, 1),
            nrg_test_node_advance(node, 1),
            nrg_test_auto_answer(node, 0, 0, 0),
            nrg_test_spy_take(node, &mut batch),
        ] {
            assert_eq!(status, NRG_STATUS_UNSUPPORTED);
        }
    }
}

#[test]
fn detached_node_checks_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let config = node_config(root, null(), 1, peer("AAAAAAAA"));
    let runtime = manual_runtime();
    let driven = Host::lone_leader();
    let mut node = std::ptr::dangling_mut();
    unsafe {
        for (runtime, flags) in [(runtime, 4), (driven.runtime, 0)] {
            let status = nrg_test_node_open(runtime, &config, flags, &mut node);
            let expected = (NRG_STATUS_INVALID_ARGUMENT, true);
            assert_eq!((status, node.is_null()), expected);
        }
        for status in [
            nrg_test_node_open(null(), &config, 0, &mut node),
            nrg_test_node_dump(null(), &mut null_mut()),
            nrg_test_node_set(null(), null(), 0),
            nrg_test_switch_to_leader(null()),
            nrg_test_turn(null()),
            nrg_test_is_closed(null(), &mut 0),
            nrg_test_load_entry(null(), 1, &mut null_mut()),
        ] {
            assert_eq!(status, NRG_STATUS_NULL_ARGUMENT);
        }
        ok(nrg_runtime_shutdown(runtime));
        ok(nrg_runtime_free(runtime));
    }
}
