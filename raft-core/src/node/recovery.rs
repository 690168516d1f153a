//! A node from what its folder holds: term and vote, peers, and the replay of its log
//! (behaviour.md 3.5–3.7).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::input::Origin;
use super::output::{Outbox, SubscriptionKind, Subscriptions};
use super::pending::Pending;
use super::persist::Durability;
use super::snapshot::Snapshots;
use super::{
    Acks, ApplyQueue, Awaited, Counters, FatalError, Node, ProposalQueue, Role, RunId, TimerTable,
    Uncommitted,
};
use crate::config::Timing;
use crate::rng::Rng;
use crate::storage::{GroupSnapshots, Log, WriteSeq};
use crate::time::Instant;
use crate::types::{GroupName, Index, PeerId, Term};
use crate::wire::{
    AppendEntry, GroupSubjects, PeerState, Subject, TermVote, catchup_inbox, reply_inbox,
};

/// Replayed entry data beyond this is held back until the main loop runs.
const REPLAY_HELD_BACK_BYTES: u64 = 32 * 1024 * 1024;

/// What a node is made from.
pub struct NodeSetup {
    /// The server.
    pub id: PeerId,
    /// The group.
    pub group: GroupName,
    /// Timers and intervals.
    pub timing: Timing,
    /// Membership is decided by an outside reconciler.
    pub managed: bool,
    /// Start as an observer.
    pub observer: bool,
    /// The group existed before.
    pub recovering: bool,
    /// The peer set is being extended.
    pub scale_up: bool,
    /// Check storage limits.
    pub track: bool,
    /// Seeds election jitter and inbox names.
    pub seed: u64,
    /// Whether a peer nobody spoke of counts as online: true on loopback.
    pub unknown_peers_online: bool,
    /// The recovered log.
    pub log: Box<dyn Log>,
    /// The recovered term and vote.
    pub term_vote: TermVote,
    /// The recovered membership.
    pub peer_state: PeerState,
    /// The recovered snapshots.
    pub snapshots: GroupSnapshots,
    /// The last write the recovered files know of.
    pub last_seq: WriteSeq,
}

impl std::fmt::Debug for NodeSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeSetup")
            .field("id", &self.id)
            .field("group", &self.group)
            .field("log", &self.log.state())
            .field("term_vote", &self.term_vote)
            .field("peer_state", &self.peer_state)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Builds a node from its recovered state and replays its log. Its subscriptions are its
    /// first outputs; messages are queued from then on and processed once it is turned.
    ///
    /// # Errors
    /// [`FatalError`] when the log cannot be read back. Nothing was changed on disk.
    pub fn recover(setup: NodeSetup, now: Instant) -> Result<Self, FatalError> {
        let subjects = GroupSubjects::of(&setup.group);
        let mut rng = Rng::new(setup.seed);
        let vote_inbox = reply_inbox(rng.next_u64());
        let response_inbox = reply_inbox(rng.next_u64());
        let log_kind = setup.log.kind();
        let log_last = setup.log.state().last;
        let term_vote = match setup.term_vote.term {
            Term::ZERO => TermVote {
                term: Term::ZERO,
                vote: None,
            },
            _ => setup.term_vote,
        };
        let mut node = Self {
            id: setup.id,
            group: setup.group,
            subjects,
            managed: setup.managed,
            track: setup.track,
            timing: setup.timing,
            created: now,
            now,
            rng,
            role: Role::Follower,
            entered: None,
            started: false,
            routing_ready: false,
            out_of_resources: false,
            complete_leader: false,
            leader_since: None,
            leader: None,
            had_leader: false,
            maybe_leader: false,
            transfer_pending: false,
            observer: setup.observer,
            domain_ext: setup.peer_state.domain_ext,
            initializing: false,
            holds_more: false,
            scale_up: false,
            announce_at: Index::ZERO,
            leads_from: Index::ZERO,
            leading_term: Term::ZERO,
            term: term_vote.term,
            vote: term_vote.vote,
            log: setup.log,
            log_kind,
            last_index: Index::ZERO,
            last_term: Term::ZERO,
            commit: Index::ZERO,
            processed: Index::ZERO,
            applied: Index::ZERO,
            snapshot_index: Index::ZERO,
            snapshots: Snapshots::new(&setup.snapshots),
            held_commit: Index::ZERO,
            paused: false,
            quorum_paused: false,
            overrun_count: 0,
            pending: Pending::default(),
            fatal: None,
            durability: Durability::recovered(setup.last_seq, term_vote, log_last),
            peers: BTreeMap::new(),
            cluster_size: 0,
            quorum: 0,
            removed: BTreeMap::new(),
            observed: BTreeMap::new(),
            membership_change: None,
            grown_at: None,
            lost_quorum_notified_at: now,
            offline: BTreeSet::new(),
            online: BTreeSet::new(),
            unknown_peers_online: setup.unknown_peers_online,
            acks: Acks::default(),
            uncommitted: Uncommitted::default(),
            last_stored_at: None,
            progress: BTreeMap::new(),
            runs: Vec::new(),
            next_run: RunId::default(),
            votes: BTreeSet::new(),
            empty_votes: BTreeSet::new(),
            self_vote: None,
            catchup: None,
            entry_queue: VecDeque::new(),
            vote_requests: VecDeque::new(),
            vote_responses: VecDeque::new(),
            responses: VecDeque::new(),
            proposals: ProposalQueue::default(),
            awaited: Awaited::default(),
            apply: ApplyQueue::default(),
            lead_change: None,
            timers: TimerTable::default(),
            subscriptions: Subscriptions::default(),
            vote_inbox,
            response_inbox,
            outbox: Outbox::default(),
            counters: Counters::default(),
            #[cfg(any(test, feature = "sim"))]
            bug: None,
            #[cfg(feature = "testing")]
            testing: super::mapped::TestState::new(now),
        };
        node.create_subscriptions();
        node.process_peer_state(&setup.peer_state);
        node.setup_last_snapshot(setup.snapshots.found)?;
        node.replay()?;
        node.reset_election_timeout();
        if !setup.recovering && node.last_index == Index::ZERO {
            node.initializing = true;
            if setup.scale_up && !setup.observer {
                node.scale_up = true;
                node.set_observer_now(true, 0);
            }
        }
        Ok(node)
    }

    /// The four permanent subscriptions, in the server's order (behaviour.md 14.2).
    pub(super) fn create_subscriptions(&mut self) {
        self.subscribe(SubscriptionKind::VoteInbox, self.vote_inbox.clone());
        self.subscribe(SubscriptionKind::Vote, self.subjects.vote.clone());
        self.subscribe(SubscriptionKind::ResponseInbox, self.response_inbox.clone());
        self.subscribe(
            SubscriptionKind::AppendEntry,
            self.subjects.append_entry.clone(),
        );
    }

    /// A new private inbox for a catch-up.
    pub(super) fn new_catchup_inbox(&mut self) -> Subject {
        catchup_inbox(self.rng.next_u64())
    }

    /// Runs the log through the append-entry procedure without a source (behaviour.md 3.7).
    ///
    /// Differs from the server: an entry that is missing, damaged, or does not continue the one
    /// before it stops the start. The server cuts the log there and goes on, acknowledged entries
    /// behind it lost. A write that was interrupted leaves none: storage has cut it off.
    fn replay(&mut self) -> Result<(), FatalError> {
        let state = self.log.state();
        if state.messages == 0 {
            return Ok(());
        }
        let mut replayed = 0_u64;
        let mut index = state.first;
        while index <= state.last {
            let entry = self.replayed_entry(index)?;
            replayed += entry.frame().len() as u64;
            self.process_append_entry(entry, None, Origin::Replay);
            if replayed > REPLAY_HELD_BACK_BYTES && !self.paused {
                self.pause_apply_now();
            }
            if let Some(error) = self.fatal.clone() {
                return Err(error);
            }
            index = index.next();
        }
        Ok(())
    }

    /// The entry to replay at `index`, checked to continue what was replayed.
    fn replayed_entry(&mut self, index: Index) -> Result<AppendEntry, FatalError> {
        let unreadable = |why: String| FatalError::Unreadable { index, why };
        let frame = match self.log.load(index) {
            Ok(frame) => frame,
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let entry = AppendEntry::decode(frame).map_err(|error| unreadable(error.to_string()))?;
        if entry.is_heartbeat() {
            return Err(unreadable("it holds no record".to_owned()));
        }
        if entry.head.prev_index != index.prev() || entry.head.prev_index != self.last_index {
            return Err(unreadable(format!(
                "it follows entry {}, but the log so far ends at {}",
                entry.head.prev_index, self.last_index
            )));
        }
        // The first entry's previous term stands for what was before the log; it need not be the
        // term of a snapshot. Later ones have to continue the entry before them.
        if index == self.log.state().first {
            self.last_term = entry.head.prev_term;
        } else if entry.head.prev_term != self.last_term {
            return Err(unreadable(format!(
                "it follows term {}, but the entry before it is of term {}",
                entry.head.prev_term, self.last_term
            )));
        }
        Ok(entry)
    }
}
