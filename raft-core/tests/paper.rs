//! The Raft paper (Ongaro, Ousterhout: In Search of an Understandable Consensus Algorithm,
//! extended version), section by section, on a small network of nodes.
//!
//! Time is moved, messages are handed over one by one, disks are real folders that survive a
//! server's end. Every message is checked against what holds at all times: one leader for a term,
//! and the same entry at the same index on every state machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::Timing;
use raft_core::node::{Committed, Node, NodeSetup, Output, Role, SubscriptionId};
use raft_core::storage::{GroupStore, LogKind, RealDisk, StoreConfig, bootstrap, open_group};
use raft_core::time::Instant;
use raft_core::types::{EntryType, GroupName, Index, PeerId, Term};
use raft_core::wire::{AppendEntry, PeerState, Subject};
use tempfile::TempDir;

/// Longer than any election takes on a network that works.
const PATIENCE: Duration = Duration::from_secs(60);

fn id(at: usize) -> PeerId {
    PeerId::from_server_name(&format!("S-{at}"))
}

struct Server {
    dir: PathBuf,
    /// None while the server is down.
    up: Option<Up>,
    /// What its state machine was given, by index. Lost with the server, as it would be.
    applied: BTreeMap<u64, Vec<Vec<u8>>>,
    starts: u64,
}

struct Up {
    node: Node,
    store: GroupStore,
    subscriptions: Vec<(SubscriptionId, Subject)>,
}

struct Message {
    from: usize,
    to: usize,
    subscription: SubscriptionId,
    subject: Subject,
    reply: Option<Subject>,
    payload: Bytes,
}

type Loses = Box<dyn Fn(&Message) -> bool>;

/// A group of servers. Messages between two of them arrive in order, unless they are lost.
struct Net {
    servers: Vec<Server>,
    now: Instant,
    wire: VecDeque<Message>,
    isolated: BTreeSet<usize>,
    loses: Option<Loses>,
    seed: u64,
    /// Who led each term.
    leaders: BTreeMap<Term, usize>,
    /// What is known to be committed, by index.
    committed: BTreeMap<u64, Vec<Vec<u8>>>,
    _root: TempDir,
}

impl Net {
    fn new(size: usize, seed: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let peers: Vec<PeerId> = (0..size).map(id).collect();
        let state = PeerState {
            cluster_size: u32::try_from(size).unwrap(),
            peers,
            domain_ext: 0,
        };
        let servers = (0..size).map(|at| {
            let dir = root.path().join(at.to_string());
            bootstrap(&RealDisk, &dir, &state).unwrap();
            Server {
                dir,
                up: None,
                applied: BTreeMap::new(),
                starts: 0,
            }
        });
        let mut net = Self {
            servers: servers.collect(),
            now: Instant::from_nanos(1),
            wire: VecDeque::new(),
            isolated: BTreeSet::new(),
            loses: None,
            seed,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            _root: root,
        };
        (0..size).for_each(|at| net.start(at));
        net
    }

    /// A group whose leader is the first server, in term 1, with its first entry committed.
    fn led(size: usize) -> Self {
        let mut net = Self::new(size, 1);
        net.campaign(0);
        assert_eq!(net.leader(), Some(0));
        assert_eq!(net.node(0).term(), Term(1));
        net.pass(Duration::from_secs(2));
        assert!((0..size).all(|at| net.commit(at) == 1));
        net
    }

    fn start(&mut self, at: usize) {
        let server = &mut self.servers[at];
        server.starts += 1;
        server.applied.clear();
        let config = StoreConfig {
            dir: server.dir.clone(),
            group: GroupName::new("PAPER").unwrap(),
            kind: LogKind::File,
        };
        let opened = open_group(Arc::new(RealDisk), &config).unwrap();
        let setup = NodeSetup {
            id: id(at),
            group: config.group,
            timing: Timing::default(),
            managed: false,
            observer: false,
            recovering: server.starts > 1,
            scale_up: false,
            track: false,
            seed: self.seed * 1_000 + at as u64 * 10 + server.starts,
            unknown_peers_online: true,
            log: opened.log,
            term_vote: opened.term_vote,
            peer_state: opened.peer_state.unwrap(),
            snapshots: opened.snapshots,
            last_seq: opened.last_seq,
        };
        let mut node = Node::recover(setup, self.now).unwrap();
        node.handle_routing(true);
        server.up = Some(Up {
            node,
            store: opened.store,
            subscriptions: Vec::new(),
        });
        self.settle();
    }

    /// The server dies; what it had not synced was not promised to anybody.
    fn kill(&mut self, at: usize) {
        self.servers[at].up = None;
        self.wire
            .retain(|message| message.to != at && message.from != at);
    }

    fn isolate(&mut self, at: usize) {
        self.isolated.insert(at);
    }

    fn heal(&mut self) {
        self.isolated.clear();
        self.loses = None;
    }

    fn node(&self, at: usize) -> &Node {
        &self.servers[at].up.as_ref().unwrap().node
    }

    fn command<T>(&mut self, at: usize, run: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let now = self.now;
        let result = run(&mut self.servers[at].up.as_mut().unwrap().node, now);
        self.settle();
        result
    }

    /// The server asks for votes at once.
    fn campaign(&mut self, at: usize) {
        self.command(at, |node, now| node.campaign(true, now).unwrap());
        self.pass(Duration::from_millis(50));
    }

    fn propose(&mut self, at: usize, data: &'static [u8]) {
        self.command(at, |node, _| {
            node.propose(node.term(), Bytes::from_static(data)).unwrap()
        });
    }

    /// The leader of the latest term among the servers that are up.
    fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| {
            let up = self.servers[*at].up.as_ref();
            up.is_some_and(|up| up.node.role() == Role::Leader)
        };
        let all = (0..self.servers.len()).filter(leads);
        all.max_by_key(|at| self.node(*at).term())
    }

    fn commit(&self, at: usize) -> u64 {
        self.node(at).progress().1.0
    }

    fn last(&self, at: usize) -> u64 {
        self.node(at).progress().0.0
    }

    /// Term and data of each entry, from the first.
    fn log(&self, at: usize) -> Vec<(u64, Vec<u8>)> {
        let entries = (1..=self.last(at)).map(|index| self.node(at).entry_at(Index(index)));
        let shown = entries.map(|entry| {
            let entry = entry.unwrap();
            let data: Vec<&[u8]> = entry
                .entries()
                .filter(|e| e.kind == EntryType::Normal)
                .map(|e| e.data)
                .collect();
            (entry.head.term.0, data.concat())
        });
        shown.collect()
    }

    /// Moves the clock from deadline to deadline.
    fn pass(&mut self, time: Duration) {
        let until = self.now.after(time);
        self.settle();
        loop {
            let due = self.servers.iter().filter_map(|server| server.up.as_ref());
            let Some(next) = due.filter_map(|up| up.node.next_deadline()).min() else {
                break;
            };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            for at in 0..self.servers.len() {
                self.turn(at);
            }
            self.settle();
        }
        self.now = until;
    }

    /// Lets time pass until `done`; fails after a minute.
    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = self.now.after(PATIENCE);
        while !done(self) {
            assert!(self.now < until, "waited in vain for {what}");
            self.pass(Duration::from_millis(100));
        }
    }

    fn wait_for_leader(&mut self) -> usize {
        self.wait("a leader", |net| {
            net.leader().is_some_and(|at| !net.isolated.contains(&at))
        });
        self.leader().unwrap()
    }

    /// Delivers and turns until nothing is left to do at this moment.
    fn settle(&mut self) {
        loop {
            let mut idle = self.wire.is_empty();
            while let Some(message) = self.wire.pop_front() {
                let now = self.now;
                if let Some(up) = &mut self.servers[message.to].up {
                    let Message {
                        subscription,
                        reply,
                        payload,
                        ..
                    } = message;
                    up.node.handle_message(subscription, reply, payload, now);
                }
            }
            for at in 0..self.servers.len() {
                let wants = |up: &Up| up.node.wants_turn();
                if self.servers[at].up.as_ref().is_some_and(wants) {
                    idle = false;
                }
                self.turn(at);
            }
            if idle && self.wire.is_empty() {
                return;
            }
        }
    }

    fn turn(&mut self, at: usize) {
        let now = self.now;
        let Some(up) = &mut self.servers[at].up else {
            return;
        };
        up.node.turn(now);
        let mut sent = Vec::new();
        loop {
            while let Some(output) = up.node.poll_output() {
                match output {
                    Output::Publish {
                        subject,
                        reply,
                        payload,
                    } => {
                        sent.push((subject, reply, payload));
                    }
                    Output::Subscribe { id, subject } => up.subscriptions.push((id, subject)),
                    Output::Unsubscribe { id, .. } => {
                        up.subscriptions.retain(|(sub, _)| *sub != id)
                    }
                    Output::Reset => up.subscriptions.clear(),
                }
            }
            let Some(writes) = up.node.take_writes() else {
                break;
            };
            let upto = writes.upto;
            up.store.write(writes).unwrap();
            up.store.sync(true).unwrap();
            up.node.handle_durable(upto, now);
        }
        let applied = up.node.take_applied(usize::MAX, usize::MAX);
        let (role, term) = (up.node.role(), up.node.term());
        self.apply(at, applied);
        if role == Role::Leader {
            let first = *self.leaders.entry(term).or_insert(at);
            assert_eq!(first, at, "two leaders of term {term}");
        }
        for (subject, reply, payload) in sent {
            self.send(at, &subject, reply.as_ref(), &payload);
        }
    }

    fn apply(&mut self, at: usize, applied: Vec<Committed>) {
        for item in applied {
            let Committed::Entries(entry) = item else {
                continue;
            };
            let index = entry.index;
            let data: Vec<Vec<u8>> = entry.entries().map(|entry| entry.data.to_vec()).collect();
            let agreed = self
                .committed
                .entry(index.0)
                .or_insert_with(|| data.clone());
            assert_eq!(*agreed, data, "state machines differ at {index}");
            self.servers[at].applied.insert(index.0, data);
            let now = self.now;
            let up = self.servers[at].up.as_mut().unwrap();
            up.node.processed(index, index, now);
        }
    }

    fn send(&mut self, from: usize, subject: &Subject, reply: Option<&Subject>, payload: &Bytes) {
        for (to, server) in self.servers.iter().enumerate() {
            let Some(up) = server.up.as_ref().filter(|_| to != from) else {
                continue;
            };
            for (subscription, _) in up.subscriptions.iter().filter(|(_, live)| live == subject) {
                let message = Message {
                    from,
                    to,
                    subscription: *subscription,
                    subject: subject.clone(),
                    reply: reply.cloned(),
                    payload: payload.clone(),
                };
                let cut = self.isolated.contains(&from) || self.isolated.contains(&to);
                if !cut && !self.loses.as_ref().is_some_and(|loses| loses(&message)) {
                    self.wire.push_back(message);
                }
            }
        }
    }

    /// Everybody holds and has applied the same.
    fn assert_equal(&mut self) {
        self.wait("equal logs", |net| {
            let all = 1..net.servers.len();
            all.clone()
                .all(|at| net.last(at) == net.last(0) && net.commit(at) == net.commit(0))
                && net.commit(0) == net.last(0)
        });
        for at in 1..self.servers.len() {
            assert_eq!(self.log(at), self.log(0), "server {at}");
            assert_eq!(
                self.servers[at].applied, self.servers[0].applied,
                "server {at}"
            );
        }
    }
}

/// What an append entry holds, if the message is one.
fn append_entry(message: &Message) -> Option<AppendEntry> {
    let subject = message.subject.as_str();
    let carries = subject == "$NRG.AE.PAPER" || subject.starts_with("$NRG.CR.");
    carries.then(|| AppendEntry::decode(message.payload.clone()).unwrap())
}

// 5.1 Raft basics.

#[test]
fn s5_1_terms_rise_with_each_election_and_every_server_follows() {
    let mut net = Net::led(3);
    for term in 2..6 {
        let next = (net.leader().unwrap() + 1) % 3;
        net.campaign(next);
        net.pass(Duration::from_secs(2));

        assert_eq!(net.leader(), Some(next));
        assert!(
            (0..3).all(|at| net.node(at).term() == Term(term)),
            "term {term}"
        );
    }
}

#[test]
fn s5_1_leader_with_a_stale_term_becomes_a_follower() {
    let mut net = Net::led(3);
    net.isolate(0);
    net.campaign(1);
    assert_eq!(
        (net.node(0).role(), net.node(1).role()),
        (Role::Leader, Role::Leader)
    );

    net.heal();
    net.pass(Duration::from_secs(2));

    assert_eq!(
        (net.node(0).role(), net.node(0).term()),
        (Role::Follower, Term(2))
    );
    assert_eq!(net.leader(), Some(1));
}

#[test]
fn s5_1_term_survives_a_restart() {
    let mut net = Net::led(3);
    net.campaign(1);
    let term = net.node(2).term();

    net.kill(2);
    net.start(2);

    assert_eq!((net.node(2).term(), term), (Term(2), Term(2)));
}

// 5.2 Leader election.

#[test]
fn s5_2_fresh_servers_elect_one_leader() {
    for seed in 0..10 {
        let mut net = Net::new(3, seed);
        let leader = net.wait_for_leader();
        net.pass(Duration::from_secs(30));

        assert_eq!(net.leader(), Some(leader), "seed {seed}");
        assert_eq!(
            net.leaders.len(),
            usize::try_from(net.node(leader).term().0).unwrap()
        );
        assert!((0..3).all(|at| net.node(at).leader() == Some(id(leader))));
    }
}

#[test]
fn s5_2_heartbeats_keep_the_leader_in_place() {
    let mut net = Net::led(5);

    net.pass(Duration::from_secs(600));

    assert_eq!((net.leader(), net.node(0).term()), (Some(0), Term(1)));
}

#[test]
fn s5_2_silence_of_the_leader_makes_another() {
    let mut net = Net::led(5);

    net.kill(0);
    let next = net.wait_for_leader();

    assert_ne!(next, 0);
    assert!(net.node(next).term() > Term(1));
}

#[test]
fn s5_2_minority_elects_nobody() {
    let mut net = Net::led(5);
    for at in [0, 1, 2] {
        net.kill(at);
    }

    net.pass(Duration::from_secs(120));

    assert_eq!(net.leader(), None);
}

/// Both ask at once, and each has its own vote already.
#[test]
fn s5_2_split_vote_ends_with_a_leader_of_a_later_term() {
    let mut net = Net::led(2);
    for at in [0, 1] {
        net.command(at, |node, now| {
            if node.role() == Role::Leader {
                node.step_down(&[], now).unwrap();
            }
            node.campaign(true, now).unwrap();
        });
    }
    net.pass(Duration::from_millis(50));
    assert_eq!(
        (net.leader(), net.node(0).term()),
        (None, net.node(1).term())
    );
    let split = net.node(0).term();

    let leader = net.wait_for_leader();

    assert!(net.node(leader).term() > split);
}

#[test]
fn s5_2_candidate_follows_the_leader_it_hears_of() {
    let mut net = Net::led(3);
    net.isolate(2);
    net.campaign(2);
    assert_eq!(net.node(2).role(), Role::Candidate);
    // The others get as far in terms, so that the leader's is not the stale one.
    net.campaign(1);
    assert_eq!(net.node(1).term(), net.node(2).term());

    net.heal();
    net.pass(Duration::from_secs(2));

    assert_eq!(
        (net.node(2).role(), net.node(2).leader()),
        (Role::Follower, Some(id(1)))
    );
}

#[test]
fn s5_2_vote_is_not_given_twice_in_a_term_across_a_restart() {
    let mut net = Net::led(3);
    net.isolate(0);
    net.loses = Some(Box::new(|message| message.to == 1));
    net.campaign(1);
    assert_eq!(
        (net.node(1).role(), net.node(1).term()),
        (Role::Candidate, Term(2))
    );
    let vote = net.node(2).status(net.now).vote;
    assert_eq!(vote, Some(id(1)));

    net.kill(2);
    net.start(2);

    assert_eq!(net.node(2).status(net.now).vote, vote);
}

// 5.3 Log replication.

#[test]
fn s5_3_entry_is_committed_once_a_majority_holds_it() {
    let mut net = Net::led(5);
    net.kill(3);
    net.kill(4);

    net.propose(0, b"kept");
    net.pass(Duration::from_secs(2));

    assert!((0..3).all(|at| net.commit(at) == 2));
    assert_eq!(net.committed[&2], [b"kept"]);
}

#[test]
fn s5_3_entry_without_a_majority_is_not_committed() {
    let mut net = Net::led(5);
    for at in [2, 3, 4] {
        net.kill(at);
    }

    net.propose(0, b"waits");
    net.pass(Duration::from_secs(5));

    assert_eq!((net.last(1), net.commit(0), net.commit(1)), (2, 1, 1));
}

#[test]
fn s5_3_follower_that_was_away_gets_everything_it_missed() {
    let mut net = Net::led(3);
    net.isolate(2);
    for data in [b"a", b"b", b"c", b"d"] {
        net.propose(0, data);
    }
    assert_eq!((net.commit(0), net.last(2)), (5, 1));

    net.heal();

    net.assert_equal();
    assert_eq!(net.servers[2].applied.len(), net.servers[0].applied.len());
}

/// Figure 7: the new leader's followers miss entries, have extra ones, or both.
#[test]
fn s5_3_logs_that_diverged_become_the_leaders() {
    let mut net = Net::led(3);
    net.isolate(0);
    for data in [b"x", b"y", b"z"] {
        net.propose(0, data);
    }
    net.campaign(1);
    for data in [b"p", b"q"] {
        net.propose(1, data);
    }
    assert_eq!((net.last(0), net.last(1)), (4, 4));
    assert_ne!(net.log(0), net.log(1));

    net.heal();

    net.assert_equal();
    let data: Vec<Vec<u8>> = net.log(0).into_iter().map(|(_, data)| data).collect();
    assert_eq!(data[2..4], [b"p".to_vec(), b"q".to_vec()]);
    assert!(!data.contains(&b"x".to_vec()));
}

#[test]
fn s5_3_leader_never_changes_its_own_entries() {
    let mut net = Net::led(3);
    let mut before = Vec::new();
    for (at, data) in [(0, b"a"), (0, b"b"), (0, b"c")] {
        net.propose(at, data);
        let log = net.log(at);
        assert_eq!(log[..before.len()], before);
        before = log;
    }
    net.campaign(1);
    net.propose(1, b"d");

    assert_eq!(net.log(1)[..before.len()], before);
}

// 5.4.1 Election restriction.

#[test]
fn s5_4_1_server_without_a_committed_entry_is_not_elected() {
    let mut net = Net::led(3);
    net.isolate(2);
    net.propose(0, b"kept");
    assert_eq!(net.commit(0), 2);
    net.kill(0);
    net.heal();

    for _ in 0..5 {
        net.campaign(2);
        assert_ne!(net.node(2).role(), Role::Leader);
    }
    net.wait("the server that holds it to lead", |net| {
        net.leader() == Some(1)
    });
    net.pass(Duration::from_secs(5));

    assert_eq!(net.servers[2].applied[&2], [b"kept"]);
}

#[test]
fn s5_4_1_later_last_term_beats_a_longer_log() {
    let mut net = Net::led(3);
    net.isolate(0);
    for data in [b"x", b"y", b"z"] {
        net.propose(0, data);
    }
    net.campaign(1);
    assert_eq!(net.leader(), Some(1));
    net.kill(1);
    net.kill(0);
    net.start(0);
    net.heal();

    // Server 2 holds the first entry of term 2, server 0 a longer log of term 1.
    assert!(net.last(0) > net.last(2));
    net.campaign(0);
    assert_ne!(net.node(0).role(), Role::Leader);
    net.wait("the later log to lead", |net| net.leader() == Some(2));
}

// 5.4.2 Committing entries from previous terms.

/// Figure 8: an entry of an older term on a majority is not committed, and may still be replaced.
#[test]
fn s5_4_2_entry_of_an_older_term_on_a_majority_may_be_replaced() {
    let mut net = Net::led(3);
    net.isolate(0);
    net.propose(0, b"old");
    // Server 2 wins term 2 with the vote of server 1; its first entry reaches nobody.
    net.loses = Some(Box::new(|m| m.from == 2 && append_entry(m).is_some()));
    net.campaign(2);
    assert_eq!(
        (net.node(2).role(), net.last(2), net.last(1)),
        (Role::Leader, 2, 1)
    );
    net.isolate(2);

    // Server 0 wins a later term and brings "old" to a majority, but nothing of that term.
    net.kill(0);
    net.start(0);
    net.isolated.remove(&0);
    let new = |message: &Message| append_entry(message).is_some_and(|ae| ae.head.term > Term(1));
    net.loses = Some(Box::new(move |m| {
        m.from == 0 && new(m) && append_entry(m).is_some_and(|ae| !ae.is_heartbeat())
    }));
    while net.node(0).role() != Role::Leader || net.node(0).term() < Term(3) {
        net.campaign(0);
    }
    net.pass(Duration::from_secs(1));
    assert_eq!(
        (net.last(1), net.log(1)[1].1.as_slice()),
        (2, b"old".as_slice())
    );
    assert_eq!((net.commit(0), net.commit(1)), (1, 1));

    // Server 2 comes back: its log ends in a later term than that of server 1.
    net.isolate(0);
    net.isolated.remove(&2);
    net.loses = None;
    net.wait("server 2 to lead", |net| {
        net.node(2).role() == Role::Leader && net.node(2).term() > Term(3)
    });
    net.heal();

    net.assert_equal();
    assert!(net.log(0).iter().all(|(_, data)| data != b"old"));
}

#[test]
fn s5_4_2_older_entries_commit_with_the_first_of_the_new_term() {
    let mut net = Net::led(3);
    net.loses = Some(Box::new(|message| message.to == 0));
    net.propose(0, b"old");
    assert_eq!((net.last(1), net.last(2), net.commit(0)), (2, 2, 1));
    net.kill(0);
    net.heal();

    net.campaign(1);
    net.pass(Duration::from_secs(2));

    assert_eq!((net.commit(1), net.commit(2)), (3, 3));
    assert_eq!(net.committed[&2], [b"old"]);
}

// 5.4.3 Safety: state machines agree whatever happens; checked with every applied entry.

#[test]
fn s5_4_3_state_machines_agree_through_partitions_and_restarts() {
    for seed in 1..=6_u64 {
        let mut net = Net::new(5, seed);
        let mut random = seed;
        let mut draw = |below: u64| {
            // Knuth's multiplier; the high bits are the good ones.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from((random >> 33) % below).unwrap()
        };
        for _ in 0..25 {
            let at = draw(5);
            match draw(6) {
                0 => net.isolate(at),
                1 => net.heal(),
                2 if net
                    .servers
                    .iter()
                    .filter(|server| server.up.is_some())
                    .count()
                    > 3 =>
                {
                    net.kill(at);
                }
                3 if net.servers[at].up.is_none() => net.start(at),
                _ => {}
            }
            net.pass(Duration::from_millis(draw(8_000) as u64));
            if let Some(leader) = net.leader() {
                net.propose(leader, b"entry");
            }
        }
        net.heal();
        for at in 0..5 {
            if net.servers[at].up.is_none() {
                net.start(at);
            }
        }
        net.wait_for_leader();

        net.assert_equal();
    }
}

// 5.5 Follower and candidate crashes.

#[test]
fn s5_5_follower_that_crashed_is_brought_up_to_date() {
    let mut net = Net::led(3);
    net.kill(2);
    for data in [b"a", b"b", b"c"] {
        net.propose(0, data);
    }

    net.start(2);

    net.assert_equal();
}

#[test]
fn s5_5_whole_group_comes_back_with_everything_committed() {
    let mut net = Net::led(3);
    for data in [b"a", b"b", b"c"] {
        net.propose(0, data);
    }
    (0..3).for_each(|at| net.kill(at));
    (0..3).for_each(|at| net.start(at));
    net.wait_for_leader();

    net.assert_equal();
    assert_eq!(net.servers[0].applied[&4], [b"c"]);
}

/// A message that arrives a second time has been taken care of.
#[test]
fn s5_5_repeated_messages_change_nothing() {
    let mut net = Net::led(3);
    for data in [b"a", b"b"] {
        net.propose(0, data);
    }
    net.pass(Duration::from_secs(2));
    let before = (net.log(1), net.commit(1));

    for index in [1, 2, 3] {
        let again = net.node(0).entry_at(Index(index)).unwrap().into_frame();
        net.send(0, &Subject::new("$NRG.AE.PAPER"), None, &again);
        net.settle();
    }

    assert_eq!((net.log(1), net.commit(1)), before);
    net.propose(0, b"c");
    net.assert_equal();
}

// 5.6 Timing and availability.

#[test]
fn s5_6_leader_without_a_quorum_steps_down_and_the_rest_goes_on() {
    let mut net = Net::led(5);
    net.isolate(0);

    let next = net.wait_for_leader();
    net.propose(next, b"goes on");
    net.pass(Duration::from_secs(25));

    assert_ne!(net.node(0).role(), Role::Leader);
    assert_eq!(
        net.committed
            .values()
            .filter(|data| **data == [b"goes on"])
            .count(),
        1
    );
}

// 8 Client interaction.

/// The leader appends an entry of its own at once, so that it learns what is committed.
#[test]
fn s8_new_leader_commits_an_entry_of_its_term_without_being_asked() {
    let mut net = Net::led(3);

    net.campaign(1);
    net.pass(Duration::from_secs(1));

    assert_eq!(net.log(1).last(), Some(&(2, Vec::new())));
    assert_eq!(net.commit(1), 2);
    assert!(net.node(1).is_leader());
}

// Leadership transfer (thesis 3.10).

#[test]
fn thesis_3_10_chosen_successor_leads_within_a_moment() {
    let mut net = Net::led(3);
    net.pass(Duration::from_secs(1));

    net.command(0, |node, now| node.step_down(&[id(2)], now).unwrap());
    net.pass(Duration::from_millis(10));

    assert_eq!((net.leader(), net.node(2).term()), (Some(2), Term(2)));
}
