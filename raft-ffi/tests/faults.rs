//! What the testing flavour offers: faults, taps, time, detached nodes, live objects.

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

use natsraft::apply::*;
use natsraft::batch::*;
use natsraft::constants::*;
use natsraft::lead::*;
use natsraft::loopback::*;
use natsraft::membership::*;
use natsraft::node::*;
use natsraft::propose::*;
use natsraft::query::*;
use natsraft::runtime::*;
use natsraft::status::*;
use natsraft::testing::clock::*;
use natsraft::testing::fault::*;
use natsraft::testing::live::*;
use natsraft::testing::loopback::*;
use natsraft::testing::node::*;
use natsraft::testing::objects::*;
use natsraft::types::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use support::{Host, entries, last_error, node_config, ok, peer, zeroed};

fn failure_of(node: *const NrgNode) -> (i32, String) {
    let (mut code, mut text, mut len) = (0, vec![0; 256], 0);
    unsafe {
        ok(nrg_node_write_error(
            node,
            &mut code,
            text.as_mut_ptr(),
            256,
            &mut len,
        ))
    };
    text.truncate(len);
    (code, String::from_utf8(text).unwrap())
}

#[test]
fn panic_in_a_call_ends_the_node_and_nothing_else() {
    let mut host = Host::lone_leader();
    let node = host.nodes[0].node;
    // A group of its own, though it has the same name.
    let other = peer("BBBBBBBB");
    ok(unsafe { nrg_loopback_set_partition(host.network, other, 1) });
    host.open(other, &[other]);

    let status = unsafe { nrg_test_inject_fault(node, NRG_TEST_FAULT_PANIC_IN_CALL) };
    assert_eq!(status, NRG_STATUS_PANIC);
    assert_eq!(last_error(), "panic: a test asked for this panic");
    assert_eq!(
        unsafe { nrg_node_propose(node, 1, null(), 0) },
        NRG_STATUS_FAULTED
    );
    assert_eq!(unsafe { nrg_node_campaign(node, 0) }, NRG_STATUS_FAULTED);
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);
    assert_ne!(host.nodes[0].seen & NRG_READY_FAULT, 0);
    let (mut code, mut len) = (7, 0);
    assert_eq!(
        unsafe { nrg_node_write_error(node, &mut code, null_mut(), 0, &mut len) },
        NRG_STATUS_BUFFER_TOO_SMALL
    );
    assert_eq!((code, len), (7, 34), "the length and nothing else");
    let expected = "panic: a test asked for this panic".to_owned();
    assert_eq!(failure_of(node), (NRG_STATUS_PANIC, expected));
    let state = host.nodes[0].state();
    assert_eq!(
        (state.role, state.flags & NRG_NODE_FAILED),
        (NRG_ROLE_CLOSED, NRG_NODE_FAILED)
    );

    ok(unsafe { nrg_node_campaign(host.nodes[1].node, NRG_CAMPAIGN_IMMEDIATELY) });
    host.pump_until("the other leader", |nodes| nodes[1].lead_term.is_some());
}

#[test]
fn panic_in_the_engine_ends_the_node_and_nothing_else() {
    let mut host = Host::lone_leader();
    let node = host.nodes[0].node;
    let status = unsafe { nrg_test_inject_fault(node, 9) };
    assert_eq!(status, NRG_STATUS_INVALID_ARGUMENT);

    ok(unsafe { nrg_test_inject_fault(node, NRG_TEST_FAULT_PANIC_IN_NODE) });
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);
    assert_ne!(host.nodes[0].seen & NRG_READY_FAULT, 0);
    assert_eq!(failure_of(node).0, NRG_STATUS_PANIC);
    assert_eq!(host.nodes[0].state().role, NRG_ROLE_CLOSED);
    assert_eq!(
        unsafe { nrg_node_propose(node, 1, null(), 0) },
        NRG_STATUS_FAULTED
    );
    assert_eq!(
        unsafe { nrg_test_inject_fault(null(), 1) },
        NRG_STATUS_NULL_ARGUMENT
    );
}

/// Each call that needs a working node.
fn calls(host: &Host, node: *const NrgNode) -> Vec<(&'static str, i32)> {
    let mut batch = std::ptr::dangling_mut();
    let (mut one, mut two, mut flag, mut other, mut count) = (0, 0, 0, 0, 0);
    unsafe {
        let take = nrg_node_apply_take(node, 1, 1, &mut batch);
        assert!(batch.is_null());
        batch = std::ptr::dangling_mut();
        let dump = nrg_test_live_dump(node, &mut batch);
        assert!(batch.is_null());
        let (lengths, types) = ([1], [0]);
        vec![
            ("apply_take", take),
            ("live_dump", dump),
            ("propose", nrg_node_propose(node, 1, null(), 0)),
            ("propose_batch", {
                let (data, lengths) = (b"x".as_ptr(), lengths.as_ptr());
                nrg_node_propose_batch(node, 1, data, 1, lengths, types.as_ptr(), 1)
            }),
            (
                "forward_proposal",
                nrg_node_forward_proposal(node, null(), 0),
            ),
            (
                "processed",
                nrg_node_processed(node, 1, 1, &mut one, &mut two),
            ),
            ("apply_pause", nrg_node_apply_pause(node)),
            ("apply_resume", nrg_node_apply_resume(node)),
            ("lead_change_take", {
                nrg_node_lead_change_take(node, &mut flag, &mut other, &mut one)
            }),
            ("step_down", nrg_node_step_down(node, null(), 0)),
            ("campaign", nrg_node_campaign(node, 0)),
            ("set_observer", nrg_node_set_observer(node, 1)),
            (
                "adjust_cluster_size",
                nrg_node_adjust_cluster_size(node, 3, 0),
            ),
            ("propose_add_peer", nrg_node_propose_add_peer(node, 1)),
            ("propose_remove_peer", nrg_node_propose_remove_peer(node, 1)),
            ("evict_peers", {
                nrg_node_evict_peers(node, null(), 0, null_mut(), &mut count)
            }),
            ("rescue_quorum", {
                nrg_node_rescue_quorum(node, 1, &mut flag, &mut other)
            }),
            ("peers", nrg_node_peers(node, null_mut(), 0, &mut count)),
            ("last_heard", nrg_node_last_heard(node, 1, &mut one)),
            ("check_health", nrg_node_check_health(node, &mut flag)),
            ("freeze", nrg_loopback_freeze(host.network, node, 1)),
        ]
    }
}

#[test]
fn panic_of_a_command_is_the_answer_to_that_command_and_ends_the_node() {
    let mut host = Host::lone_leader();
    let node = host.nodes[0].node;
    let status = unsafe { nrg_test_inject_fault(node, NRG_TEST_FAULT_PANIC_IN_COMMAND) };
    assert_eq!(status, NRG_STATUS_PANIC);
    let text = last_error();
    assert_eq!(text, "panic: a test asked for this panic");
    for (name, status) in calls(&host, node) {
        assert_eq!(status, NRG_STATUS_FAULTED, "{name}");
    }

    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);
    assert_ne!(host.nodes[0].seen & NRG_READY_FAULT, 0);
    assert_eq!(failure_of(node), (NRG_STATUS_PANIC, text));
    assert_eq!(host.nodes[0].state().role, NRG_ROLE_CLOSED);
    ok(unsafe { nrg_node_stop(node) });
}

#[test]
fn live_objects_of_a_runtime_are_counted_and_given_back() {
    let mut host = Host::lone_leader();
    let runtime = host.runtime;
    let count = |kind| {
        let mut count = 0;
        ok(unsafe { nrg_test_live_objects(runtime, kind, &mut count) });
        count
    };
    assert_eq!(
        (count(NRG_TEST_OBJECT_NODE), count(NRG_TEST_OBJECT_BATCH)),
        (1, 0)
    );

    let mut batch = null_mut();
    ok(unsafe { nrg_runtime_log_take(runtime, 100, &mut batch) });
    assert_eq!(count(NRG_TEST_OBJECT_BATCH), 1);
    unsafe {
        ok(nrg_batch_free(batch));
        ok(nrg_node_stop(host.nodes[0].node));
        ok(nrg_node_free(std::mem::replace(
            &mut host.nodes[0].node,
            null_mut(),
        )));
    }
    assert_eq!(
        (count(NRG_TEST_OBJECT_NODE), count(NRG_TEST_OBJECT_BATCH)),
        (0, 0)
    );
}

#[test]
fn time_of_a_manual_clock_moves_by_hand_only() {
    let config = NrgRuntimeConfig {
        clock: NRG_CLOCK_MANUAL,
        seed: 7,
        ..zeroed()
    };
    let mut host = Host::with(config);
    let id = peer("AAAAAAAA");
    host.open(id, &[id]);
    host.pump_for(std::time::Duration::from_millis(50));
    assert_eq!(host.nodes[0].state().role, NRG_ROLE_FOLLOWER);

    ok(unsafe { nrg_test_clock_advance(host.runtime, 1_000_000_000) });
    assert_eq!(host.nodes[0].state().role, NRG_ROLE_LEADER);

    let real = Host::new();
    let status = unsafe { nrg_test_clock_advance(real.runtime, 1) };
    assert_eq!(status, NRG_STATUS_BUSY);
    assert!(!last_error().is_empty());
}

#[test]
fn tap_hears_votes_and_an_injected_message_reaches_its_subscribers() {
    let mut host = Host::group(&["AAAAAAAA", "BBBBBBBB"]);
    let (subject, mut tap) = ("$NRG.>", null_mut());
    unsafe {
        ok(nrg_test_loopback_tap_open(
            host.network,
            subject.as_ptr(),
            subject.len(),
            &mut tap,
        ));
        ok(nrg_node_campaign(
            host.nodes[0].node,
            NRG_CAMPAIGN_IMMEDIATELY,
        ));
    }
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());

    let mut heard = Vec::new();
    let mut batch = null_mut();
    ok(unsafe { nrg_test_loopback_tap_take(tap, &mut batch) });
    let (mut count, mut none) = (0, 1);
    unsafe {
        let messages = slice::from_raw_parts(nrg_test_batch_messages(batch, &mut count), count);
        for message in messages {
            let subject = slice::from_raw_parts(message.subject_ptr, message.subject_len);
            heard.push((
                message.source,
                String::from_utf8_lossy(subject).into_owned(),
            ));
            assert!(message.payload_len > 0 && !message.payload_ptr.is_null());
        }
        assert!(nrg_batch_items(batch, &mut none).is_null());
        ok(nrg_batch_free(batch));
    }
    assert!(
        heard.contains(&(peer("AAAAAAAA"), "$NRG.V.G".to_owned())),
        "{heard:?}"
    );
    assert!(
        heard.contains(&(peer("AAAAAAAA"), "$NRG.AE.G".to_owned())),
        "{heard:?}"
    );

    let mut receivers = 0;
    let mut inject = |subject: &str| unsafe {
        ok(nrg_test_loopback_inject(
            host.network,
            subject.as_ptr(),
            subject.len(),
            null(),
            0,
            b"?".as_ptr(),
            1,
            &mut receivers,
        ));
        receivers
    };
    assert_eq!(inject("$NRG.AE.G"), 2);
    assert_eq!(inject("$NRG.AE.OTHER"), 0);
    ok(unsafe { nrg_test_loopback_tap_free(tap) });
    ok(unsafe { nrg_test_loopback_tap_free(null_mut()) });
}

#[test]
fn frozen_node_resumes() {
    let mut host = Host::lone_leader();
    let (node, term) = (host.nodes[0].node, host.nodes[0].lead_term.unwrap());
    unsafe {
        ok(nrg_test_node_freeze(node));
        ok(nrg_node_propose(node, term, b"later".as_ptr(), 5));
    }
    host.pump_for(std::time::Duration::from_millis(50));
    assert!(host.nodes[0].applied.is_empty());
    ok(unsafe { nrg_test_node_unfreeze(node) });
    host.pump_until("the entry", |nodes| nodes[0].applied.len() == 1);
}

#[test]
fn live_node_is_read_called_and_written_frozen_or_not() {
    let host = Host::lone_leader();
    let node = host.nodes[0].node;
    let call = |name: &str| {
        let (args, mut batch) = ("[]", null_mut());
        let status = unsafe {
            let (name_ptr, name_len) = (name.as_ptr(), name.len());
            nrg_test_live_call(
                node,
                name_ptr,
                name_len,
                args.as_ptr(),
                args.len(),
                &mut batch,
            )
        };
        (
            status,
            entries(batch).map(|records| String::from_utf8(records[0].3.clone()).unwrap()),
        )
    };
    let dump = || {
        let mut batch = null_mut();
        ok(unsafe { nrg_test_live_dump(node, &mut batch) });
        serde_json::from_slice::<Value>(&entries(batch).unwrap()[0].3).unwrap()
    };

    assert_eq!(call("term"), (NRG_STATUS_OK, Some("1".to_owned())));
    assert_eq!(call("no_such_method"), (NRG_STATUS_NOT_FOUND, None));
    ok(unsafe { nrg_test_node_freeze(node) });
    assert_eq!(
        (dump()["state"].clone(), dump()["csz"].clone()),
        (json!(1), json!(1))
    );
    let patch = r#"{"csz": 3}"#;
    ok(unsafe { nrg_test_live_set(node, patch.as_ptr(), patch.len()) });
    assert_eq!(dump()["csz"], json!(3));
    let status = unsafe { nrg_test_live_set(node, b"{".as_ptr(), 1) };
    assert_eq!(status, NRG_STATUS_MALFORMED);
    ok(unsafe { nrg_test_node_unfreeze(node) });
}

/// A detached node with its folder.
struct Detached(
    *mut NrgTestNode,
    #[expect(dead_code, reason = "removed with it")] TempDir,
);

impl Detached {
    fn open(flags: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        let config = node_config(&root, null(), 0, peer("AAAAAAAA"));
        let mut node = null_mut();
        ok(unsafe { nrg_test_node_open(&config, null(), flags, &mut node) });
        Self(node, folder)
    }

    fn call(&self, name: &str, args: &str) -> Result<Value, i32> {
        let mut batch = null_mut();
        let status = unsafe {
            let (name_len, args_len) = (name.len(), args.len());
            nrg_test_node_call(
                self.0,
                name.as_ptr(),
                name_len,
                args.as_ptr(),
                args_len,
                &mut batch,
            )
        };
        let records = entries(batch);
        if status != NRG_STATUS_OK {
            assert!(records.is_none());
            return Err(status);
        }
        Ok(serde_json::from_slice(&records.unwrap()[0].3).unwrap())
    }

    fn dump(&self) -> Value {
        let mut batch = null_mut();
        ok(unsafe { nrg_test_node_dump(self.0, &mut batch) });
        serde_json::from_slice(&entries(batch).unwrap()[0].3).unwrap()
    }

    fn set(&self, patch: &str) -> i32 {
        unsafe { nrg_test_node_set(self.0, patch.as_ptr(), patch.len()) }
    }

    fn deliver(&self, kind: u32, source_kind: u32, frame: &[u8]) -> i32 {
        let reply = "back";
        unsafe {
            nrg_test_node_deliver(
                self.0,
                kind,
                source_kind,
                0,
                frame.as_ptr(),
                frame.len(),
                reply.as_ptr(),
                reply.len(),
            )
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        ok(unsafe { nrg_test_node_free(self.0) });
    }
}

#[test]
fn detached_node_is_called_read_and_written() {
    let node = Detached::open(0);
    assert_eq!(node.dump()["term"], json!(0));
    ok(node.set(r#"{"term": 5}"#));
    assert_eq!(node.dump()["term"], json!(5));
    assert_eq!(node.call("term", "[]"), Ok(json!(5)));
    node.call("switch_to_candidate", "[]").unwrap();
    assert_eq!(
        (node.dump()["term"].clone(), node.dump()["state"].clone()),
        (json!(6), json!(2))
    );

    assert_eq!(node.call("no_such_method", "[]"), Err(NRG_STATUS_NOT_FOUND));
    assert_eq!(node.call("term", "no json"), Err(NRG_STATUS_MALFORMED));
    assert_eq!(node.set(r#"{"no_such_field": 1}"#), NRG_STATUS_NOT_FOUND);
    assert_eq!(node.set("no json"), NRG_STATUS_MALFORMED);
    assert_eq!(node.set(r#"{"term": "x"}"#), NRG_STATUS_INVALID_ARGUMENT);
    assert_eq!(
        node.call("propose", r#"[1, "00"]"#),
        Err(NRG_STATUS_NOT_LEADER)
    );
}

#[test]
fn detached_node_answers_what_is_delivered() {
    let node = Detached::open(0);
    // A vote request of term 3 from an empty candidate.
    let mut request = [0; 32];
    request[0] = 3;
    request[24..].copy_from_slice(b"BBBBBBBB");
    ok(unsafe { nrg_test_node_hold_sync(node.0, 1) });
    ok(node.deliver(NRG_TEST_DELIVER_VOTE_REQUEST, 0, &request));
    assert_eq!(sent(&node), [], "a vote waits for its sync");

    ok(unsafe { nrg_test_node_hold_sync(node.0, 0) });
    let mut vote = vec![3, 0, 0, 0, 0, 0, 0, 0];
    vote.extend_from_slice(b"AAAAAAAA");
    vote.push(1);
    assert_eq!(
        sent(&node),
        [("back".to_owned(), vote)],
        "granted; a new node is not yet empty"
    );
    ok(unsafe { nrg_test_node_advance(node.0, 1_000) });

    let status = node.deliver(NRG_TEST_DELIVER_APPEND_ENTRY, 3, b"");
    assert_eq!(status, NRG_STATUS_INVALID_ARGUMENT);
    assert_eq!(node.deliver(4, 0, b""), NRG_STATUS_INVALID_ARGUMENT);
    for kind in [NRG_TEST_DELIVER_RESPONSE, NRG_TEST_DELIVER_VOTE_RESPONSE] {
        ok(node.deliver(kind, 0, b"too short"));
    }
}

fn sent(node: &Detached) -> Vec<(String, Vec<u8>)> {
    let mut batch = null_mut();
    ok(unsafe { nrg_test_node_sent_take(node.0, &mut batch) });
    let mut count = 0;
    let mut sent = Vec::new();
    unsafe {
        let messages = nrg_test_batch_messages(batch, &mut count);
        for at in 0..count {
            let message = &*messages.add(at);
            let subject = slice::from_raw_parts(message.subject_ptr, message.subject_len);
            let payload = slice::from_raw_parts(message.payload_ptr, message.payload_len);
            sent.push((
                String::from_utf8(subject.to_vec()).unwrap(),
                payload.to_vec(),
            ));
        }
        ok(nrg_batch_free(batch));
    }
    sent
}

#[test]
fn detached_node_checks_its_flags_and_handles() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_str().unwrap();
    let config = node_config(root, null(), 0, peer("AAAAAAAA"));
    let mut node = std::ptr::dangling_mut();
    unsafe {
        let status = nrg_test_node_open(&config, null(), 4, &mut node);
        assert_eq!(
            (status, node.is_null()),
            (NRG_STATUS_INVALID_ARGUMENT, true)
        );
        assert_eq!(
            nrg_test_node_dump(null(), &mut null_mut()),
            NRG_STATUS_NULL_ARGUMENT
        );
        assert_eq!(
            nrg_test_node_set(null(), null(), 0),
            NRG_STATUS_NULL_ARGUMENT
        );
        assert_eq!(nrg_test_node_hold_sync(null(), 1), NRG_STATUS_NULL_ARGUMENT);
        assert_eq!(nrg_test_node_advance(null(), 1), NRG_STATUS_NULL_ARGUMENT);
        assert_eq!(
            nrg_test_node_sent_take(null(), &mut null_mut()),
            NRG_STATUS_NULL_ARGUMENT
        );
        ok(nrg_test_node_free(null_mut()));
    }
    let hand_made = Detached::open(NRG_TEST_NODE_NO_LOG | NRG_TEST_NODE_NO_TRANSPORT);
    assert_eq!(hand_made.dump()["csz"], json!(0));
}
