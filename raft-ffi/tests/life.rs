//! The life of runtimes and nodes through the ABI, in the right order and in wrong ones.

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
use std::time::Duration;

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
use natsraft::types::*;
use support::{Host, entries, node_config, ok, peer, zeroed};

fn propose(host: &Host, at: usize, text: &str) -> i32 {
    let member = &host.nodes[at];
    let term = member.lead_term.unwrap_or(0);
    unsafe { nrg_node_propose(member.node, term, text.as_ptr(), text.len()) }
}

#[test]
fn entries_come_back_in_order_with_their_indexes_and_flags() {
    let mut host = Host::lone_leader();
    let node = host.nodes[0].node;
    let term = host.nodes[0].lead_term.unwrap();
    let (lengths, packed) = ([1_u32, 0, 2], b"abc");
    ok(propose(&host, 0, "first"));
    ok(unsafe {
        nrg_node_propose_batch(node, term, packed.as_ptr(), 3, lengths.as_ptr(), null(), 3)
    });

    host.pump_until("entries", |nodes| nodes[0].applied.len() == 4);
    assert_eq!(host.nodes[0].applied, [&b"first"[..], b"a", b"", b"bc"]);
    let state = host.nodes[0].state();
    assert_eq!(
        (state.commit, state.applied),
        (state.last_index, state.last_index)
    );
    assert_eq!((state.term, state.leader), (term, host.nodes[0].id));
    assert_eq!(state.flags & NRG_NODE_IS_LEADER, NRG_NODE_IS_LEADER);
    assert!(state.leader_since_unix_nanos >= state.created_unix_nanos);
}

#[test]
fn records_of_one_index_stay_together_and_the_first_is_marked() {
    let host = Host::lone_leader();
    let node = host.nodes[0].node;
    let term = host.nodes[0].lead_term.unwrap();
    let lengths = [1_u32; 3];
    ok(unsafe {
        nrg_node_propose_batch(node, term, b"xyz".as_ptr(), 3, lengths.as_ptr(), null(), 3)
    });

    let mut records = Vec::new();
    while records.len() < 3 {
        let mut batch = null_mut();
        ok(unsafe { nrg_node_apply_take(node, 0, 0, &mut batch) });
        records.extend(entries(batch).unwrap_or_default());
    }
    let index = records[0].0;
    let expected = [
        (
            index,
            NRG_ENTRY_NORMAL,
            NRG_ITEM_FIRST_OF_INDEX,
            b"x".to_vec(),
        ),
        (index, NRG_ENTRY_NORMAL, 0, b"y".to_vec()),
        (index, NRG_ENTRY_NORMAL, 0, b"z".to_vec()),
    ];
    assert_eq!(records, expected);
}

#[test]
fn first_entry_of_a_leader_is_an_empty_index_after_the_nil_guard() {
    let mut host = Host::new();
    let id = peer("AAAAAAAA");
    host.open(id, &[id]);
    let node = host.nodes[0].node;
    ok(unsafe { nrg_node_campaign(node, NRG_CAMPAIGN_IMMEDIATELY) });

    let mut records = Vec::new();
    while records.len() < 2 {
        let mut batch = null_mut();
        ok(unsafe { nrg_node_apply_take(node, 10, 1000, &mut batch) });
        records.extend(entries(batch).unwrap_or_default());
    }
    let guard = (0, NRG_ENTRY_NORMAL, NRG_ITEM_NIL_GUARD, Vec::new());
    let empty = NRG_ITEM_FIRST_OF_INDEX | NRG_ITEM_EMPTY;
    assert_eq!(records, [guard, (1, NRG_ENTRY_NORMAL, empty, Vec::new())]);
}

#[test]
fn three_nodes_elect_replicate_and_agree_on_their_members() {
    let mut host = Host::group(&["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"]);
    ok(unsafe { nrg_node_campaign(host.nodes[1].node, NRG_CAMPAIGN_IMMEDIATELY) });
    host.pump_until("a leader", |nodes| {
        nodes.iter().any(|node| node.lead_term.is_some())
    });
    let leader = host
        .nodes
        .iter()
        .position(|node| node.lead_term.is_some())
        .unwrap();
    let follower = (leader + 1) % 3;

    assert_eq!(propose(&host, follower, "no"), NRG_STATUS_NOT_LEADER);
    ok(propose(&host, leader, "yes"));
    let forwarded =
        unsafe { nrg_node_forward_proposal(host.nodes[follower].node, b"f".as_ptr(), 1) };
    ok(forwarded);
    host.pump_until("entries", |nodes| {
        nodes.iter().all(|node| node.applied.len() == 2)
    });

    let mut peers = [NrgPeer::default(); 3];
    let mut count = 0;
    let node = host.nodes[leader].node;
    unsafe {
        let status = nrg_node_peers(node, peers.as_mut_ptr(), 2, &mut count);
        assert_eq!(
            (status, count, peers[0].id),
            (NRG_STATUS_BUFFER_TOO_SMALL, 3, 0)
        );
        ok(nrg_node_peers(node, peers.as_mut_ptr(), 3, &mut count));
    }
    assert_eq!(
        peers.map(|peer| peer.id),
        ["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"].map(peer)
    );
    assert!(peers.iter().all(|peer| peer.flags & NRG_PEER_VOTING != 0));
}

#[test]
fn leadership_goes_to_the_preferred_peer() {
    // Times that a busy machine does not overrun: a peer is preferred only while it is healthy.
    const MILLISECOND: u64 = 1_000_000;
    let mut host = Host::new();
    let tuning = NrgTuning {
        election_min_ns: 3_000 * MILLISECOND,
        election_max_ns: 5_000 * MILLISECOND,
        heartbeat_ns: 400 * MILLISECOND,
        ..support::quick_tuning()
    };
    ok(unsafe { nrg_runtime_set_tuning(host.runtime, &raw const tuning) });
    let ids = ["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"].map(peer);
    for id in ids {
        host.open(id, &ids);
    }
    ok(unsafe { nrg_node_campaign(host.nodes[0].node, NRG_CAMPAIGN_IMMEDIATELY) });
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
    ok(propose(&host, 0, "x"));
    host.pump_until("entries", |nodes| {
        nodes.iter().all(|node| node.applied.len() == 1)
    });

    let leader = host.nodes[0].node;
    let mut heard = [0_u64; 2];
    while heard.contains(&0) {
        host.pump();
        for (id, heard) in ids[1..].iter().zip(&mut heard) {
            ok(unsafe { nrg_node_last_heard(leader, *id, heard) });
        }
    }
    let wanted = [ids[2], ids[1]];
    unsafe {
        let status = nrg_node_step_down(leader, wanted.as_ptr(), 2);
        assert_eq!(status, NRG_STATUS_TOO_MANY_PREFS);
        ok(nrg_node_step_down(leader, wanted.as_ptr(), 1));
        assert_eq!(nrg_node_step_down(leader, null(), 0), NRG_STATUS_NOT_LEADER);
    }
    host.pump_until("the successor", |nodes| nodes[2].lead_term.is_some());
    assert_eq!(host.nodes[0].lead_term, None);
}

#[test]
fn closed_node_refuses_work_and_still_answers() {
    let mut host = Host::lone_leader();
    let node = host.nodes[0].node;
    unsafe {
        ok(nrg_node_stop(node));
        ok(nrg_node_stop(node));
    }
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);

    assert_eq!(propose(&host, 0, "late"), NRG_STATUS_CLOSED);
    assert_eq!(
        unsafe { nrg_node_forward_proposal(node, null(), 0) },
        NRG_STATUS_CLOSED
    );
    assert_eq!(unsafe { nrg_node_campaign(node, 0) }, NRG_STATUS_CLOSED);
    assert_eq!(
        unsafe { nrg_node_step_down(node, null(), 0) },
        NRG_STATUS_NOT_LEADER
    );
    ok(unsafe { nrg_node_stop(node) });
    assert_eq!(host.nodes[0].state().role, NRG_ROLE_CLOSED);
    let (mut healthy, mut code, mut len) = (9, 9, 9);
    unsafe {
        ok(nrg_node_check_health(node, &mut healthy));
        ok(nrg_node_write_error(
            node,
            &mut code,
            null_mut(),
            0,
            &mut len,
        ));
    }
    assert_eq!((healthy, code, len), (0, NRG_STATUS_OK, 0));
}

#[test]
fn group_is_open_once_and_again_after_its_stop() {
    let mut host = Host::lone_leader();
    let id = host.nodes[0].id;
    let root = host.root(id);
    let config = node_config(&root, host.network, 7, id);
    let mut second = null_mut();
    let status = unsafe { nrg_node_open(host.runtime, &config, &mut second) };
    assert_eq!((status, second.is_null()), (NRG_STATUS_ALREADY_OPEN, true));

    ok(unsafe { nrg_node_stop(host.nodes[0].node) });
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);
    host.open(id, &[id]);
    host.pump_until("a leader", |nodes| nodes[1].lead_term.is_some());
}

#[test]
fn delete_removes_the_folder_of_the_group() {
    let mut host = Host::lone_leader();
    let folder = std::path::Path::new(&host.root(host.nodes[0].id)).join(support::GROUP);
    assert!(folder.exists());

    ok(unsafe { nrg_node_delete(host.nodes[0].node) });
    assert!(!folder.exists());
    let state = host.nodes[0].state();
    assert_eq!(
        (state.role, state.flags & NRG_NODE_DELETED),
        (NRG_ROLE_CLOSED, NRG_NODE_DELETED)
    );
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);
}

#[test]
fn frozen_node_stands_still_and_can_be_stopped() {
    let mut host = Host::group(&["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"]);
    ok(unsafe { nrg_node_campaign(host.nodes[0].node, NRG_CAMPAIGN_IMMEDIATELY) });
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
    let network = host.network;
    ok(unsafe { nrg_loopback_freeze(network, host.nodes[0].node, 1) });
    host.pump_until("a successor", |nodes| {
        nodes[1..].iter().any(|n| n.lead_term.is_some())
    });
    assert!(host.nodes[0].lead_term.is_some(), "it does not know");

    ok(unsafe { nrg_node_stop(host.nodes[0].node) });
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);
}

#[test]
fn paused_follower_applies_after_resuming() {
    let mut host = Host::group(&["AAAAAAAA", "BBBBBBBB"]);
    ok(unsafe { nrg_node_campaign(host.nodes[0].node, NRG_CAMPAIGN_IMMEDIATELY) });
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
    let (leader, follower) = (host.nodes[0].node, host.nodes[1].node);
    unsafe {
        assert_eq!(nrg_node_apply_pause(leader), NRG_STATUS_ALREADY_LEADER);
        ok(nrg_node_apply_pause(follower));
    }
    ok(propose(&host, 0, "held"));
    host.pump_until("the leader's entry", |nodes| nodes[0].applied.len() == 1);
    host.pump_for(Duration::from_millis(100));
    assert!(host.nodes[1].applied.is_empty());
    assert_ne!(host.nodes[1].state().flags & NRG_NODE_IS_PAUSED, 0);

    ok(unsafe { nrg_node_apply_resume(follower) });
    host.pump_until("the follower's entry", |nodes| nodes[1].applied.len() == 1);
}

#[test]
fn two_runtimes_do_not_know_each_other() {
    let (one, mut two) = (Host::lone_leader(), Host::lone_leader());
    ok(unsafe { nrg_runtime_shutdown(one.runtime) });

    let (mut event, mut count) = (NrgReady::default(), 0);
    for _ in 0..2 {
        let status = unsafe { nrg_runtime_poll(one.runtime, 0, &mut event, 1, &mut count) };
        assert_eq!(status, NRG_STATUS_SHUTDOWN);
    }
    ok(propose(&two, 0, "alive"));
    two.pump_until("the entry", |nodes| nodes[0].applied.len() == 1);
}

#[test]
fn handles_freed_in_the_wrong_order_are_harmless() {
    let mut host = Host::lone_leader();
    let node = std::mem::replace(&mut host.nodes[0].node, null_mut());
    let term = host.nodes[0].lead_term.unwrap();
    let mut batch: *mut NrgBatch = null_mut();
    let mut state: NrgNodeState = zeroed();
    unsafe {
        ok(nrg_node_propose(node, term, b"kept".as_ptr(), 4));
        while batch.is_null() {
            ok(nrg_node_apply_take(node, 1, 100, &mut batch));
        }
        ok(nrg_loopback_free(std::mem::replace(
            &mut host.network,
            null_mut(),
        )));
        ok(nrg_runtime_free(std::mem::replace(
            &mut host.runtime,
            null_mut(),
        )));
        // The node ends by itself, and may be asked all the time.
        while state.role != NRG_ROLE_CLOSED {
            ok(nrg_node_status(node, &mut state));
        }
        assert_eq!(nrg_node_propose(node, term, null(), 0), NRG_STATUS_CLOSED);
        ok(nrg_node_free(node));
    }
    let records = entries(batch).unwrap();
    assert_eq!(records[0].3, b"kept", "a batch owns what it shows");
}

#[test]
fn log_records_are_taken_once_and_counters_count() {
    let mut host = Host::lone_leader();
    let mut batch: *mut NrgBatch = null_mut();
    let mut texts = 0;
    loop {
        ok(unsafe { nrg_runtime_log_take(host.runtime, 2, &mut batch) });
        if batch.is_null() {
            break;
        }
        let (mut count, mut none) = (0, 9);
        unsafe {
            let records = nrg_batch_log_records(batch, &mut count);
            assert!(!records.is_null() && (1..=2).contains(&count));
            texts += (*records).text_len;
            assert!(nrg_batch_items(batch, &mut none).is_null());
            ok(nrg_batch_free(batch));
        }
        assert_eq!(none, 0);
    }
    assert!(texts > 0, "an election is worth a record");

    // The shard adds its sums up after each turn.
    let mut metrics: NrgMetrics = zeroed();
    while metrics.leader_changes == 0 || metrics.commits == 0 {
        host.pump();
        ok(unsafe { nrg_runtime_metrics(host.runtime, &mut metrics) });
    }
    assert_eq!((metrics.groups, metrics.leaders), (1, 1));
    let refused = [
        metrics.proposals_not_leader,
        metrics.proposals_backlog,
        metrics.proposals_unfit,
        metrics.proposals_closed,
        metrics.proposals_dropped,
    ];
    assert_eq!(refused, [0; 5]);
}

#[test]
fn refusals_sync_times_and_the_newest_warning_are_told() {
    let mut host = Host::group(&["AAAAAAAA"]);
    let node = host.nodes[0].node;
    ok(unsafe { nrg_node_campaign(node, NRG_CAMPAIGN_IMMEDIATELY) });
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
    let mut batch: *mut NrgBatch = null_mut();
    ok(unsafe { nrg_node_last_problem(node, &mut batch) });
    assert!(batch.is_null(), "nothing went wrong yet");

    let refused = unsafe { nrg_node_propose(node, 99, null(), 0) };
    assert_eq!(refused, NRG_STATUS_NOT_LEADER);
    let mut metrics: NrgMetrics = zeroed();
    while metrics.proposals_not_leader == 0 {
        host.pump();
        ok(unsafe { nrg_runtime_metrics(host.runtime, &mut metrics) });
    }
    assert_eq!(metrics.proposals_not_leader, 1);

    let (mut times, mut count) = ([0_u64; 4], 9);
    let take = |times: *mut u64, cap, count: *mut usize| unsafe {
        nrg_runtime_sync_times_take(host.runtime, times, cap, count)
    };
    assert_eq!(
        take(times.as_mut_ptr(), 4, null_mut()),
        NRG_STATUS_NULL_ARGUMENT
    );
    assert_eq!(take(null_mut(), 4, &mut count), NRG_STATUS_NULL_ARGUMENT);
    ok(take(null_mut(), 0, &mut count));
    assert_eq!(count, 0);
    assert!(metrics.syncs > 0);
    ok(take(times.as_mut_ptr(), 4, &mut count));
    assert!(
        (1..=4).contains(&count) && times[0] > 0,
        "{count}: {times:?}"
    );
}

#[test]
fn sizes_are_adjusted_where_the_group_allows_it() {
    let mut host = Host::group(&["AAAAAAAA", "BBBBBBBB"]);
    let first = host.nodes[0].node;
    unsafe {
        assert_eq!(
            nrg_node_adjust_cluster_size(first, 3, 0),
            NRG_STATUS_NOT_LEADER
        );
        ok(nrg_node_adjust_cluster_size(first, 3, NRG_ADJUST_BOOT));
        assert_eq!(host.nodes[0].state().cluster_size, 3);
        ok(nrg_node_adjust_cluster_size(first, 2, NRG_ADJUST_BOOT));
        ok(nrg_node_campaign(first, NRG_CAMPAIGN_IMMEDIATELY));
    }
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
    unsafe {
        let status = nrg_node_adjust_cluster_size(first, 3, NRG_ADJUST_BOOT);
        assert_eq!(status, NRG_STATUS_ADJUST_BOOT_CLUSTER);
        ok(nrg_node_adjust_cluster_size(first, 3, 0));
    }
    assert_eq!(host.nodes[0].state().cluster_size, 3);
}

#[test]
fn members_come_and_go_by_proposal_and_each_refusal_has_its_status() {
    let mut host = Host::lone_leader();
    let node = host.nodes[0].node;
    let (stranger, ours) = (peer("BBBBBBBB"), host.nodes[0].id);
    unsafe {
        assert_eq!(
            nrg_node_propose_remove_peer(node, stranger),
            NRG_STATUS_PEER_NOT_FOUND
        );
        assert_eq!(
            nrg_node_propose_remove_peer(node, ours),
            NRG_STATUS_REMOVE_LAST_NODE
        );
        ok(nrg_node_propose_add_peer(node, stranger));
    }
    host.pump_until("two members", |nodes| nodes[0].state().cluster_size == 2);
    let state = host.nodes[0].state();
    assert_eq!(
        state.flags & NRG_NODE_MEMBERSHIP_CHANGE,
        0,
        "committed alone"
    );

    unsafe { ok(nrg_node_propose_remove_peer(node, stranger)) };

    host.pump_until("one member", |nodes| nodes[0].state().cluster_size == 1);
}

#[test]
fn eviction_and_rescue_answer_why_they_are_refused() {
    let host = Host::lone_leader();
    let node = host.nodes[0].node;
    let (mut ids, mut count, mut before, mut now) = ([peer("BBBBBBBB")], 9, 8, 7);
    unsafe {
        let status = nrg_node_evict_peers(node, ids.as_ptr(), 1, ids.as_mut_ptr(), &mut count);
        assert_eq!(status, NRG_STATUS_NOT_MANAGED);
        assert_eq!(
            nrg_node_rescue_quorum(node, 1, &mut before, &mut now),
            NRG_STATUS_RESCUE_LEADER_KNOWN
        );
        assert_eq!(
            nrg_node_rescue_quorum(node, 2, &mut before, &mut now),
            NRG_STATUS_RESCUE_BAD_QUORUM
        );
    }
    assert_eq!((count, before, now), (9, 8, 7), "written on success only");
}

#[test]
fn any_thread_may_call_at_any_time() {
    const THREADS: usize = 4;
    const EACH: usize = 200;
    let mut host = Host::lone_leader();
    // A pointer that may cross to another thread: the handle is made for it.
    struct Shared(*const NrgNode);
    unsafe impl Sync for Shared {}
    impl Shared {
        const fn node(&self) -> *const NrgNode {
            self.0
        }
    }
    let node = Shared(host.nodes[0].node);
    let term = host.nodes[0].lead_term.unwrap();

    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut state: NrgNodeState = zeroed();
                for _ in 0..EACH {
                    unsafe {
                        ok(nrg_node_propose(node.node(), term, b"t".as_ptr(), 1));
                        ok(nrg_node_status(node.node(), &mut state));
                    }
                }
            });
        }
        host.pump_until("all entries", |nodes| {
            nodes[0].applied.len() == THREADS * EACH
        });
    });
}

#[test]
fn observer_does_not_campaign() {
    let mut host = Host::new();
    let id = peer("AAAAAAAA");
    host.open(id, &[id]);
    ok(unsafe { nrg_node_set_observer(host.nodes[0].node, 1) });
    host.pump_for(Duration::from_millis(900));
    let state = host.nodes[0].state();
    assert_eq!((state.role, state.term), (NRG_ROLE_FOLLOWER, 0));
    assert_ne!(state.flags & NRG_NODE_IS_OBSERVER, 0);

    ok(unsafe { nrg_node_set_observer(host.nodes[0].node, 0) });
    host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
}
