//! Nodes in the place of the captured servers: what nats-server said to its peers, our nodes
//! answer as nats-server did, at the same moments.
//!
//! The opening of the capture is unbroken: `n` up to 163. In it server n2 leads all three groups.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may panic"
)]

mod golden;

use std::collections::BTreeMap;

use bytes::Bytes;
use raft_core::config::Timing;
use raft_core::node::{Committed, Node, NodeSetup, Output, Role, SubscriptionId};
use raft_core::storage::{GroupSnapshots, MemoryLog, WriteSeq};
use raft_core::time::Instant;
use raft_core::types::{Entry, EntryType, GroupName, PeerId};
use raft_core::wire::{AppendEntry, PeerState, Subject, TermVote};
use serde_json::Value;

const LEADER: PeerId = PeerId(*b"44jzkV9D");
const FOLLOWERS: [PeerId; 2] = [PeerId(*b"fjFyEjc1"), PeerId(*b"BXScrY9i")];
const OPENING_LAST: u64 = 163;
const META: &str = "_meta_";

/// One captured message of the opening.
struct Line {
    at: Instant,
    kind: String,
    group: String,
    reply: Option<Subject>,
    payload: Bytes,
}

fn opening() -> Vec<Line> {
    let lines = golden::traffic().into_iter();
    let lines = lines.filter(|line| golden::u64_of(line, "n") <= OPENING_LAST);
    lines.map(|line| captured(&line)).collect()
}

fn captured(line: &Value) -> Line {
    Line {
        at: Instant::from_nanos((line["ms"].as_f64().unwrap() * 1e6) as u64),
        kind: golden::text(line, "kind").to_owned(),
        group: golden::text(line, "group").to_owned(),
        reply: line["reply"].as_str().map(Subject::new),
        payload: golden::unhex(golden::text(line, "hex")).into(),
    }
}

/// One server's node of one group.
struct Server {
    node: Node,
    subscriptions: Vec<(SubscriptionId, Subject)>,
    sent: Vec<Bytes>,
}

impl Server {
    /// As the capture's servers started: the meta group knew only the server itself and its size,
    /// and counted as recovering; the other groups were told their members.
    fn new(id: PeerId, group: &str, now: Instant) -> Self {
        let is_meta = group == META;
        let all = vec![FOLLOWERS[1], LEADER, FOLLOWERS[0]];
        let setup = NodeSetup {
            id,
            group: GroupName::new(group).unwrap(),
            timing: Timing::default(),
            managed: !is_meta,
            observer: false,
            recovering: is_meta,
            scale_up: false,
            track: false,
            seed: 1,
            unknown_peers_online: true,
            log: Box::new(MemoryLog::new()),
            term_vote: TermVote::default(),
            peer_state: PeerState {
                cluster_size: 3,
                peers: if is_meta { vec![id] } else { all },
                domain_ext: 0,
            },
            snapshots: GroupSnapshots::in_memory(),
            last_seq: WriteSeq::ZERO,
        };
        let mut node = Node::recover(setup, now).unwrap();
        node.handle_routing(true);
        let mut server = Self {
            node,
            subscriptions: Vec::new(),
            sent: Vec::new(),
        };
        server.turn(now);
        server
    }

    /// Hands over a message to `subject`.
    fn hear(&mut self, subject: &str, line: &Line) {
        let live = self
            .subscriptions
            .iter()
            .find(|(_, live)| live.as_str() == subject);
        let (sub, _) = live.unwrap_or_else(|| panic!("{subject}"));
        self.node
            .handle_message(*sub, line.reply.clone(), line.payload.clone(), line.at);
        self.turn(line.at);
    }

    fn turn(&mut self, now: Instant) {
        loop {
            self.node.turn(now);
            while let Some(output) = self.node.poll_output() {
                match output {
                    Output::Publish { payload, .. } => self.sent.push(payload),
                    Output::Subscribe { id, subject } => self.subscriptions.push((id, subject)),
                    Output::Unsubscribe { .. } => {}
                    Output::Reset => self.subscriptions.clear(),
                }
            }
            if let Some(writes) = self.node.take_writes() {
                self.node.handle_durable(writes.upto, now);
            } else if !self.node.wants_turn() {
                break;
            }
        }
        for item in self.node.take_applied(usize::MAX, usize::MAX) {
            if let Committed::Entries(entry) = item {
                self.node.processed(entry.index, entry.index, now);
            }
        }
    }

    /// The inbox it gave out for votes, or for answers to append entries.
    fn inbox(&self, for_votes: bool) -> String {
        let at = if for_votes { 0 } else { 2 };
        self.subscriptions[at].1.to_string()
    }
}

/// Everything a follower said, in order: votes and answers, byte for byte.
#[test]
fn followers_answer_the_captured_leader_as_nats_server_did() {
    let mut servers: BTreeMap<(String, PeerId), Server> = BTreeMap::new();
    let mut expected: BTreeMap<(String, PeerId), Vec<Bytes>> = BTreeMap::new();
    let mut fed = 0;
    for line in opening() {
        let prefix = match line.kind.as_str() {
            "vote_request" => "$NRG.V",
            "append_entry" => "$NRG.AE",
            "vote_response" | "append_entry_response" => {
                // Both carry the sender: behind the term, and behind term and index.
                let at = if line.payload.len() == 17 { 8 } else { 16 };
                let from = PeerId::from_text(&line.payload[at..at + 8]).unwrap();
                expected
                    .entry((line.group, from))
                    .or_default()
                    .push(line.payload);
                continue;
            }
            other => panic!("{other}"),
        };
        fed += 1;
        for id in FOLLOWERS {
            let server = servers
                .entry((line.group.clone(), id))
                .or_insert_with(|| Server::new(id, &line.group, line.at));
            server.hear(&format!("{prefix}.{}", line.group), &line);
        }
    }

    assert_eq!((fed, servers.len(), expected.len()), (54, 6, 6));
    for (who, expected) in expected {
        let mut said = std::mem::take(&mut servers.get_mut(&who).unwrap().sent);
        // Servers answer votes and entries over different ways: each kind has its own order.
        said.sort_by_key(Bytes::len);
        let mut expected = expected;
        expected.sort_by_key(Bytes::len);
        // The answers to the last messages are behind the end of the opening.
        let unheard = said.len() - expected.len();
        assert!(unheard <= 2, "{who:?}");
        assert_eq!(said[..expected.len()], expected, "{who:?}");
    }
}

/// A node in the leader's place, given the captured votes, answers and proposals, sends the
/// captured messages, commit indexes included. Ids of the first entry come in another order.
#[test]
fn node_in_the_leaders_place_sends_what_nats_server_sent() {
    for group in ["S-R3F-dn3yKEVT", "C-R3F-Ty1tF1gC"] {
        let lines: Vec<Line> = opening().into_iter().filter(|l| l.group == group).collect();
        // An immediate campaign takes half the shortest delay.
        let start = Instant::from_nanos(lines[0].at.as_nanos() - 50_000_000);
        let mut leader = Server::new(LEADER, group, start);
        leader.node.campaign(true, start).unwrap();
        let mut sent = Vec::new();
        for line in lines {
            match line.kind.as_str() {
                "vote_request" => {
                    leader.turn(line.at);
                    sent.push(line.payload);
                }
                "append_entry" => {
                    let ae = AppendEntry::decode(line.payload.clone()).unwrap();
                    let normal = |entry: &Entry| entry.kind == EntryType::Normal;
                    let entries: Vec<Entry> = ae.shared_entries().filter(normal).collect();
                    if !entries.is_empty() {
                        let term = leader.node.term();
                        leader.node.propose_batch(term, entries).unwrap();
                        leader.turn(line.at);
                    }
                    sent.push(line.payload);
                }
                kind => {
                    let inbox = leader.inbox(kind == "vote_response");
                    leader.hear(&inbox, &line);
                }
            }
        }

        assert_eq!(leader.node.role(), Role::Leader);
        assert_eq!(shown(&leader.sent), shown(&sent), "{group}");
    }
}

/// Messages as they compare: a membership as its sorted ids.
fn shown(messages: &[Bytes]) -> Vec<String> {
    let show = |message: &Bytes| match AppendEntry::decode(message.clone()) {
        Err(_) => golden::hex(message),
        Ok(ae) => {
            let entries = ae.shared_entries().map(|entry| {
                if entry.kind != EntryType::PeerState {
                    return golden::hex(&entry.data);
                }
                let mut state = PeerState::decode(&entry.data).unwrap();
                state.peers.sort_unstable();
                format!("{state:?}")
            });
            format!("{ae:?} {:?}", entries.collect::<Vec<_>>())
        }
    };
    messages.iter().map(show).collect()
}
