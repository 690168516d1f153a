//! Awaited proposals through the ABI: announced, taken, each once.

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

use natsraft::constants::*;
use natsraft::node::*;
use natsraft::propose::*;
use natsraft::runtime::nrg_runtime_poll;
use natsraft::status::*;
use natsraft::types::*;
use support::{Host, ok};

fn propose(host: &Host, term: u64, text: &[u8], tag: u64) -> i32 {
    let node = host.nodes[0].node;
    unsafe { nrg_node_propose_awaited(node, term, text.as_ptr(), text.len(), tag) }
}

/// The outcomes there are, taken one by one: tag, index and status of each.
fn outcomes(host: &Host) -> Vec<(u64, u64, i32)> {
    let mut all = Vec::new();
    loop {
        let (mut one, mut count) = ([NrgProposalOutcome::default()], 0);
        let node = host.nodes[0].node;
        ok(unsafe { nrg_node_outcomes_take(node, one.as_mut_ptr(), 1, &mut count) });
        if count == 0 {
            return all;
        }
        all.extend(one.map(|it| (it.tag, it.index, it.status)));
    }
}

#[test]
fn an_awaited_proposal_ends_with_its_index_once_it_is_processed() {
    let mut host = Host::lone_leader();
    let term = host.nodes[0].lead_term.unwrap();
    let first = host.nodes[0].state().last_index + 1;
    let large = vec![7; 100 * 1024];

    // One over the fast path, one that the node is asked about.
    ok(propose(&host, term, b"small", 9));
    host.pump_until("the small one", |nodes| nodes[0].applied.len() == 1);
    ok(propose(&host, term, &large, u64::MAX));
    host.pump_until("both", |nodes| nodes[0].applied.len() == 2);

    host.pump_until("the outcomes", |nodes| {
        nodes[0].seen & NRG_READY_OUTCOME != 0
    });
    let ended = [
        (9, first, NRG_STATUS_OK),
        (u64::MAX, first + 1, NRG_STATUS_OK),
    ];
    assert_eq!(outcomes(&host), ended);
}

#[test]
fn a_stop_ends_what_is_awaited_before_the_last_event() {
    let host = Host::lone_leader();
    let term = host.nodes[0].lead_term.unwrap();
    // Nothing applies from here on, so nothing can end well.
    let node = host.nodes[0].node;
    for tag in [1, 2] {
        ok(propose(&host, term, b"awaited", tag));
    }
    ok(unsafe { nrg_node_stop(node) });

    let mut stopped = false;
    while !stopped {
        let (mut ready, mut count) = (NrgReady::default(), 0);
        ok(unsafe { nrg_runtime_poll(host.runtime, 5, &mut ready, 1, &mut count) });
        stopped = count == 1 && ready.ready_mask & NRG_READY_STOPPED != 0;
    }
    let mut ended = outcomes(&host);
    ended.sort_unstable();
    assert_eq!(ended, [1, 2].map(|tag| (tag, 0, NRG_STATUS_CLOSED)));
    assert_eq!(outcomes(&host), []);
}

#[test]
fn wrong_arguments_take_nothing() {
    let mut host = Host::lone_leader();
    let (node, term) = (host.nodes[0].node, host.nodes[0].lead_term.unwrap());
    assert_eq!(propose(&host, term, b"", 0), NRG_STATUS_INVALID_ARGUMENT);
    assert_eq!(propose(&host, term + 1, b"", 1), NRG_STATUS_NOT_LEADER);
    ok(propose(&host, term, b"", 2));
    host.pump_until("the outcome", |nodes| {
        nodes[0].seen & NRG_READY_OUTCOME != 0
    });

    let (mut one, mut count) = ([NrgProposalOutcome::default()], 7);
    unsafe {
        let status = nrg_node_outcomes_take(null(), one.as_mut_ptr(), 1, &mut count);
        assert_eq!(status, NRG_STATUS_NULL_ARGUMENT);
        let status = nrg_node_outcomes_take(node, null_mut(), 1, &mut count);
        assert_eq!(status, NRG_STATUS_NULL_ARGUMENT);
        let status = nrg_node_outcomes_take(node, one.as_mut_ptr(), 1, null_mut());
        assert_eq!(status, NRG_STATUS_NULL_ARGUMENT);
    }
    assert_eq!(count, 7);
    assert_eq!(outcomes(&host).len(), 1, "the refused one has none");
}
