//! The protocol: one group's state machine, without a clock, a thread, a socket or a file.
//!
//! The methods of [`Node`] fall in four groups:
//!
//! - **Inputs**, `handle_*` and [`Node::turn`]: a message, the outcome of a write, the time.
//! - **Commands** of the application: [`Node::propose`], [`Node::step_down`], …
//! - **Outputs**, `poll_*` and `take_*`, to be drained after each input or command.
//! - **Getters**.
//!
//! `handle_message` is the server's callback: it decodes, filters and queues (behaviour.md 5.5).
//! [`Node::turn`] pops the queues in a fixed order – append entries, vote requests, votes,
//! responses, proposals, timers – and steps the role (behaviour.md 5). Same seed and same inputs
//! give the same outputs, byte for byte.
//!
//! Outputs rest on writes. The node asks for writes with [`Node::take_writes`], each carrying a
//! [`WriteSeq`]; what must not be said before its write is durable stays inside until
//! [`Node::handle_durable`] has covered it.

mod acks;
mod apply;
mod awaited;
mod backlog;
mod bugs;
mod catchup;
mod counters;
mod election;
mod error;
mod following;
mod input;
mod invariants;
mod leading;
#[cfg(feature = "testing")]
mod mapped;
mod membership;
mod output;
mod pending;
mod persist;
mod reconfigure;
mod recovery;
mod rescue;
mod role;
mod snapshot;
mod status;
mod timers;
mod transfer;
mod transport;

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod awaited_tests;
#[cfg(test)]
mod catchup_tests;
#[cfg(test)]
mod election_tests;
#[cfg(test)]
mod following_tests;
#[cfg(test)]
mod forged_tests;
#[cfg(test)]
mod issues_tests;
#[cfg(test)]
mod leading_tests;
#[cfg(test)]
mod membership_tests;
#[cfg(test)]
mod reconfigure_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod rescue_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod status_tests;
#[cfg(test)]
mod transcript_tests;
#[cfg(test)]
mod transfer_tests;
#[cfg(test)]
mod transport_tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use apply::{Committed, CommittedEntry};
pub use awaited::{Fate, ProposalOutcome, ProposalTag};
pub use backlog::{BACKLOG_BYTES_MAX, proposal_bytes};
pub use bugs::{BUGS, Bug};
pub use counters::{Counters, Refused};
pub use error::{
    AdjustError, CampaignError, EvictError, FatalError, MembershipError, PauseError, ProposeError,
    RescueError, SnapshotError, StepDownError,
};
pub use input::{Origin, Proposal};
#[cfg(any(test, feature = "sim"))]
pub use invariants::Standing;
#[cfg(feature = "testing")]
pub use mapped::{CallError, Mapped};
pub use output::{LeadChange, LogLevel, NodeLog, Output, SubscriptionId, signal};
pub use recovery::NodeSetup;
pub use role::{Published, Role};
pub use snapshot::{Checkpoint, CheckpointId, SnapshotSource};
pub use status::{NodeStatus, PeerStatus};

use crate::config::Timing;
use crate::rng::Rng;
use crate::storage::{Log, LogKind, WriteSeq};
use crate::time::Instant;
use crate::types::{GroupName, Index, PeerId, Term};
use crate::wire::{GroupSubjects, Subject};
use acks::Acks;
use apply::ApplyQueue;
use awaited::Awaited;
use backlog::{ProposalQueue, Uncommitted};
use catchup::{Catchup, CatchupRun, RunId};
use input::{InboundEntry, InboundResponse, InboundVote, InboundVoteRequest};
use membership::{MembershipChange, Peer};
use output::{Outbox, Subscriptions};
use pending::Pending;
use persist::Durability;
use snapshot::Snapshots;
use timers::{Timer, TimerTable};

/// One group's protocol state on one server. See the module for how to drive it.
pub struct Node {
    // Identity. Never changes.
    id: PeerId,
    group: GroupName,
    subjects: GroupSubjects,
    managed: bool,
    /// Minds the server's storage limits.
    track: bool,
    timing: Timing,
    created: Instant,

    /// The moment of the current input; moved by every input, never backwards.
    now: Instant,
    rng: Rng,

    // Role.
    role: Role,
    /// The role whose loop was entered (behaviour.md 5.2–5.4); `None` asks for a (re-)entry.
    entered: Option<Role>,
    /// The driver turns this node: routing was ready once and the replay guard is queued.
    started: bool,
    routing_ready: bool,
    /// The server may store nothing more, and this node minds it.
    out_of_resources: bool,
    /// Leader **and** the entry at `announce_at` was processed: what [`Node::is_leader`] says.
    complete_leader: bool,
    leader_since: Option<Instant>,
    /// The believed leader.
    leader: Option<PeerId>,
    /// A leader, self included, was ever known in this process.
    had_leader: bool,
    /// The application already acts as leader (server: `maybeLeader`).
    maybe_leader: bool,
    /// A leadership transfer to this node is pending (server: `lxfer`).
    transfer_pending: bool,
    observer: bool,
    domain_ext: u16,
    /// New, empty and not recovering: votes are not flagged as coming from an empty log.
    initializing: bool,
    /// A candidate asked for our vote whose log is shorter, and no leader was heard of since.
    holds_more: bool,
    /// Joined by a scale-up: an observer until `initializing` is reset.
    scale_up: bool,
    /// The index to be processed before leadership is announced; zero when there is none
    /// (server: `aflr`).
    announce_at: Index,
    /// The first entry of this leadership; once it is committed, so is everything before it.
    leads_from: Index,
    /// The term this leader's loop was entered with; proposals of another term are dropped.
    leading_term: Term,

    // Term and log.
    /// Current term. Never decreases; a raise clears `vote` in the same step.
    term: Term,
    /// Whom this node voted for in `term`. Set at most once in a term.
    vote: Option<PeerId>,
    log: Box<dyn Log>,
    log_kind: LogKind,
    /// Index of the last entry (server: `pindex`). Invariant: `commit <= last_index`.
    last_index: Index,
    /// Term of the last entry (server: `pterm`).
    last_term: Term,
    /// Highest index handed to the apply queue. Never decreases.
    commit: Index,
    /// Highest index the application has worked through. Invariant: `processed <= commit`.
    processed: Index,
    /// Highest index the application is done with. Invariant: `applied <= processed`.
    applied: Index,
    /// Index of the last installed snapshot; the log starts after it (server: `papplied`).
    /// Invariant: `snapshot_index <= commit`.
    snapshot_index: Index,
    snapshots: Snapshots,
    /// While paused: the highest commit learned from the leader.
    held_commit: Index,
    paused: bool,
    /// Entries are ignored because applying lags (behaviour.md 7.4 step 10).
    quorum_paused: bool,
    overrun_count: u64,
    /// Stored entries that are not committed yet.
    pending: Pending,
    /// The first fatal error. Once set, the node is closed.
    fatal: Option<FatalError>,
    durability: Durability,

    // Membership.
    /// The members, self included, appended but uncommitted changes included.
    peers: BTreeMap<PeerId, Peer>,
    cluster_size: u32,
    quorum: u32,
    removed: BTreeMap<PeerId, Instant>,
    observed: BTreeMap<PeerId, Instant>,
    membership_change: Option<MembershipChange>,
    /// When the cluster last grew (server: `lsut`).
    grown_at: Option<Instant>,
    lost_quorum_notified_at: Instant,
    offline: BTreeSet<PeerId>,
    online: BTreeSet<PeerId>,
    unknown_peers_online: bool,

    // Leader.
    acks: Acks,
    uncommitted: Uncommitted,
    /// When an entry was last stored as leader; heartbeats do not count (server: `active`).
    last_stored_at: Option<Instant>,
    /// The running catch-up of each follower that asked for one.
    progress: BTreeMap<PeerId, RunId>,
    runs: Vec<CatchupRun>,
    next_run: RunId,

    // Candidate.
    votes: BTreeSet<PeerId>,
    empty_votes: BTreeSet<PeerId>,
    /// Our own vote, to be counted once it is durable.
    self_vote: Option<(WriteSeq, Term)>,

    // Follower.
    catchup: Option<Catchup>,

    // Queues, as the server has them.
    entry_queue: VecDeque<InboundEntry>,
    vote_requests: VecDeque<InboundVoteRequest>,
    vote_responses: VecDeque<InboundVote>,
    responses: VecDeque<InboundResponse>,
    proposals: ProposalQueue,
    awaited: Awaited,
    apply: ApplyQueue,
    lead_change: Option<LeadChange>,

    // Surroundings.
    timers: TimerTable,
    subscriptions: Subscriptions,
    vote_inbox: Subject,
    response_inbox: Subject,
    outbox: Outbox,
    counters: Counters,
    /// A known bug that was put back.
    #[cfg(any(test, feature = "sim"))]
    bug: Option<Bug>,
    #[cfg(feature = "testing")]
    testing: mapped::TestState,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("group", &self.group)
            .field("role", &self.role)
            .field("term", &self.term)
            .field("commit", &self.commit)
            .field("last_index", &self.last_index)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// The moment from which time counts for the input now starting.
    fn advance_to(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// The server's id.
    #[must_use]
    pub const fn id(&self) -> PeerId {
        self.id
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> &GroupName {
        &self.group
    }

    /// Where its log is kept.
    #[must_use]
    pub const fn log_kind(&self) -> LogKind {
        self.log_kind
    }

    /// When this node was made.
    #[must_use]
    pub const fn created(&self) -> Instant {
        self.created
    }

    /// What it counted so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Replaces timers and intervals; those already armed keep their deadline.
    pub const fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// The earliest moment at which this node wants a turn although nothing arrived.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.role == Role::Closed {
            return None;
        }
        let relevant = |timer: Timer| timer.is_relevant(self.role) && self.started;
        self.timers.next(relevant)
    }

    /// Whether a turn would do something now.
    #[must_use]
    pub fn wants_turn(&self) -> bool {
        if self.role == Role::Closed {
            return false;
        }
        if !self.started {
            return self.routing_ready;
        }
        self.entered != Some(self.role)
            || (!self.entry_queue.is_empty() && !self.snapshots.follows_leader())
            || !self.vote_requests.is_empty()
            || !self.vote_responses.is_empty()
            || !self.responses.is_empty()
            || !self.proposals.is_empty()
            || self.runs.iter().any(CatchupRun::wants_turn)
    }

    /// One turn of the main loop (behaviour.md 5): pops the queues in their fixed order, fires
    /// what is due, and follows role changes until nothing is left to do.
    pub fn turn(&mut self, now: Instant) {
        self.advance_to(now);
        if !self.started && self.role != Role::Closed {
            if !self.routing_ready {
                return;
            }
            self.start();
        }
        // Two rounds see a role change through; what is left after that waits for the next turn,
        // so that one node cannot keep its shard.
        for _ in 0..2 {
            if self.role == Role::Closed {
                break;
            }
            self.enter_role();
            self.process_append_entries();
            self.process_vote_requests();
            self.process_vote_responses();
            self.process_responses();
            self.process_proposals();
            self.fire_timers();
            self.step_catchup_runs();
            if !self.wants_turn() {
                break;
            }
        }
        self.check_invariants();
    }

    /// The runner's first steps (behaviour.md 5.1): applies go on, and the application learns that
    /// the replay is over.
    fn start(&mut self) {
        self.started = true;
        self.resume_apply_now();
        self.apply.push_nil_guard();
        self.signal_apply();
    }

    /// Enters the loop of the current role if it was not entered yet (behaviour.md 5.2–5.4).
    fn enter_role(&mut self) {
        if self.entered == Some(self.role) {
            return;
        }
        if self.entered == Some(Role::Leader) {
            self.leave_leader_loop();
        }
        self.entered = Some(self.role);
        match self.role {
            Role::Candidate => self.enter_candidate_loop(),
            Role::Leader => self.enter_leader_loop(),
            Role::Follower | Role::Closed => {}
        }
    }

    fn fire_timers(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now, self.role) {
            match timer {
                Timer::Election => self.election_timeout(),
                Timer::Heartbeat => self.heartbeat_tick(),
                Timer::LostQuorum => self.lost_quorum_tick(),
                Timer::Catchup => self.catchup_tick(),
                Timer::Rescue => self.expire_rescue(),
            }
        }
    }

    /// Responses waiting for a leader; every other role drains them.
    fn process_responses(&mut self) {
        if self.role == Role::Leader {
            self.process_append_entry_responses();
        } else {
            self.responses.clear();
        }
    }

    fn process_proposals(&mut self) {
        if self.role == Role::Leader {
            self.send_proposals();
        } else {
            self.refuse_proposals();
        }
    }
}
