//! What each entry point answers to arguments that are wrong.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "null and short arguments are the subject"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod support;

use std::ptr::{null, null_mut};

use natsraft::apply::*;
use natsraft::constants::*;
use natsraft::layout::nrg_abi_layout;
use natsraft::lead::*;
use natsraft::library::*;
use natsraft::loopback::*;
use natsraft::membership::*;
use natsraft::node::*;
use natsraft::propose::*;
use natsraft::query::*;
use natsraft::runtime::*;
use natsraft::status::*;
use natsraft::types::*;
use support::{Host, last_error, node_config, ok, peer, zeroed};

/// Each call with a null handle, or a null place for its result, by its name.
#[test]
fn null_handles_and_null_places_are_answered_with_a_status() {
    let host = Host::lone_leader();
    let (node, runtime, network) = (host.nodes[0].node, host.runtime, host.network);
    let (mut one, mut four, mut eight, mut len) = (0_u32, 0_i32, 0_u64, 0_usize);
    let (one, four) = (&raw mut one, &raw mut four);
    let (eight, len) = (&raw mut eight, &raw mut len);
    let config: NrgRuntimeConfig = zeroed();
    let tuning: NrgTuning = zeroed();
    let mut batch = null_mut();
    let batch = &raw mut batch;

    let calls = unsafe {
        [
            (
                "runtime_open config",
                nrg_runtime_open(null(), &mut null_mut()),
            ),
            ("runtime_open out", nrg_runtime_open(&config, null_mut())),
            (
                "runtime_poll",
                nrg_runtime_poll(null(), 0, &mut NrgReady::default(), 1, len),
            ),
            (
                "runtime_poll count",
                nrg_runtime_poll(runtime, 0, &mut NrgReady::default(), 1, null_mut()),
            ),
            ("runtime_wake", nrg_runtime_wake(null())),
            (
                "runtime_set_tuning",
                nrg_runtime_set_tuning(null(), &tuning),
            ),
            (
                "runtime_set_tuning tuning",
                nrg_runtime_set_tuning(runtime, null()),
            ),
            (
                "runtime_set_peer_online",
                nrg_runtime_set_peer_online(null(), 1, 1),
            ),
            (
                "runtime_set_routing_ready",
                nrg_runtime_set_routing_ready(null(), 1),
            ),
            ("runtime_log_take", nrg_runtime_log_take(null(), 1, batch)),
            (
                "runtime_log_take out",
                nrg_runtime_log_take(runtime, 1, null_mut()),
            ),
            (
                "runtime_metrics",
                nrg_runtime_metrics(null(), &mut zeroed()),
            ),
            (
                "runtime_metrics out",
                nrg_runtime_metrics(runtime, null_mut()),
            ),
            ("runtime_shutdown", nrg_runtime_shutdown(null())),
            (
                "node_open",
                nrg_node_open(null(), &zeroed(), &mut null_mut()),
            ),
            (
                "node_open config",
                nrg_node_open(runtime, null(), &mut null_mut()),
            ),
            (
                "node_open out",
                nrg_node_open(runtime, &zeroed(), null_mut()),
            ),
            ("node_stop", nrg_node_stop(null())),
            ("node_delete", nrg_node_delete(null())),
            ("node_propose", nrg_node_propose(null(), 1, null(), 0)),
            ("node_propose data", nrg_node_propose(node, 1, null(), 1)),
            ("node_propose_batch", {
                nrg_node_propose_batch(null(), 1, null(), 0, null(), null(), 0)
            }),
            ("node_propose_batch lengths", {
                nrg_node_propose_batch(node, 1, null(), 0, null(), null(), 1)
            }),
            (
                "node_forward_proposal",
                nrg_node_forward_proposal(null(), null(), 0),
            ),
            (
                "node_forward_proposal data",
                nrg_node_forward_proposal(node, null(), 3),
            ),
            ("node_status", nrg_node_status(null(), &mut zeroed())),
            ("node_status out", nrg_node_status(node, null_mut())),
            ("node_peers", nrg_node_peers(null(), null_mut(), 0, len)),
            ("node_peers array", nrg_node_peers(node, null_mut(), 1, len)),
            (
                "node_peers count",
                nrg_node_peers(node, null_mut(), 0, null_mut()),
            ),
            ("node_last_heard", nrg_node_last_heard(null(), 1, eight)),
            (
                "node_last_heard out",
                nrg_node_last_heard(node, 1, null_mut()),
            ),
            ("node_check_health", nrg_node_check_health(null(), one)),
            (
                "node_check_health out",
                nrg_node_check_health(node, null_mut()),
            ),
            (
                "node_write_error",
                nrg_node_write_error(null(), four, null_mut(), 0, len),
            ),
            ("node_write_error code", {
                nrg_node_write_error(node, null_mut(), null_mut(), 0, len)
            }),
            ("node_write_error len", {
                nrg_node_write_error(node, four, null_mut(), 0, null_mut())
            }),
            (
                "node_lead_change_take",
                nrg_node_lead_change_take(null(), one, one, eight),
            ),
            ("node_lead_change_take present", {
                nrg_node_lead_change_take(node, null_mut(), one, eight)
            }),
            ("node_lead_change_take leader", {
                nrg_node_lead_change_take(node, one, null_mut(), eight)
            }),
            (
                "node_lead_change_take term",
                nrg_node_lead_change_take(node, one, one, null_mut()),
            ),
            ("node_step_down", nrg_node_step_down(null(), null(), 0)),
            ("node_step_down array", nrg_node_step_down(node, null(), 1)),
            ("node_campaign", nrg_node_campaign(null(), 0)),
            ("node_set_observer", nrg_node_set_observer(null(), 0)),
            (
                "node_adjust_cluster_size",
                nrg_node_adjust_cluster_size(null(), 3, 0),
            ),
            ("node_propose_add_peer", {
                nrg_node_propose_add_peer(null(), 1)
            }),
            ("node_propose_remove_peer", {
                nrg_node_propose_remove_peer(null(), 1)
            }),
            ("node_evict_peers", {
                nrg_node_evict_peers(null(), null(), 0, eight, len)
            }),
            ("node_evict_peers array", {
                nrg_node_evict_peers(node, null(), 1, eight, len)
            }),
            ("node_evict_peers out", {
                nrg_node_evict_peers(node, eight, 1, null_mut(), len)
            }),
            ("node_evict_peers count", {
                nrg_node_evict_peers(node, eight, 1, eight, null_mut())
            }),
            ("node_rescue_quorum", {
                nrg_node_rescue_quorum(null(), 1, one, one)
            }),
            ("node_rescue_quorum previous", {
                nrg_node_rescue_quorum(node, 1, null_mut(), one)
            }),
            ("node_rescue_quorum current", {
                nrg_node_rescue_quorum(node, 1, one, null_mut())
            }),
            ("runtime_set_resource_state", {
                nrg_runtime_set_resource_state(null(), NRG_LOG_FILE, 1)
            }),
            ("node_apply_take", nrg_node_apply_take(null(), 1, 1, batch)),
            (
                "node_apply_take out",
                nrg_node_apply_take(node, 1, 1, null_mut()),
            ),
            (
                "node_processed",
                nrg_node_processed(null(), 1, 1, eight, eight),
            ),
            (
                "node_processed entries",
                nrg_node_processed(node, 1, 1, null_mut(), eight),
            ),
            (
                "node_processed bytes",
                nrg_node_processed(node, 1, 1, eight, null_mut()),
            ),
            ("node_apply_pause", nrg_node_apply_pause(null())),
            ("node_apply_resume", nrg_node_apply_resume(null())),
            ("loopback_open", nrg_loopback_open(null_mut())),
            (
                "loopback_set_partition",
                nrg_loopback_set_partition(null(), 1, 1),
            ),
            ("loopback_freeze", nrg_loopback_freeze(null(), node, 1)),
            (
                "loopback_freeze node",
                nrg_loopback_freeze(network, null(), 1),
            ),
            ("build_info", nrg_build_info(null_mut(), 0, null_mut())),
            ("status_name", nrg_status_name(0, null_mut(), 0, null_mut())),
            ("last_error", nrg_last_error(null_mut(), 0, null_mut())),
            (
                "abi_layout",
                nrg_abi_layout(1, null_mut(), 0, null_mut(), len, len),
            ),
            (
                "abi_layout offsets",
                nrg_abi_layout(1, null_mut(), 99, len, len, len),
            ),
        ]
    };

    for (name, status) in calls {
        assert_eq!(status, NRG_STATUS_NULL_ARGUMENT, "{name}");
    }
    assert_eq!(
        host.nodes[0].state().role,
        NRG_ROLE_LEADER,
        "the node has not noticed"
    );
}

#[test]
fn freeing_null_does_nothing() {
    unsafe {
        ok(nrg_runtime_free(null_mut()));
        ok(nrg_node_free(null_mut()));
        ok(nrg_loopback_free(null_mut()));
    }
}

#[test]
fn places_for_handles_are_nulled_by_a_failure() {
    let (mut runtime, mut node) = (std::ptr::dangling_mut(), std::ptr::dangling_mut());
    unsafe {
        assert_eq!(
            nrg_runtime_open(null(), &mut runtime),
            NRG_STATUS_NULL_ARGUMENT
        );
        assert_eq!(
            nrg_node_open(null(), null(), &mut node),
            NRG_STATUS_NULL_ARGUMENT
        );
    }
    assert!(runtime.is_null() && node.is_null());
}

#[test]
fn shorter_struct_than_the_first_released_is_refused_and_a_longer_one_taken() {
    let host = Host::lone_leader();
    let mut runtime = null_mut();
    let mut config: NrgRuntimeConfig = zeroed();
    config.struct_size = 39;
    let status = unsafe { nrg_runtime_open(&config, &mut runtime) };
    assert_eq!(status, NRG_STATUS_STRUCT_TOO_SMALL);
    assert_eq!(last_error(), "config: struct_size 39 is below 40");

    #[repr(C)]
    struct Later {
        known: NrgNodeState,
        unknown: [u64; 4],
    }
    let mut later = Later {
        known: zeroed(),
        unknown: [7; 4],
    };
    later.known.struct_size = support::sized::<Later>();
    ok(unsafe { nrg_node_status(host.nodes[0].node, (&raw mut later).cast()) });
    assert_eq!(later.known.role, NRG_ROLE_LEADER);
    assert_eq!(
        later.known.struct_size,
        support::sized::<Later>(),
        "the caller's own"
    );
    assert_eq!(later.unknown, [7; 4], "nobody writes what he does not know");

    let mut short: NrgMetrics = zeroed();
    short.struct_size = 4;
    let status = unsafe { nrg_runtime_metrics(host.runtime, &mut short) };
    assert_eq!(status, NRG_STATUS_STRUCT_TOO_SMALL);
}

#[test]
fn runtime_config_is_checked() {
    let refused = |change: &dyn Fn(&mut NrgRuntimeConfig)| {
        let mut config: NrgRuntimeConfig = zeroed();
        change(&mut config);
        let mut runtime = null_mut();
        let status = unsafe { nrg_runtime_open(&config, &mut runtime) };
        assert!(runtime.is_null());
        assert_eq!(status, NRG_STATUS_BAD_CONFIG);
        last_error()
    };

    assert!(refused(&|config| config.shards = 65).contains("shards is 65"));
    assert_eq!(
        refused(&|config| config.sync_policy = 3),
        "sync_policy 3 is unknown"
    );
    assert_eq!(
        refused(&|config| config.sync_policy = 1),
        "sync_interval_ns is 0"
    );
    assert_eq!(refused(&|config| config.clock = 2), "clock 2 is unknown");
}

#[test]
fn node_config_is_checked() {
    let host = Host::new();
    let root = host.root(1);
    let refused = |change: &dyn Fn(&mut NrgNodeConfig)| {
        let mut config = node_config(&root, host.network, 1, peer("AAAAAAAA"));
        change(&mut config);
        let mut node = null_mut();
        let status = unsafe { nrg_node_open(host.runtime, &config, &mut node) };
        assert!(node.is_null());
        (status, last_error())
    };
    let name = |text: &'static [u8]| {
        move |config: &mut NrgNodeConfig| {
            config.group_name_ptr = text.as_ptr();
            config.group_name_len = text.len();
        }
    };

    assert_eq!(
        refused(&|_| {}),
        (NRG_STATUS_NO_PEER_STATE, "raft: no peerstate".into())
    );
    assert_eq!(refused(&name(b"a.b")).0, NRG_STATUS_BAD_CONFIG);
    assert_eq!(
        refused(&name(b"")),
        (NRG_STATUS_BAD_CONFIG, "group name is empty".into())
    );
    assert_eq!(refused(&name(b"\xc3\x28")).0, NRG_STATUS_INVALID_UTF8);
    assert_eq!(
        refused(&|config| config.group_name_ptr = null()).0,
        NRG_STATUS_NULL_ARGUMENT
    );
    assert_eq!(
        refused(&|config| config.store_root_len = 0).0,
        NRG_STATUS_BAD_CONFIG
    );
    assert_eq!(refused(&|config| config.token = 0).0, NRG_STATUS_BAD_CONFIG);
    assert_eq!(
        refused(&|config| config.peer_id = 0).0,
        NRG_STATUS_BAD_PEER_ID
    );
    assert_eq!(
        refused(&|config| config.log_kind = 2).0,
        NRG_STATUS_BAD_CONFIG
    );
    assert_eq!(
        refused(&|config| config.loopback = null()).0,
        NRG_STATUS_NULL_ARGUMENT
    );
    let nats = refused(&|config| config.transport = NRG_TRANSPORT_NATS);
    assert_eq!(nats.0, NRG_STATUS_UNSUPPORTED);
    assert_eq!(
        refused(&|config| config.transport = 3).0,
        NRG_STATUS_BAD_CONFIG
    );
    let unknown_flag = (
        NRG_STATUS_INVALID_ARGUMENT,
        "config.flags has unknown bits 0x20".into(),
    );
    assert_eq!(refused(&|config| config.flags = 33), unknown_flag);
    assert_eq!(
        refused(&|config| config.struct_size = 71).0,
        NRG_STATUS_STRUCT_TOO_SMALL
    );
}

#[test]
fn bootstrap_checks_its_arguments_and_where_it_writes() {
    let host = Host::new();
    let (root, id) = (host.root(1), peer("AAAAAAAA"));
    let config = node_config(&root, null(), 0, 0);
    unsafe {
        assert_eq!(nrg_bootstrap(null(), &id, 1, 0, 0, 0), NRG_STATUS_NO_CONFIG);
        assert_eq!(last_error(), "raft: no config given");
        assert_eq!(
            nrg_bootstrap(&config, null(), 1, 0, 0, 0),
            NRG_STATUS_NULL_ARGUMENT
        );
        assert_eq!(
            nrg_bootstrap(&config, &0, 1, 0, 0, 0),
            NRG_STATUS_BAD_PEER_ID
        );
        assert_eq!(
            nrg_bootstrap(&config, &id, 1, 2, 0, 0),
            NRG_STATUS_INVALID_ARGUMENT
        );
        ok(nrg_bootstrap(&config, &id, 1, 0, 3, 2));
    }

    let file = std::path::Path::new(&root)
        .join(support::GROUP)
        .join("peers.idx");
    let mut expected = vec![5, 0, 0, 0, 1, 0, 0, 0];
    expected.extend_from_slice(b"AAAAAAAA");
    expected.extend_from_slice(&[0, 0]);
    assert_eq!(
        std::fs::read(file).unwrap(),
        expected,
        "three routes and two gateways"
    );

    let blocked = host.folder.path().join("file");
    std::fs::write(&blocked, b"").unwrap();
    let blocked = blocked.to_str().unwrap();
    let config = node_config(blocked, null(), 0, 0);
    let status = unsafe { nrg_bootstrap(&config, &id, 1, 0, 0, 0) };
    assert!(
        matches!(status, NRG_STATUS_BAD_DIRECTORY | NRG_STATUS_IO),
        "{status}"
    );
    assert!(!last_error().is_empty());
}

#[test]
fn tuning_that_cannot_be_is_refused() {
    let host = Host::new();
    let tuning = NrgTuning {
        election_min_ns: 5,
        election_max_ns: 5,
        ..zeroed()
    };
    let status = unsafe { nrg_runtime_set_tuning(host.runtime, &tuning) };
    assert_eq!(status, NRG_STATUS_BAD_CONFIG);
    assert!(
        last_error().contains("election timeout range"),
        "{}",
        last_error()
    );
}

#[test]
fn poll_wants_room_and_returns_at_once_for_a_time_of_zero_and_after_a_wake() {
    let host = Host::new();
    let mut events = [NrgReady::default(); 2];
    let (array, mut count) = (events.as_mut_ptr(), 9);
    unsafe {
        let status = nrg_runtime_poll(host.runtime, 0, array, 0, &mut count);
        assert_eq!((status, count), (NRG_STATUS_INVALID_ARGUMENT, 9));
        let status = nrg_runtime_poll(host.runtime, 0, null_mut(), 2, &mut count);
        assert_eq!((status, count), (NRG_STATUS_INVALID_ARGUMENT, 9));

        ok(nrg_runtime_poll(host.runtime, 0, array, 2, &mut count));
        assert_eq!(count, 0);
        ok(nrg_runtime_wake(host.runtime));
        ok(nrg_runtime_poll(
            host.runtime,
            NRG_TIMEOUT_INFINITE,
            array,
            2,
            &mut count,
        ));
        assert_eq!(count, 0);
    }
}

#[test]
fn lengths_of_a_batch_have_to_add_up() {
    let host = Host::lone_leader();
    let (node, term) = (host.nodes[0].node, host.nodes[0].lead_term.unwrap());
    let propose = |data: &[u8], lengths: &[u32], types: Option<&[u8]>| unsafe {
        let (packed, len) = (data.as_ptr(), data.len());
        let types = types.map_or(null(), <[u8]>::as_ptr);
        nrg_node_propose_batch(
            node,
            term,
            packed,
            len,
            lengths.as_ptr(),
            types,
            lengths.len(),
        )
    };

    assert_eq!(propose(b"abc", &[1, 1], None), NRG_STATUS_INVALID_ARGUMENT);
    assert_eq!(
        propose(b"abc", &[u32::MAX, 4], None),
        NRG_STATUS_INVALID_ARGUMENT
    );
    assert_eq!(
        propose(b"abc", &[2, 2], Some(&[0, 0])),
        NRG_STATUS_INVALID_ARGUMENT
    );
    assert_eq!(propose(b"", &[], None), NRG_STATUS_OK);
    assert_eq!(propose(b"abc", &[1, 0, 2], Some(&[0, 0, 0])), NRG_STATUS_OK);
}

#[test]
fn unknown_flags_and_peers_are_refused() {
    let host = Host::lone_leader();
    let node = host.nodes[0].node;
    let mut heard = 5;
    unsafe {
        assert_eq!(nrg_node_campaign(node, 2), NRG_STATUS_INVALID_ARGUMENT);
        assert_eq!(
            nrg_node_adjust_cluster_size(node, 3, 2),
            NRG_STATUS_INVALID_ARGUMENT
        );
        assert_eq!(
            nrg_node_last_heard(node, 0, &mut heard),
            NRG_STATUS_BAD_PEER_ID
        );
        assert_eq!(nrg_node_propose_add_peer(node, 0), NRG_STATUS_BAD_PEER_ID);
        assert_eq!(
            nrg_node_propose_remove_peer(node, 0),
            NRG_STATUS_BAD_PEER_ID
        );
        assert_eq!(
            nrg_runtime_set_resource_state(host.runtime, 9, 1),
            NRG_STATUS_INVALID_ARGUMENT
        );
        assert_eq!(heard, 5);
        assert_eq!(
            nrg_loopback_set_partition(host.network, 0, 1),
            NRG_STATUS_BAD_PEER_ID
        );
        assert_eq!(
            nrg_runtime_set_peer_online(host.runtime, 0, 1),
            NRG_STATUS_BAD_PEER_ID
        );
        ok(nrg_node_last_heard(node, peer("NOBODY12"), &mut heard));
        assert_eq!(heard, 0);
    }
}

#[test]
fn layout_is_told_for_every_struct_and_no_other() {
    let mut offsets = [u32::MAX; 32];
    let (mut count, mut size, mut align) = (0, 0, 0);
    let mut ask = |id, cap| unsafe {
        let offsets = offsets.as_mut_ptr();
        (
            nrg_abi_layout(id, offsets, cap, &mut count, &mut size, &mut align),
            count,
            size,
            align,
        )
    };

    assert_eq!(ask(NRG_STRUCT_READY, 32), (NRG_STATUS_OK, 3, 16, 8));
    assert_eq!(ask(NRG_STRUCT_NODE_STATE, 0), (NRG_STATUS_OK, 26, 168, 8));
    assert_eq!(ask(NRG_STRUCT_PEER, 4).0, NRG_STATUS_BUFFER_TOO_SMALL);
    assert_eq!(ask(0, 32).0, NRG_STATUS_NOT_FOUND);
    for id in NRG_STRUCT_RUNTIME_CONFIG..=NRG_STRUCT_LOG_RECORD {
        assert_eq!(ask(id, 32).0, NRG_STATUS_OK, "struct {id}");
    }
    ask(NRG_STRUCT_READY, 32);
    assert_eq!(offsets[..3], [0, 8, 12]);
}
