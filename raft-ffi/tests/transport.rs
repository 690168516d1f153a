//! The host's transport through the ABI: a bus in the test, and what a host may get wrong.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "live handles and local places, or null ones that are the subject"
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
use natsraft::lead::*;
use natsraft::node::*;
use natsraft::propose::*;
use natsraft::query::*;
use natsraft::runtime::*;
use natsraft::status::*;
use natsraft::transport::*;
use natsraft::types::*;
use support::{Host, node_config, ok, peer, zeroed};

/// A command, copied out of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    kind: u32,
    flags: u32,
    subscription: u64,
    subject: String,
    reply: String,
    payload: Vec<u8>,
}

unsafe fn bytes<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    match len {
        0 => {
            assert!(ptr.is_null());
            &[]
        }
        len => unsafe { slice::from_raw_parts(ptr, len) },
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// One take; frees its batch.
fn take(node: *const NrgNode, max_items: usize) -> Vec<Command> {
    let (mut batch, mut count) = (null_mut(), 0);
    unsafe {
        ok(nrg_node_outbound_take(node, max_items, 1 << 20, &mut batch));
        let records = nrg_batch_outbound(batch, &mut count);
        let commands = (0..count).map(|at| {
            let record = *records.add(at);
            Command {
                kind: record.kind,
                flags: record.flags,
                subscription: record.subscription,
                subject: text(bytes(record.subject_ptr, record.subject_len)),
                reply: text(bytes(record.reply_ptr, record.reply_len)),
                payload: bytes(record.payload_ptr, record.payload_len).to_vec(),
            }
        });
        let commands: Vec<_> = commands.collect();
        assert_eq!(batch.is_null(), commands.is_empty());
        let mut others = 9;
        assert!(nrg_batch_items(batch, &mut others).is_null() && others == 0);
        ok(nrg_batch_free(batch));
        commands
    }
}

fn take_all(node: *const NrgNode) -> Vec<Command> {
    let mut all = Vec::new();
    loop {
        match take(node, 2) {
            some if some.is_empty() => return all,
            some => all.extend(some),
        }
    }
}

/// One message packed as a host does it: reply, then payload.
fn packed(subscription: u64, reply: &str, payload: &[u8]) -> (Vec<u8>, NrgInbound) {
    let record = NrgInbound {
        subscription,
        reply_offset: 0,
        reply_len: u32::try_from(reply.len()).unwrap(),
        payload_offset: u32::try_from(reply.len()).unwrap(),
        payload_len: u32::try_from(payload.len()).unwrap(),
    };
    ([reply.as_bytes(), payload].concat(), record)
}

fn deliver(node: *const NrgNode, data: &[u8], records: &[NrgInbound]) -> i32 {
    let (start, len) = (records.as_ptr(), records.len());
    unsafe { nrg_node_deliver_batch(node, data.as_ptr(), data.len(), start, len) }
}

/// Who listens: subject, member, subscription.
#[derive(Default)]
struct Bus(Vec<(String, usize, u64)>);

impl Bus {
    fn carry(&mut self, host: &Host) {
        for at in 0..host.nodes.len() {
            for command in take_all(host.nodes[at].node) {
                self.command(host, at, command);
            }
        }
    }

    fn command(&mut self, host: &Host, from: usize, command: Command) {
        match command.kind {
            NRG_OUTBOUND_RESET => self.0.retain(|(_, member, _)| *member != from),
            NRG_OUTBOUND_SUBSCRIBE => {
                self.0.push((command.subject, from, command.subscription));
            }
            NRG_OUTBOUND_UNSUBSCRIBE => {
                let gone = (command.subject, from, command.subscription);
                self.0.retain(|listener| *listener != gone);
            }
            NRG_OUTBOUND_PUBLISH => {
                let hears = |(subject, member, _): &&(String, usize, u64)| {
                    *subject == command.subject && *member != from
                };
                for (_, member, subscription) in self.0.iter().filter(hears) {
                    let (data, record) = packed(*subscription, &command.reply, &command.payload);
                    ok(deliver(host.nodes[*member].node, &data, &[record]));
                }
            }
            other => panic!("kind {other}"),
        }
    }
}

fn hosted(names: &[&str]) -> Host {
    let mut host = Host::new();
    ok(unsafe { nrg_runtime_set_routing_ready(host.runtime, 1) });
    let ids: Vec<u64> = names.iter().map(|name| peer(name)).collect();
    for id in &ids {
        host.open_hosted(*id, &ids);
    }
    host
}

fn pump_until(host: &mut Host, bus: &mut Bus, done: impl Fn(&Host) -> bool) {
    for _ in 0..12_000 {
        if done(host) {
            return;
        }
        host.pump();
        bus.carry(host);
    }
    panic!("it did not happen");
}

#[test]
fn three_nodes_elect_and_replicate_over_the_hosts_bus() {
    let mut host = hosted(&["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"]);
    let mut bus = Bus::default();
    ok(unsafe { nrg_node_campaign(host.nodes[0].node, NRG_CAMPAIGN_IMMEDIATELY) });
    let leads = |host: &Host| host.nodes.iter().position(|node| node.lead_term.is_some());

    pump_until(&mut host, &mut bus, |host| leads(host).is_some());
    let leader = leads(&host).unwrap();
    let term = host.nodes[leader].lead_term.unwrap();
    for data in [b"one".as_slice(), b"two", b""] {
        let node = host.nodes[leader].node;
        ok(unsafe { nrg_node_propose(node, term, data.as_ptr(), data.len()) });
    }

    pump_until(&mut host, &mut bus, |host| {
        host.nodes.iter().all(|node| node.applied.len() == 3)
    });
    for node in &host.nodes {
        assert_eq!(node.applied, [b"one".as_slice(), b"two", b""]);
        assert_ne!(node.seen & NRG_READY_OUTBOUND, 0);
    }
}

#[test]
fn node_begins_with_a_reset_and_its_four_subscriptions() {
    let host = hosted(&["AAAAAAAA", "BBBBBBBB"]);

    let commands = take_all(host.nodes[0].node);

    let kinds: Vec<_> = commands.iter().map(|command| command.kind).collect();
    let subscribe = NRG_OUTBOUND_SUBSCRIBE;
    assert_eq!(
        kinds,
        [
            NRG_OUTBOUND_RESET,
            subscribe,
            subscribe,
            subscribe,
            subscribe
        ]
    );
    assert_eq!(
        (commands[0].subject.as_str(), commands[0].flags),
        ("$SYS", NRG_ACCOUNT_SYSTEM)
    );
    assert!(commands[1].subject.starts_with("$NRG.R."));
    assert_eq!(commands[2].subject, "$NRG.V.G");
    assert!(commands[3].subject.starts_with("$NRG.R."));
    assert_eq!(commands[4].subject, "$NRG.AE.G");
    let ids: Vec<_> = commands[1..]
        .iter()
        .map(|command| command.subscription)
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next) && ids[0] > 0);
}

#[test]
fn reset_and_another_account_begin_anew_and_the_same_account_does_not() {
    let host = hosted(&["AAAAAAAA", "BBBBBBBB"]);
    let node = host.nodes[0].node;
    let first = take_all(node);
    let account = |name: &str, flags| unsafe {
        nrg_node_set_traffic_account(node, name.as_ptr(), name.len(), flags)
    };

    ok(unsafe { nrg_node_transport_reset(node) });
    let again = settled(node, 5);
    assert_eq!(again.len(), 5);
    assert_eq!(again[0], first[0]);
    assert!(again[1..].iter().all(|new| !first.contains(new)));

    ok(account("$SYS", NRG_ACCOUNT_SYSTEM));
    ok(account("TRAFFIC", 0));
    let moved = settled(node, 5);
    assert_eq!(
        (moved.len(), moved[0].kind, moved[0].flags),
        (5, NRG_OUTBOUND_RESET, 0)
    );
    assert_eq!(moved[0].subject, "TRAFFIC");

    let (mut is_system, mut name, mut len) = (9, [0_u8; 16], 0);
    unsafe {
        let small = nrg_node_traffic_account(node, &mut is_system, name.as_mut_ptr(), 3, &mut len);
        assert_eq!((small, is_system, len), (NRG_STATUS_BUFFER_TOO_SMALL, 9, 7));
        let (place, size) = (name.as_mut_ptr(), name.len());
        ok(nrg_node_traffic_account(
            node,
            &mut is_system,
            place,
            size,
            &mut len,
        ));
    }
    assert_eq!((is_system, &name[..len]), (0, b"TRAFFIC".as_slice()));

    assert_eq!(account("", 0), NRG_STATUS_BAD_CONFIG);
    assert_eq!(account("X", 2), NRG_STATUS_INVALID_ARGUMENT);
    let broken = unsafe { nrg_node_set_traffic_account(node, b"\xff".as_ptr(), 1, 0) };
    assert_eq!(broken, NRG_STATUS_INVALID_UTF8);
}

/// What a node wants, once it wants that much.
fn settled(node: *const NrgNode, count: usize) -> Vec<Command> {
    let mut commands = Vec::new();
    while commands.len() < count {
        commands.extend(take(node, 100));
        std::thread::yield_now();
    }
    commands
}

#[test]
fn messages_that_cannot_be_are_refused_all_together() {
    let host = hosted(&["AAAAAAAA", "BBBBBBBB"]);
    let node = host.nodes[0].node;
    take_all(node);
    let good = NrgInbound {
        subscription: 4,
        reply_offset: 0,
        reply_len: 2,
        payload_offset: 2,
        payload_len: 4,
    };
    let data = b"ab1234";
    let bad = [
        NrgInbound {
            reply_offset: 5,
            ..good
        },
        NrgInbound {
            reply_len: 7,
            ..good
        },
        NrgInbound {
            payload_offset: 3,
            ..good
        },
        NrgInbound {
            payload_len: 5,
            ..good
        },
        NrgInbound {
            payload_offset: 7,
            payload_len: 0,
            ..good
        },
        NrgInbound {
            reply_offset: u32::MAX,
            reply_len: u32::MAX,
            ..good
        },
        NrgInbound {
            payload_offset: u32::MAX,
            payload_len: u32::MAX,
            ..good
        },
    ];
    let malformed = || {
        let mut metrics: NrgMetrics = zeroed();
        ok(unsafe { nrg_runtime_metrics(host.runtime, &mut metrics) });
        metrics.messages_malformed
    };
    for record in bad {
        assert_eq!(
            deliver(node, data, &[good, record]),
            NRG_STATUS_INVALID_ARGUMENT,
            "{record:?}"
        );
    }
    assert_eq!(
        deliver(node, b"\xff\xfe1234", &[good]),
        NRG_STATUS_INVALID_UTF8
    );
    let nulls = unsafe {
        [
            nrg_node_deliver_batch(null(), data.as_ptr(), 6, &good, 1),
            nrg_node_deliver_batch(node, null(), 6, &good, 1),
            nrg_node_deliver_batch(node, data.as_ptr(), 6, null(), 1),
        ]
    };
    assert_eq!(nulls, [NRG_STATUS_NULL_ARGUMENT; 3]);
    let huge = unsafe { nrg_node_deliver_batch(node, data.as_ptr(), 6, &good, usize::MAX) };
    assert_eq!(huge, NRG_STATUS_TOO_LARGE);
    assert_eq!(malformed(), 0, "nothing of a refused batch arrives");

    // No messages at all, an unknown subscription, and nothing in a message, are all right.
    ok(unsafe { nrg_node_deliver_batch(node, null(), 0, null(), 0) });
    ok(deliver(
        node,
        data,
        &[NrgInbound {
            subscription: 0,
            ..good
        }],
    ));
    ok(deliver(
        node,
        data,
        &[NrgInbound {
            subscription: u64::MAX,
            ..good
        }],
    ));
    ok(deliver(
        node,
        &[],
        &[NrgInbound {
            subscription: 77,
            ..NrgInbound::default()
        }],
    ));
    // The right subscription and garbage: dropped and counted.
    ok(deliver(node, data, &[good]));
    while malformed() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(malformed(), 1);
}

#[test]
fn stopped_node_hears_nothing_and_ends_its_subscriptions() {
    let mut host = hosted(&["AAAAAAAA", "BBBBBBBB"]);
    let node = host.nodes[0].node;
    let begun = take_all(node);
    ok(unsafe { nrg_node_stop(node) });
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);

    let ended = take_all(node);
    assert!(
        ended
            .iter()
            .all(|command| command.kind == NRG_OUTBOUND_UNSUBSCRIBE)
    );
    let ids = |commands: &[Command]| {
        let mut ids: Vec<_> = commands
            .iter()
            .map(|command| command.subscription)
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&ended), ids(&begun[1..]));
    let (data, record) = packed(begun[4].subscription, "r", b"x");
    assert_eq!(deliver(node, &data, &[record]), NRG_STATUS_CLOSED);
    ok(unsafe { nrg_node_transport_reset(node) });
    ok(unsafe { nrg_node_subscribe_failed(node, begun[4].subscription) });
    assert_eq!(take_all(node), []);
}

#[test]
fn node_that_cannot_subscribe_fails_and_says_to_what() {
    let mut host = hosted(&["AAAAAAAA", "BBBBBBBB"]);
    let node = host.nodes[0].node;
    let begun = take_all(node);

    ok(unsafe { nrg_node_subscribe_failed(node, 999) });
    ok(unsafe { nrg_node_subscribe_failed(node, begun[4].subscription) });
    host.pump_until("the end", |nodes| nodes[0].seen & NRG_READY_STOPPED != 0);

    assert_ne!(host.nodes[0].seen & NRG_READY_FAULT, 0);
    let (mut code, mut text, mut len) = (0, [0_u8; 128], 0);
    ok(unsafe { nrg_node_write_error(node, &mut code, text.as_mut_ptr(), 128, &mut len) });
    assert_eq!(code, NRG_STATUS_NO_TRANSPORT);
    assert_eq!(&text[..len], b"raft: could not subscribe to $NRG.AE.G");
}

#[test]
fn node_that_is_freed_while_it_runs_stops() {
    let mut host = hosted(&["AAAAAAAA", "BBBBBBBB"]);

    ok(unsafe { nrg_node_free(host.nodes[0].node) });
    host.nodes[0].node = null_mut();

    let (mut ready, mut count) = ([NrgReady::default(); 1], 0);
    let stopped = |ready: &NrgReady| ready.token == 1 && ready.ready_mask & NRG_READY_STOPPED != 0;
    while !stopped(&ready[0]) {
        ok(unsafe { nrg_runtime_poll(host.runtime, 60_000, ready.as_mut_ptr(), 1, &mut count) });
        assert_eq!(count, 1, "it does not stop");
    }
}

#[test]
fn node_on_loopback_has_no_transport_of_its_hosts() {
    let host = Host::group(&["AAAAAAAA"]);
    let node = host.nodes[0].node;
    let mut batch = null_mut();

    let (data, record) = packed(1, "", b"x");
    let answers = unsafe {
        [
            nrg_node_outbound_take(node, 1, 1, &mut batch),
            deliver(node, &data, &[record]),
            nrg_node_subscribe_failed(node, 1),
            nrg_node_transport_reset(node),
            nrg_node_set_traffic_account(node, b"X".as_ptr(), 1, 0),
        ]
    };
    assert_eq!(answers, [NRG_STATUS_INVALID_ARGUMENT; 5]);
    assert!(batch.is_null());
    let (mut is_system, mut name, mut len) = (0, [0_u8; 8], 0);
    ok(unsafe { nrg_node_traffic_account(node, &mut is_system, name.as_mut_ptr(), 8, &mut len) });
    assert_eq!((is_system, &name[..len]), (1, b"$SYS".as_slice()));
}

#[test]
fn null_handles_and_places_are_answered_with_a_status() {
    let host = hosted(&["AAAAAAAA"]);
    let node = host.nodes[0].node;
    let (mut batch, mut is_system, mut len) = (null_mut(), 0, 0);
    let calls = unsafe {
        [
            nrg_node_outbound_take(null(), 1, 1, &mut batch),
            nrg_node_outbound_take(node, 1, 1, null_mut()),
            nrg_node_subscribe_failed(null(), 1),
            nrg_node_transport_reset(null()),
            nrg_node_set_traffic_account(null(), b"X".as_ptr(), 1, 0),
            nrg_node_set_traffic_account(node, null(), 1, 0),
            nrg_node_traffic_account(null(), &mut is_system, null_mut(), 0, &mut len),
            nrg_node_traffic_account(node, null_mut(), null_mut(), 0, &mut len),
            nrg_node_traffic_account(node, &mut is_system, null_mut(), 0, null_mut()),
            nrg_node_traffic_account(node, &mut is_system, null_mut(), 9, &mut len),
        ]
    };
    assert_eq!(calls, [NRG_STATUS_NULL_ARGUMENT; 10]);
    let mut count = 9;
    assert!(unsafe { nrg_batch_outbound(null(), &mut count) }.is_null());
    assert_eq!(count, 0);
}

#[test]
fn host_cannot_carry_the_messages_of_a_node_on_a_network() {
    let host = Host::new();
    let root = host.root(1);
    let mut config = node_config(&root, host.network, 1, 1);
    config.transport = NRG_TRANSPORT_HOST;
    let mut node = null_mut();

    let status = unsafe { nrg_node_open(host.runtime, &config, &mut node) };

    assert_eq!((status, node), (NRG_STATUS_BAD_CONFIG, null_mut()));
}
