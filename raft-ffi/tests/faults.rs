//! What the testing flavour offers: faults, taps, time, live objects.

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
use natsraft::testing::loopback::*;
use natsraft::testing::node::*;
use natsraft::testing::objects::*;
use natsraft::types::*;

use support::{Host, last_error, ok, peer, zeroed};

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
        let dump = nrg_test_node_dump(node, &mut batch);
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
