//! A small network of nodes on real folders: time is moved, messages are handed over one by one.

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
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn id(at: usize) -> PeerId {
    PeerId::from_server_name(&format!("S-{at}"))
}

pub(crate) struct Server {
    pub(crate) dir: PathBuf,
    /// None while the server is down.
    pub(crate) up: Option<Up>,
    /// What its state machine was given, by index. Lost with the server, as it would be.
    pub(crate) applied: BTreeMap<u64, Vec<Vec<u8>>>,
    pub(crate) starts: u64,
}

pub(crate) struct Up {
    pub(crate) node: Node,
    pub(crate) store: GroupStore,
    pub(crate) subscriptions: Vec<(SubscriptionId, Subject)>,
}

pub(crate) struct Message {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) subscription: SubscriptionId,
    pub(crate) subject: Subject,
    pub(crate) reply: Option<Subject>,
    pub(crate) payload: Bytes,
}

pub(crate) type Loses = Box<dyn Fn(&Message) -> bool>;

/// A group of servers. Messages between two of them arrive in order, unless they are lost.
pub(crate) struct Net {
    pub(crate) servers: Vec<Server>,
    pub(crate) now: Instant,
    pub(crate) wire: VecDeque<Message>,
    pub(crate) isolated: BTreeSet<usize>,
    pub(crate) loses: Option<Loses>,
    pub(crate) seed: u64,
    /// Who led each term.
    pub(crate) leaders: BTreeMap<Term, usize>,
    /// What is known to be committed, by index.
    pub(crate) committed: BTreeMap<u64, Vec<Vec<u8>>>,
    /// State machines as they were when a snapshot was made of them. A snapshot's bytes are its
    /// place here.
    states: Vec<BTreeMap<u64, Vec<Vec<u8>>>>,
    root: TempDir,
}

impl Net {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
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
            states: Vec::new(),
            root,
        };
        (0..size).for_each(|at| net.start(at));
        net
    }

    /// A group whose leader is the first server, in term 1, with its first entry committed.
    pub(crate) fn led(size: usize) -> Self {
        let mut net = Self::new(size, 1);
        net.campaign(0);
        assert_eq!(net.leader(), Some(0));
        assert_eq!(net.node(0).term(), Term(1));
        net.pass(Duration::from_secs(2));
        assert!((0..size).all(|at| net.commit(at) == 1));
        net
    }

    pub(crate) fn start(&mut self, at: usize) {
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
    pub(crate) fn kill(&mut self, at: usize) {
        self.servers[at].up = None;
        self.wire
            .retain(|message| message.to != at && message.from != at);
    }

    pub(crate) fn isolate(&mut self, at: usize) {
        self.isolated.insert(at);
    }

    pub(crate) fn heal(&mut self) {
        self.isolated.clear();
        self.loses = None;
    }

    pub(crate) fn node(&self, at: usize) -> &Node {
        &self.servers[at].up.as_ref().unwrap().node
    }

    pub(crate) fn command<T>(&mut self, at: usize, run: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let now = self.now;
        let result = run(&mut self.servers[at].up.as_mut().unwrap().node, now);
        self.settle();
        result
    }

    /// The server asks for votes at once.
    pub(crate) fn campaign(&mut self, at: usize) {
        self.command(at, |node, now| node.campaign(true, now).unwrap());
        self.pass(Duration::from_millis(50));
    }

    pub(crate) fn propose(&mut self, at: usize, data: &'static [u8]) {
        self.command(at, |node, _| {
            node.propose(node.term(), Bytes::from_static(data)).unwrap()
        });
    }

    /// The leader of the latest term among the servers that are up.
    pub(crate) fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| {
            let up = self.servers[*at].up.as_ref();
            up.is_some_and(|up| up.node.role() == Role::Leader)
        };
        let all = (0..self.servers.len()).filter(leads);
        all.max_by_key(|at| self.node(*at).term())
    }

    pub(crate) fn commit(&self, at: usize) -> u64 {
        self.node(at).progress().1.0
    }

    pub(crate) fn last(&self, at: usize) -> u64 {
        self.node(at).progress().0.0
    }

    /// Term and data of each entry, from the first.
    pub(crate) fn log(&self, at: usize) -> Vec<(u64, Vec<u8>)> {
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
    pub(crate) fn pass(&mut self, time: Duration) {
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
    pub(crate) fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = self.now.after(PATIENCE);
        while !done(self) {
            assert!(self.now < until, "waited in vain for {what}");
            self.pass(Duration::from_millis(100));
        }
    }

    pub(crate) fn wait_for_leader(&mut self) -> usize {
        self.wait("a leader", |net| {
            net.leader().is_some_and(|at| !net.isolated.contains(&at))
        });
        self.leader().unwrap()
    }

    /// Delivers and turns until nothing is left to do at this moment.
    pub(crate) fn settle(&mut self) {
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

    pub(crate) fn turn(&mut self, at: usize) {
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
            let snapshots = up.store.write(writes).unwrap();
            up.store.sync(true).unwrap();
            up.node.handle_durable(upto, now);
            for outcome in snapshots {
                up.node.handle_snapshot_written(outcome, now);
            }
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

    pub(crate) fn apply(&mut self, at: usize, applied: Vec<Committed>) {
        for item in applied {
            let Committed::Entries(entry) = item else {
                continue;
            };
            let index = entry.index;
            let restored = entry
                .entries()
                .find(|entry| entry.kind == EntryType::Snapshot);
            if let Some(snapshot) = restored {
                let state = usize::from(snapshot.data[0]);
                self.servers[at].applied = self.states[state].clone();
                self.report(at, index);
                continue;
            }
            let data: Vec<Vec<u8>> = entry.entries().map(|entry| entry.data.to_vec()).collect();
            let agreed = self
                .committed
                .entry(index.0)
                .or_insert_with(|| data.clone());
            assert_eq!(*agreed, data, "state machines differ at {index}");
            self.servers[at].applied.insert(index.0, data);
            self.report(at, index);
        }
    }

    fn report(&mut self, at: usize, index: Index) {
        let now = self.now;
        let up = self.servers[at].up.as_mut().unwrap();
        up.node.processed(index, index, now);
    }

    /// The server makes a snapshot of everything it has applied.
    pub(crate) fn snapshot(&mut self, at: usize) {
        let place = u8::try_from(self.states.len()).unwrap();
        self.states.push(self.servers[at].applied.clone());
        self.command(at, |node, _| {
            node.install_snapshot(Bytes::copy_from_slice(&[place]), false)
                .unwrap();
        });
    }

    /// The first entry that is left of a server's log.
    pub(crate) fn first(&self, at: usize) -> u64 {
        self.node(at).status(self.now).first_index.0
    }

    /// A server that nobody knows yet. It knows the members there are.
    pub(crate) fn join(&mut self) -> usize {
        let at = self.servers.len();
        let dir = self.root.path().join(at.to_string());
        let peers: Vec<PeerId> = (0..at).map(id).collect();
        let state = PeerState {
            cluster_size: u32::try_from(at).unwrap(),
            peers,
            domain_ext: 0,
        };
        bootstrap(&RealDisk, &dir, &state).unwrap();
        self.servers.push(Server {
            dir,
            up: None,
            applied: BTreeMap::new(),
            starts: 0,
        });
        self.start(at);
        at
    }

    pub(crate) fn send(
        &mut self,
        from: usize,
        subject: &Subject,
        reply: Option<&Subject>,
        payload: &Bytes,
    ) {
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
    pub(crate) fn assert_equal(&mut self) {
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
pub(crate) fn append_entry(message: &Message) -> Option<AppendEntry> {
    let subject = message.subject.as_str();
    let carries = subject == "$NRG.AE.PAPER" || subject.starts_with("$NRG.CR.");
    carries.then(|| AppendEntry::decode(message.payload.clone()).unwrap())
}
