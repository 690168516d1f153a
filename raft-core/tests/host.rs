//! Nodes whose host carries their messages: a bus in the test, pumped by a thread as a host's pump
//! does it. Time is moved by hand; moving it waits for the pump.

#![cfg(feature = "runtime")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it may fail by panicking"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::{NodeConfig, Timing};
use raft_core::node::{Committed, Role, StepDownError, SubscriptionId};
use raft_core::runtime::{
    ClockKind, Command, Inbound, Loopback, NodeHandle, Ready, Runtime, RuntimeConfig,
    TrafficAccount, Transport, TransportError, ready,
};
use raft_core::storage::LogKind;
use raft_core::types::{EntryType, GroupName, Index, PeerId};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["S-1", "S-2", "S-3"];

type Subscribers = BTreeMap<String, Vec<(u64, SubscriptionId)>>;

/// The bus: who listens, by account and subject. One pump carries out the commands.
#[derive(Default)]
struct Bus {
    nodes: Mutex<BTreeMap<u64, NodeHandle>>,
    subscribers: Mutex<Subscribers>,
    accounts: Mutex<BTreeMap<u64, String>>,
    /// Every subscribe command fails from now on.
    refuses: AtomicBool,
    /// What was published, in order: sender and subject.
    published: Mutex<Vec<(u64, String, Bytes)>>,
    stopped: Mutex<Vec<u64>>,
}

impl Bus {
    fn key(&self, token: u64, subject: &str) -> String {
        let account = self.accounts.lock().unwrap()[&token].clone();
        format!("{account} {subject}")
    }

    fn carry(&self, token: u64, node: &NodeHandle, command: &Command) {
        match command {
            Command::Reset { account } => {
                let mut subscribers = self.subscribers.lock().unwrap();
                for listening in subscribers.values_mut() {
                    listening.retain(|(other, _)| *other != token);
                }
                let name = account.name.to_string();
                self.accounts.lock().unwrap().insert(token, name);
            }
            Command::Subscribe { id, .. } if self.refuses.load(Ordering::SeqCst) => {
                node.subscribe_failed(*id).unwrap();
            }
            Command::Subscribe { id, subject } => {
                let key = self.key(token, subject.as_str());
                let mut subscribers = self.subscribers.lock().unwrap();
                subscribers.entry(key).or_default().push((token, *id));
            }
            Command::Unsubscribe { id, subject } => {
                let key = self.key(token, subject.as_str());
                let mut subscribers = self.subscribers.lock().unwrap();
                let listening = subscribers.entry(key).or_default();
                listening.retain(|listener| *listener != (token, *id));
            }
            Command::Publish {
                subject,
                reply,
                payload,
            } => {
                let sent = (token, subject.to_string(), payload.clone());
                self.published.lock().unwrap().push(sent);
                let key = self.key(token, subject.as_str());
                let listening = self.subscribers.lock().unwrap().get(&key).cloned();
                for (to, subscription) in listening.unwrap_or_default() {
                    if to == token {
                        continue;
                    }
                    let reply = reply.as_ref().map_or("", |reply| reply.as_str());
                    let payload = payload.clone();
                    let message = Inbound {
                        subscription,
                        reply,
                        payload,
                    };
                    // A node that has stopped meanwhile hears nothing.
                    let _ = self.nodes.lock().unwrap()[&to].deliver([message]);
                }
            }
        }
    }

    fn pump(&self, runtime: &Runtime) {
        let mut events = [Ready::default(); 8];
        while let Ok(count) = runtime.poll_ready(None, &mut events) {
            for Ready { token, mask } in events[..count].iter().copied() {
                if token != 0 && mask & ready::OUTBOUND != 0 {
                    let node = self.nodes.lock().unwrap().get(&token).cloned();
                    // Still being opened: what it wants waits, and is announced with the rest.
                    let Some(node) = node else { continue };
                    while let Some(batch) = node.take_outbound(3, usize::MAX).unwrap() {
                        for command in batch.commands() {
                            self.carry(token, &node, command);
                        }
                    }
                }
                if mask & ready::STOPPED != 0 {
                    self.stopped.lock().unwrap().push(token);
                }
            }
        }
    }
}

struct Group {
    runtime: Runtime,
    bus: Arc<Bus>,
    pump: Option<JoinHandle<()>>,
    nodes: Vec<NodeHandle>,
    applied: BTreeMap<u64, Vec<Bytes>>,
    folders: TempDir,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.runtime.shutdown();
        let ended = self.pump.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

impl Group {
    fn new() -> Self {
        let group = Self::without_routing();
        group.runtime.set_routing_ready(true);
        group
    }

    fn without_routing() -> Self {
        let config = RuntimeConfig::builder()
            .clock(ClockKind::Manual)
            .timing(Timing::reference_tests())
            .seed(7)
            .build()
            .unwrap();
        let runtime = Runtime::open(config).unwrap();
        let bus = Arc::new(Bus::default());
        let mut group = Self {
            pump: None,
            nodes: Vec::new(),
            applied: BTreeMap::new(),
            folders: TempDir::new().unwrap(),
            bus: Arc::clone(&bus),
            runtime: runtime.clone(),
        };
        let ids: Vec<_> = NAMES
            .iter()
            .map(|name| PeerId::from_server_name(name))
            .collect();
        for at in 0..NAMES.len() {
            let config = group.config(at);
            Runtime::bootstrap(&config, &ids, true, 0, 0).unwrap();
            let transport = Transport::Host(TrafficAccount::default());
            let node = group.runtime.start(config, transport).unwrap();
            bus.nodes.lock().unwrap().insert(node.token(), node.clone());
            group.nodes.push(node);
        }
        group.pump = Some(std::thread::spawn(move || bus.pump(&runtime)));
        group
    }

    fn config(&self, at: usize) -> NodeConfig {
        let id = PeerId::from_server_name(NAMES[at]);
        let root = self.folders.path().join(NAMES[at]);
        NodeConfig {
            log: LogKind::File,
            token: at as u64 + 1,
            ..NodeConfig::new(id, GroupName::new("TEST").unwrap(), root)
        }
    }

    fn apply(&mut self) {
        for node in &self.nodes {
            for item in node.take_applied(usize::MAX, usize::MAX) {
                let Committed::Entries(committed) = item else {
                    continue;
                };
                let seen = self.applied.entry(node.token()).or_default();
                let normal = |kind| kind == EntryType::Normal;
                let data = committed.entries().filter(|entry| normal(entry.kind));
                seen.extend(data.map(|entry| Bytes::copy_from_slice(entry.data)));
                node.processed(committed.index, committed.index);
            }
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = self.runtime.now().after(Duration::from_secs(600));
        while !done(self) {
            assert!(self.runtime.now() < limit, "{what} did not happen");
            self.runtime.advance(Duration::from_millis(20)).unwrap();
            self.apply();
        }
    }

    fn elect(&mut self) -> NodeHandle {
        let leads = |node: &&NodeHandle| node.is_leader();
        self.until("an election", |group| group.nodes.iter().any(|n| leads(&n)));
        self.nodes.iter().find(leads).unwrap().clone()
    }

    fn all_have(&mut self, count: usize) {
        self.until("replication", |group| {
            let seen = |node: &NodeHandle| group.applied.get(&node.token()).map_or(0, Vec::len);
            group.nodes.iter().all(|node| seen(node) == count)
        });
    }
}

#[test]
fn group_elects_replicates_and_stops_over_the_hosts_bus() {
    let mut group = Group::new();
    let leader = group.elect();
    for number in 0..50_u32 {
        let data = Bytes::from(number.to_string());
        leader.propose(leader.term(), data).unwrap();
    }
    group.all_have(50);
    let first = group.applied[&1].clone();
    assert!(group.applied.values().all(|seen| *seen == first));

    for node in &group.nodes {
        node.stop();
        node.wait_stopped(None);
    }
    group.runtime.advance(Duration::from_secs(1)).unwrap();
    let left: usize = group
        .bus
        .subscribers
        .lock()
        .unwrap()
        .values()
        .map(Vec::len)
        .sum();
    assert_eq!(left, 0, "a stopped node ends its subscriptions");
    assert_eq!(
        leader.deliver([]).unwrap_err(),
        TransportError::Closed,
        "and hears nothing"
    );
    assert_eq!(leader.reset_transport(), Ok(()), "nothing to begin anew");
}

#[test]
fn nothing_begins_before_the_host_says_that_there_is_a_way() {
    let mut group = Group::without_routing();

    group.runtime.advance(Duration::from_secs(60)).unwrap();
    assert!(group.nodes.iter().all(|node| node.term().0 == 0));

    group.runtime.set_routing_ready(true);
    group.elect();
}

/// SE-28: the server waits for routing and hears nothing meanwhile.
#[test]
fn node_that_waits_for_the_hosts_word_stops_and_is_deleted_at_once() {
    let group = Group::without_routing();
    let [first, second, ..] = group.nodes.as_slice() else {
        panic!("three nodes")
    };

    first.stop();
    second.delete().unwrap();

    for node in [first, second] {
        assert!(node.wait_stopped(Some(Duration::from_secs(60))));
        assert_eq!(node.role(), Role::Closed);
    }
    assert!(!group.folders.path().join(NAMES[1]).join("TEST").exists());
}

#[test]
fn peers_the_host_never_spoke_of_are_not_handed_the_leadership() {
    let mut group = Group::new();
    let leader = group.elect();
    group.runtime.advance(Duration::from_millis(200)).unwrap();
    let other = PeerId::from_server_name(
        NAMES
            .iter()
            .copied()
            .find(|name| PeerId::from_server_name(name) != leader.peer_id())
            .unwrap(),
    );
    let sent = |group: &Group| group.bus.published.lock().unwrap().len();

    let before = sent(&group);
    leader.step_down(&[]).unwrap();
    group.runtime.advance(Duration::ZERO).unwrap();
    assert_eq!(sent(&group), before, "nobody is online to take over");
    assert_eq!(leader.step_down(&[]), Err(StepDownError::NotLeader));

    let leader = group.elect();
    group.runtime.set_peer_online(other, true);
    group.runtime.set_peer_online(leader.peer_id(), true);
    for name in NAMES {
        group
            .runtime
            .set_peer_online(PeerId::from_server_name(name), true);
    }
    group.runtime.advance(Duration::from_millis(200)).unwrap();
    let before = sent(&group);
    leader.step_down(&[]).unwrap();
    group.runtime.advance(Duration::ZERO).unwrap();
    assert!(sent(&group) > before, "the transfer was sent");
}

#[test]
fn commands_of_a_start_come_in_order_and_unknown_ids_are_dropped() {
    let group = Group::new();
    let leader = &group.nodes[0];

    let message = Inbound {
        subscription: SubscriptionId(999),
        reply: "back",
        payload: Bytes::from_static(b"nobody asked"),
    };
    assert_eq!(leader.deliver([message]), Ok(()));
    group.runtime.advance(Duration::ZERO).unwrap();

    assert_eq!(leader.role(), Role::Follower);
    assert_eq!(group.runtime.metrics().messages_malformed, 0);
    let subscribers = group.bus.subscribers.lock().unwrap();
    let subjects: Vec<_> = subscribers.keys().collect();
    assert!(
        subjects
            .iter()
            .any(|subject| *subject == "$SYS $NRG.AE.TEST")
    );
    assert_eq!(subscribers["$SYS $NRG.V.TEST"].len(), 3);
}

#[test]
fn group_goes_on_in_another_account_and_the_leader_hears_what_is_forwarded() {
    let mut group = Group::new();
    let leader = group.elect();
    let account = TrafficAccount {
        name: "TRAFFIC".into(),
        is_system: false,
    };

    for node in &group.nodes {
        node.set_traffic_account(account.clone()).unwrap();
        assert_eq!(node.traffic_account(), account);
    }
    let term = leader.term();
    let follower = group.nodes.iter().find(|node| !node.is_leader()).unwrap();
    follower
        .clone()
        .forward_proposal(Bytes::from_static(b"f"))
        .unwrap();
    group.all_have(1);

    assert_eq!(leader.term(), term, "the leadership survived");
    let subscribers = group.bus.subscribers.lock().unwrap();
    let left = subscribers
        .iter()
        .filter(|(key, listening)| key.starts_with("$SYS") && !listening.is_empty());
    assert_eq!(left.count(), 0);
    drop(subscribers);

    // The same account again is no reason to begin anew.
    group.runtime.advance(Duration::ZERO).unwrap();
    let before = group.bus.subscribers.lock().unwrap().clone();
    leader.set_traffic_account(account).unwrap();
    group.runtime.advance(Duration::ZERO).unwrap();
    assert_eq!(*group.bus.subscribers.lock().unwrap(), before);
}

#[test]
fn transport_that_cannot_subscribe_closes_the_node() {
    let mut group = Group::new();
    group.elect();
    group.bus.refuses.store(true, Ordering::SeqCst);
    let deaf = group.nodes[0].clone();

    deaf.reset_transport().unwrap();
    group.until("the end of the deaf node", |_| deaf.is_closed());

    assert!(
        deaf.fatal_error()
            .unwrap()
            .to_string()
            .contains("could not subscribe")
    );
    group.until("its last event", |group| {
        group.bus.stopped.lock().unwrap().contains(&deaf.token())
    });
}

#[test]
fn node_whose_host_is_gone_stops_and_keeps_nothing_moving() {
    let group = Group::new();
    group.bus.nodes.lock().unwrap().clear();
    let node = &group.nodes[0];

    node.release_transport();
    node.wait_stopped(None);

    assert!(node.take_outbound(1, 1).unwrap().is_none());
    for other in &group.nodes {
        other.release_transport();
    }
    group.runtime.advance(Duration::from_secs(1)).unwrap();
}

#[test]
fn what_one_node_publishes_arrives_in_the_order_of_its_appends() {
    let mut group = Group::new();
    let leader = group.elect();
    group.bus.published.lock().unwrap().clear();

    for number in 0..200_u32 {
        let data = Bytes::from(number.to_string());
        leader.propose(leader.term(), data).unwrap();
    }
    group.all_have(200);

    let published = group.bus.published.lock().unwrap();
    let appends = published
        .iter()
        .filter(|(from, subject, _)| *from == leader.token() && subject == "$NRG.AE.TEST");
    let previous: Vec<_> = appends
        .map(|(_, _, payload)| {
            let ae = raft_core::wire::AppendEntry::decode(payload.clone()).unwrap();
            (ae.head.prev_index, ae.entries().len())
        })
        .filter(|(_, entries)| *entries > 0)
        .map(|(index, _)| index)
        .collect();
    assert!(previous.is_sorted_by(|one, next| one < next));
    assert!(leader.status().commit > Index(1));
}

#[test]
fn node_on_loopback_has_no_commands_for_its_host() {
    let group = Group::new();
    let config = NodeConfig {
        token: 9,
        group: GroupName::new("OTHER").unwrap(),
        ..group.config(0)
    };
    let id = config.peer_id;
    Runtime::bootstrap(&config, &[id], true, 0, 0).unwrap();
    let transport = Transport::Loopback(Loopback::new());
    let node = group.runtime.start(config, transport).unwrap();

    let not = TransportError::NotByHost;
    assert_eq!(node.take_outbound(1, 1).unwrap_err(), not);
    assert_eq!(node.deliver([]), Err(not));
    assert_eq!(node.reset_transport(), Err(not));
    assert_eq!(node.subscribe_failed(SubscriptionId(1)), Err(not));
    let account = TrafficAccount::default();
    assert_eq!(node.traffic_account(), account);
    assert_eq!(node.set_traffic_account(account), Err(not));
}
