//! A node without a driver, played by hand.
//!
//! White-box suites open one, call any of its methods, look at every field and see what it sent.
//! Each call settles before it returns: what the node wants written is written and synced, what
//! waited for that is sent, and sent messages lie ready for [`Detached::take_sent`]. Nothing else
//! happens by itself: queues are popped and timers fire only in a turn, which is played with the
//! calls `turn`, `run` and `run_as_*`.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::config::{NodeConfig, Timing};
pub use crate::node::CallError;
use crate::node::{Node, NodeLog, NodeSetup, Output, Role, SubscriptionId};
use crate::runtime::{Message, StartError};
use crate::storage::{
    self, GroupStore, GroupWrites, LogKind, OpenedGroup, RealDisk, StorageError, StoreConfig,
    open_group,
};
use crate::time::Instant;
use crate::types::PeerId;
use crate::wire::{PeerState, Subject, VoteRequest, VoteResponse};

/// Where the clock starts. Not at zero, which is how "never" is written in a dump.
const START: Instant = Instant::from_nanos(3_600_000_000_000);
/// How long, on the moved clock, a role is played at most unless a call says otherwise.
const PLAY_MAX: Duration = Duration::from_secs(60 * 60);
/// Same for everybody: detached nodes repeat themselves.
const SEED: u64 = 1;

/// What a hand-made node does without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetachedFlags {
    /// No members, and a log in memory.
    pub no_log: bool,
    /// No subscriptions, and what it sends goes nowhere.
    pub no_transport: bool,
}

/// Where an append entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The group's own subject.
    Live,
    /// The inbox of a catch-up, over or not: `catchup.sub` of a dump.
    Catchup(u64),
    /// The node's own log.
    Replay,
}

/// A node without a driver. Any thread may call; one call runs at a time.
#[derive(Debug)]
pub struct Detached(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    node: Node,
    store: GroupStore,
    dir: PathBuf,
    now: Instant,
    holds_sync: bool,
    no_transport: bool,
    sent: Vec<Message>,
    logs: Vec<NodeLog>,
    /// Who answers each vote request, and how.
    voters: Vec<Voter>,
}

#[derive(Clone, Copy, Debug)]
struct Voter {
    peer: PeerId,
    granted: bool,
    empty: bool,
}

impl Detached {
    /// Opens a node in its folder under `config.store_root`. A folder that was not bootstrapped is,
    /// with this server as the only member; a hand-made node (`no_log`) has none.
    ///
    /// # Errors
    /// [`StartError`] when the folder cannot be opened or its log not be read.
    pub fn open(
        config: NodeConfig,
        timing: Timing,
        flags: DetachedFlags,
    ) -> Result<Self, StartError> {
        let dir = config.store_dir();
        let kind = if flags.no_log {
            LogKind::Memory
        } else {
            config.log
        };
        if storage::read_peer_state(&RealDisk, &dir)?.is_none() {
            let peers = if flags.no_log {
                Vec::new()
            } else {
                vec![config.peer_id]
            };
            let cluster_size = u32::try_from(peers.len()).unwrap_or(u32::MAX);
            let first = PeerState {
                cluster_size,
                peers,
                domain_ext: 0,
            };
            storage::bootstrap(&RealDisk, &dir, &first)?;
        }
        let place = StoreConfig {
            dir: dir.clone(),
            group: config.group.clone(),
            kind,
        };
        let OpenedGroup {
            log,
            store,
            term_vote,
            peer_state,
            snapshots,
            last_seq,
            ..
        } = open_group(Arc::new(RealDisk), &place)?;
        let setup = NodeSetup {
            id: config.peer_id,
            group: config.group,
            timing,
            managed: config.managed,
            observer: config.observer,
            recovering: config.recovering,
            scale_up: config.scale_up,
            track: config.track,
            seed: SEED,
            unknown_peers_online: true,
            log,
            term_vote,
            peer_state: peer_state.ok_or(StorageError::NoPeerState)?,
            snapshots,
            last_seq,
        };
        let mut inner = Inner {
            node: Node::recover(setup, START)?,
            store,
            dir,
            now: START,
            holds_sync: false,
            no_transport: flags.no_transport,
            sent: Vec::new(),
            logs: Vec::new(),
            voters: Vec::new(),
        };
        inner.node.handle_routing(true);
        inner.settle();
        Ok(Self(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds back syncs, and with them what rests on them, or lets them pass.
    pub fn hold_sync(&self, hold: bool) {
        let mut inner = self.lock();
        inner.holds_sync = hold;
        inner.settle();
    }

    /// Moves the clock. No timer fires but in a turn, the end of a quorum rescue apart.
    pub fn advance(&self, by: Duration) {
        let mut inner = self.lock();
        inner.now = inner.now.after(by);
        let now = inner.now;
        inner.node.expire_rescue_if_due(now);
        inner.settle();
    }

    /// Calls a method of the node by the server's name in snake case: those of
    /// [`Node::call_mapped`], and those that need what is around the node (see
    /// [`Detached::call_around`]). `args_json` is an array, or empty for none.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(&self, name: &str, args_json: &str) -> Result<String, CallError> {
        if let Some(role) = played(name) {
            let limit = numbers(args_json)?
                .first()
                .map_or(PLAY_MAX, |ns| Duration::from_nanos(*ns));
            return Ok(json!(self.play(role, limit) as u8).to_string());
        }
        let mut inner = self.lock();
        let done = match inner.call_around(name, args_json) {
            Some(done) => done,
            None => {
                let now = inner.now;
                inner.node.call_mapped(name, args_json, now)
            }
        };
        inner.settle();
        done.map(|value| value.to_string())
    }

    /// Everything there is of the node, as JSON (tests.md 4.4).
    #[must_use]
    pub fn dump(&self) -> String {
        let inner = self.lock();
        let mut all = inner.node.dump_mapped();
        if let Value::Object(all) = &mut all {
            all.insert("now".to_owned(), json!(inner.now.as_nanos()));
            all.insert("sd".to_owned(), json!(inner.dir));
        }
        all.to_string()
    }

    /// Changes fields by a JSON merge patch with the names of [`Detached::dump`].
    ///
    /// # Errors
    /// [`CallError`] for a name that is unknown or only to be read, and for a value that does not
    /// fit.
    pub fn set(&self, merge_patch_json: &str) -> Result<(), CallError> {
        self.lock().node.set_mapped(merge_patch_json)
    }

    /// Processes an append entry at once. What cannot be decoded is dropped.
    pub fn deliver_append_entry(&self, origin: Origin, frame: Bytes, reply: &str) {
        let origin = match origin {
            Origin::Live => crate::node::Origin::Live,
            Origin::Catchup(handle) => crate::node::Origin::Catchup(SubscriptionId(handle)),
            Origin::Replay => crate::node::Origin::Replay,
        };
        self.with(|node, now| {
            node.deliver_append_entry(origin, frame, subject(reply).as_ref(), now)
        });
    }

    /// Processes the answer to an append entry at once. `reply` is the inbox of a catch-up.
    pub fn deliver_response(&self, frame: Bytes, reply: &str) {
        self.with(|node, now| node.deliver_response(&frame, subject(reply), now));
    }

    /// Processes a vote request at once.
    pub fn deliver_vote_request(&self, frame: Bytes, reply: &str) {
        self.with(|node, now| node.deliver_vote_request(&frame, subject(reply).as_ref(), now));
    }

    /// Queues a vote, as the callback of the vote inbox does; it is counted in a turn.
    pub fn deliver_vote_response(&self, frame: Bytes) {
        self.with(|node, now| {
            if let Some(sub) = node.subscription_to(node.vote_inbox().as_str()) {
                node.handle_message(sub, None, frame, now);
            }
        });
    }

    /// Hands a message to whatever subscription the node has to `subject`, as a transport does: it
    /// is queued. Returns how many subscriptions there were.
    pub fn inject(&self, to: &str, reply: &str, payload: Bytes) -> usize {
        self.with(|node, now| match node.subscription_to(to) {
            Some(sub) => {
                node.handle_message(sub, subject(reply), payload, now);
                1
            }
            None => 0,
        })
    }

    /// What the node sent since the last call, in order.
    #[must_use]
    pub fn take_sent(&self) -> Vec<Message> {
        std::mem::take(&mut self.lock().sent)
    }

    /// Runs something on the node, then settles.
    fn with<T>(&self, run: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let mut inner = self.lock();
        let now = inner.now;
        let result = run(&mut inner.node, now);
        inner.settle();
        result
    }

    /// Plays turns while the node has `role`, moving the clock to its next deadline whenever
    /// nothing is queued; ends with a new term of a candidate too. The mutex is free between turns.
    fn play(&self, role: Role, limit: Duration) -> Role {
        let (until, term) = {
            let mut inner = self.lock();
            inner.node.begin_turns();
            (inner.now.after(limit), inner.node.term())
        };
        loop {
            {
                let mut inner = self.lock();
                let plays = |node: &Node| {
                    node.role() == role && (role != Role::Candidate || node.term() == term)
                };
                if plays(&inner.node) {
                    inner.turn();
                }
                if !plays(&inner.node) || !inner.go_on(until) {
                    return inner.node.role();
                }
            }
            thread::yield_now();
        }
    }
}

impl Inner {
    /// What needs more than the node: `turn`, `read_term_vote`, `read_peer_state`, `delete`,
    /// `auto_answer` (an array of `{"peer", "granted", "empty"}`: who answers vote requests too;
    /// nobody any more when empty),
    /// `logs`, and `run` (nanoseconds of the moved clock).
    fn call_around(&mut self, name: &str, args: &str) -> Option<Result<Value, CallError>> {
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "turn" => {
                    self.turn();
                    Value::Null
                }
                "run" => {
                    let limit = numbers(args)?.first().copied().unwrap_or_default();
                    let until = self.now.after(Duration::from_nanos(limit));
                    while !self.node.is_closed() {
                        self.turn();
                        if !self.go_on(until) {
                            break;
                        }
                    }
                    Value::Null
                }
                "read_term_vote" => {
                    let saved = storage::read_term_vote(&RealDisk, &self.dir)?;
                    let vote = saved.vote.map_or_else(String::new, |id| id.to_string());
                    json!({"term": saved.term.0, "vote": vote})
                }
                "read_peer_state" => match storage::read_peer_state(&RealDisk, &self.dir)? {
                    Some(saved) => {
                        let peers: Vec<_> = saved.peers.iter().map(PeerId::to_string).collect();
                        let (csz, ext) = (saved.cluster_size, saved.domain_ext);
                        json!({"peers": peers, "csz": csz, "extSt": ext})
                    }
                    None => Value::Null,
                },
                "delete" => {
                    self.node.stop();
                    self.store.delete()?;
                    Value::Null
                }
                "auto_answer" => {
                    let voters = voters(args)?;
                    match voters.is_empty() {
                        true => self.voters.clear(),
                        false => self.voters.extend(voters),
                    }
                    Value::Null
                }
                "logs" => {
                    let logs = std::mem::take(&mut self.logs).into_iter();
                    logs.map(|log| json!({"level": log.level as u8, "text": log.text}))
                        .collect()
                }
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    fn turn(&mut self) {
        self.node.turn(self.now);
        self.settle();
    }

    /// When nothing is left to do, moves the clock to the next deadline. False when there is none
    /// before `until`.
    fn go_on(&mut self, until: Instant) -> bool {
        if self.node.wants_turn() {
            return true;
        }
        match self.node.next_deadline() {
            Some(at) if at <= until => {
                self.now = self.now.max(at);
                true
            }
            _ => {
                self.now = self.now.max(until);
                false
            }
        }
    }

    /// Writes, syncs and sends until nothing is left.
    fn settle(&mut self) {
        loop {
            self.drain();
            if self.holds_sync {
                return;
            }
            let Some(writes) = self.node.take_writes() else {
                return;
            };
            self.write(writes);
        }
    }

    /// Writes and syncs.
    fn write(&mut self, writes: GroupWrites) {
        let upto = writes.upto;
        let written = self.store.write(writes);
        match written.and_then(|snapshots| self.store.sync(true).map(|()| snapshots)) {
            Ok(snapshots) => {
                self.node.handle_durable(upto, self.now);
                for outcome in snapshots {
                    self.node.handle_snapshot_written(outcome, self.now);
                }
            }
            Err(error) => self.node.handle_write_failed(Arc::new(error), self.now),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            if let Output::Publish {
                subject,
                reply,
                payload,
            } = output
                && !self.no_transport
            {
                self.answer(&subject, reply.as_ref(), &payload);
                self.sent.push(Message {
                    from: Some(self.node.id()),
                    subject: subject.as_str().to_owned(),
                    reply: reply.map_or_else(String::new, |reply| reply.as_str().to_owned()),
                    payload,
                });
            }
        }
        self.logs.extend(self.node.take_logs());
        // What they announce is looked at directly.
        let _signals = self.node.take_signals();
    }

    /// Lets the voters answer a vote request.
    fn answer(&mut self, to: &Subject, reply: Option<&Subject>, payload: &Bytes) {
        let (Some(reply), Ok(request)) = (reply, VoteRequest::decode(payload)) else {
            return;
        };
        if self.node.vote_subject() != to {
            return;
        }
        let Some(sub) = self.node.subscription_to(reply.as_str()) else {
            return;
        };
        for voter in &self.voters {
            let Voter {
                peer,
                granted,
                empty,
            } = *voter;
            let vote = VoteResponse {
                term: request.term,
                peer,
                granted,
                empty,
            };
            let vote = Bytes::copy_from_slice(&vote.encode());
            self.node.handle_message(sub, None, vote, self.now);
        }
    }
}

/// The role a call plays, if it plays one.
fn played(name: &str) -> Option<Role> {
    match name {
        "run_as_follower" => Some(Role::Follower),
        "run_as_candidate" => Some(Role::Candidate),
        "run_as_leader" => Some(Role::Leader),
        _ => None,
    }
}

fn subject(text: &str) -> Option<Subject> {
    (!text.is_empty()).then(|| Subject::new(text))
}

fn numbers(json: &str) -> Result<Vec<u64>, CallError> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let why = |error: serde_json::Error| error.to_string();
    serde_json::from_str(json).map_err(|error| CallError::Json {
        want: "array of numbers",
        why: why(error),
    })
}

fn voters(json: &str) -> Result<Vec<Voter>, CallError> {
    let refused = |why: String| CallError::Json {
        want: "array of voters",
        why,
    };
    let voters: Vec<Value> = serde_json::from_str(json).map_err(|e| refused(e.to_string()))?;
    let voter = |value: &Value| {
        let flag = |name: &str, default| value.get(name).map_or(Some(default), Value::as_bool);
        Some(Voter {
            peer: PeerId::from_text(value.get("peer")?.as_str()?.as_bytes()).ok()?,
            granted: flag("granted", true)?,
            empty: flag("empty", false)?,
        })
    };
    let all: Option<_> = voters.iter().map(voter).collect();
    all.ok_or_else(|| refused("each needs a peer".to_owned()))
}
