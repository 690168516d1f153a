//! What others may ask a node (behaviour.md 12).

use super::{Node, Role};
use crate::time::Instant;
use crate::types::{Index, PeerId, Term};

/// One consistent picture of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The role.
    pub role: Role,
    /// Leader whose first entry was processed.
    pub is_leader: bool,
    /// The believed leader.
    pub leader: Option<PeerId>,
    /// Since when `is_leader` holds.
    pub leader_since: Option<Instant>,
    /// A leader, self included, was ever known in this process.
    pub had_previous_leader: bool,
    /// Current term.
    pub term: Term,
    /// The vote of that term.
    pub vote: Option<PeerId>,
    /// Term of the last entry.
    pub last_term: Term,
    /// First index in the log.
    pub first_index: Index,
    /// Last index in the log.
    pub last_index: Index,
    /// Highest committed index.
    pub commit: Index,
    /// Highest processed index.
    pub processed: Index,
    /// Highest applied index.
    pub applied: Index,
    /// Highest index that is durable here.
    pub durable: Index,
    /// Entries since the last snapshot.
    pub entries: u64,
    /// Log size in bytes, as the server counts it.
    pub bytes: u64,
    /// Cluster size.
    pub cluster_size: u32,
    /// Votes and acknowledgements that make a quorum.
    pub quorum: u32,
    /// Never campaigns.
    pub observer: bool,
    /// Applies are held back.
    pub paused: bool,
    /// A catch-up is under way.
    pub catching_up: bool,
    /// Up to date with a live leader.
    pub current: bool,
    /// Enough members were heard from lately.
    pub quorum_live: bool,
    /// A membership change is appended and not committed.
    pub membership_change: bool,
    /// A rescue holds the quorum down.
    pub in_rescue: bool,
    /// The server may store nothing more, and this node minds it.
    pub out_of_resources: bool,
    /// Something was applied and no snapshot exists.
    pub need_snapshot: bool,
    /// The backlog is over its limit.
    pub overrun: bool,
    /// How often the backlog was over its limit.
    pub overrun_count: u64,
    /// Why the node failed, if it did.
    pub fatal: Option<String>,
    /// Bytes of proposals waiting and of entries that are not committed, seen from the leader.
    pub backlog_bytes: u64,
    /// Proposals waiting.
    pub proposals_len: usize,
    /// Append entries waiting.
    pub entries_len: usize,
    /// Responses waiting.
    pub responses_len: usize,
    /// Committed items waiting for the application.
    pub apply_len: usize,
}

/// One peer whose vote counts, as this node sees it: a member, or one whose removal is appended
/// and not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its id.
    pub id: PeerId,
    /// Up to date (seen from the leader), or the leader itself heard from lately.
    pub current: bool,
    /// When it was last heard from.
    pub last_heard: Option<Instant>,
    /// Entries it is known to lack, seen from the leader.
    pub lag: u64,
    /// In the membership as it stands; what the server's `Peers` lists.
    pub member: bool,
    /// No uncommitted change is about it.
    pub known: bool,
}

impl Node {
    /// Votes and acknowledgements that make a quorum (server: `QuorumNeeded`).
    #[must_use]
    pub const fn quorum_needed(&self) -> u32 {
        self.quorum
    }

    /// One consistent picture.
    #[must_use]
    pub fn status(&self, now: Instant) -> NodeStatus {
        let log = self.log.state();
        NodeStatus {
            role: self.role,
            is_leader: self.complete_leader,
            leader: self.leader,
            leader_since: self.leader_since,
            had_previous_leader: self.had_leader,
            term: self.term,
            vote: self.vote,
            last_term: self.last_term,
            first_index: log.first,
            last_index: self.last_index,
            commit: self.commit,
            processed: self.processed,
            applied: self.applied,
            durable: self.durability.durable_index(),
            entries: self.last_index.since(self.snapshot_index),
            bytes: log.bytes,
            cluster_size: self.cluster_size,
            quorum: self.quorum_needed(),
            observer: self.observer,
            paused: self.paused,
            catching_up: self.catchup.is_some(),
            current: self.is_current(now),
            quorum_live: self.quorum_is_live(),
            membership_change: self.membership_change.is_some(),
            in_rescue: self.in_rescue(),
            out_of_resources: self.out_of_resources,
            need_snapshot: self.need_snapshot(),
            overrun: self.quorum_paused || self.is_overrun(),
            overrun_count: self.overrun_count,
            fatal: self.fatal.as_ref().map(ToString::to_string),
            backlog_bytes: self.backlog_bytes(),
            proposals_len: self.proposals.len(),
            entries_len: self.entry_queue.len(),
            responses_len: self.responses.len(),
            apply_len: self.apply.len(),
        }
    }

    /// Up to date with a live leader, and everything committed is applied
    /// (behaviour.md 12.1; server: `Current`).
    #[must_use]
    pub fn is_current(&self, now: Instant) -> bool {
        match self.is_current_but_for_applies(now) {
            Some(current) => current,
            None => self.commit == self.applied,
        }
    }

    /// The part of [`Node::is_current`] that does not depend on applying; `None` when only that
    /// is left to look at. What [`Node::lag`] then says may be waited for.
    #[must_use]
    pub fn is_current_but_for_applies(&self, now: Instant) -> Option<bool> {
        if self.is_closed() || self.commit == Index::ZERO {
            return Some(false);
        }
        if self.role == Role::Leader {
            return Some(true);
        }
        if self.catchup.is_some() || (self.paused && self.held_commit > self.commit) {
            return Some(false);
        }
        if let Some(leader) = self.leader.filter(|leader| *leader != self.id) {
            let heard = self.peers.get(&leader).and_then(|peer| peer.last_heard);
            if heard.is_none_or(|at| now.since(at) > self.timing.heartbeat * 2) {
                return Some(false);
            }
        }
        None
    }

    /// Committed indexes that are not applied.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.commit.since(self.applied)
    }

    /// The members as this node sees them (behaviour.md 12.6), and the one whose removal is not
    /// committed; sorted by id.
    #[must_use]
    pub fn peers(&self, now: Instant) -> Vec<PeerStatus> {
        let leads = self.leader == Some(self.id);
        let recent = self.timing.heartbeat * 2;
        let members = self.peers.iter().map(|(id, peer)| {
            let heard_lately = peer.last_heard.is_some_and(|at| now.since(at) <= recent);
            let (current, lag) = if *id == self.id {
                (true, 0)
            } else if leads {
                let lag = self.commit.since(peer.last_index);
                (lag == 0, lag)
            } else {
                (self.leader == Some(*id) && heard_lately, 0)
            };
            PeerStatus {
                id: *id,
                current,
                last_heard: peer.last_heard,
                lag,
                member: true,
                known: self.membership_change.is_none_or(|c| c.peer != *id),
            }
        });
        let leaving = self.membership_change.and_then(|change| {
            let record = change.prev?;
            Some(PeerStatus {
                id: change.peer,
                current: false,
                last_heard: record.last_heard,
                lag: 0,
                member: false,
                known: false,
            })
        });
        let mut peers: Vec<_> = members.chain(leaving).collect();
        peers.sort_unstable_by_key(|peer| peer.id);
        peers
    }

    /// Current term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The believed leader.
    #[must_use]
    pub const fn leader(&self) -> Option<PeerId> {
        self.leader
    }

    /// Last index, highest committed index, highest applied index.
    #[must_use]
    pub const fn progress(&self) -> (Index, Index, Index) {
        (self.last_index, self.commit, self.applied)
    }

    /// The encoded append entry at `index`, for comparing logs.
    #[must_use]
    pub fn entry_at(&self, index: Index) -> Option<crate::wire::AppendEntry> {
        let frame = self.log.load(index).ok()?;
        crate::wire::AppendEntry::decode(frame).ok()
    }
}
