//! Roles and the primitives that change them (behaviour.md 5.6).

use super::{Bug, Fate, LeadChange, LogLevel, Node, signal};
use crate::types::{Index, PeerId, Term};

/// What a node is in its group. The numbers are the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower = 0,
    /// Won the election of its term.
    Leader = 1,
    /// Asks for votes.
    Candidate = 2,
    /// Stopped for good: no role change leaves it.
    Closed = 3,
}

impl Role {
    /// The server's name of the role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Follower => "FOLLOWER",
            Self::Leader => "LEADER",
            Self::Candidate => "CANDIDATE",
            Self::Closed => "CLOSED",
        }
    }
}

/// What a node shows to readers that take no lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The role.
    pub role: Role,
    /// Leader, and its first entry was processed.
    pub is_leader: bool,
    /// The believed leader.
    pub leader: Option<PeerId>,
    /// The current term.
    pub term: Term,
    /// The term proposals are taken for; zero when they are refused.
    pub accepting: Term,
    /// The backlog is over its limit.
    pub overrun: bool,
    /// Bytes of proposals that fit before something has to be committed.
    pub room: u64,
}

impl Node {
    /// What readers without the lock may see.
    #[must_use]
    pub fn published(&self) -> Published {
        let overrun = self.is_overrun();
        let room = self
            .backlog_bytes_max()
            .saturating_sub(self.backlog_bytes());
        let leads = self.role == Role::Leader && self.fatal.is_none();
        let accepting = leads && !overrun && room > 0;
        Published {
            role: self.role,
            is_leader: self.complete_leader,
            leader: self.leader,
            term: self.term,
            accepting: if accepting { self.term } else { Term::ZERO },
            overrun,
            room,
        }
    }

    /// The current role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Leader whose first entry was processed by the application.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        self.complete_leader
    }

    /// Whether the node was stopped.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.role, Role::Closed)
    }

    /// Changes the role, with what every change entails: a fresh election timeout, emptied queues
    /// on leaving leadership (server: `switchState`).
    pub(super) fn switch_state(&mut self, to: Role) {
        if self.role == Role::Closed {
            return;
        }
        let from = std::mem::replace(&mut self.role, to);
        self.reset_election_timeout();
        if from == Role::Leader && to != Role::Leader {
            self.update_lead_change(false);
            self.responses.clear();
            self.uncommitted.clear();
            self.refuse_proposals();
            self.leave_undecided();
        }
        if to == Role::Leader {
            self.pending.clear();
        }
        if from == Role::Leader {
            self.durability.end_alone();
        }
        if from != to {
            self.note(LogLevel::Debug, format!("{} -> {}", from.name(), to.name()));
        }
    }

    /// Becomes a follower of `leader` from any role (server: `switchToFollowerLocked`).
    pub(super) fn switch_to_follower(&mut self, leader: Option<PeerId>) {
        if self.role == Role::Closed {
            return;
        }
        self.announce_at = Index::ZERO;
        self.complete_leader = false;
        self.leader_since = None;
        self.transfer_pending = false;
        if !self.has_bug(Bug::CommitsOlderTerms) {
            self.acks.clear();
        }
        if self.has_bug(Bug::VotesTwice) {
            self.vote = None;
        }
        self.update_leader(leader);
        self.switch_state(Role::Follower);
    }

    /// Becomes leader of the current term and appends the membership as its first entry, the
    /// no-op that lets earlier terms commit (Raft paper 5.4.2, 8; server: `switchToLeader`).
    pub(super) fn switch_to_leader(&mut self) {
        if self.role == Role::Closed {
            return;
        }
        self.transfer_pending = false;
        self.update_leader(Some(self.id));
        self.switch_state(Role::Leader);
        self.note(LogLevel::Info, "won the election".to_owned());
        self.leads_from = self.last_index.next();
        self.send_peer_state();
        if self.role == Role::Leader {
            self.announce_at = self.last_index;
        }
    }

    /// Records the believed leader (server: `updateLeader`). Another leader than ourselves makes
    /// what we knew of our peers as leader worthless.
    pub(super) fn update_leader(&mut self, leader: Option<PeerId>) {
        let was_us = self.leader == Some(self.id);
        self.leader = leader;
        self.holds_more &= leader.is_none();
        if !self.had_leader && leader.is_some() {
            self.had_leader = true;
            if std::mem::take(&mut self.maybe_leader) && leader != Some(self.id) {
                self.update_lead_change(false);
            }
        }
        if leader != Some(self.id) && !was_us {
            for (id, peer) in &mut self.peers {
                peer.last_index = Index::ZERO;
                if Some(*id) != leader {
                    peer.last_heard = None;
                }
            }
        }
    }

    /// Puts a lead change into its slot; the newest wins (server: `updateLeadChange`).
    pub(super) fn update_lead_change(&mut self, is_leader: bool) {
        self.counters.leader_changes += 1;
        self.lead_change = Some(LeadChange {
            is_leader,
            term: self.term,
        });
        self.outbox.raise(signal::LEADER);
    }

    /// Takes the unread lead change, if there is one.
    pub const fn take_lead_change(&mut self) -> Option<LeadChange> {
        self.lead_change.take()
    }

    /// Closes the node for good: no step-down, no lead change (behaviour.md 14.1). The driver
    /// drains what is left and releases the node.
    pub fn stop(&mut self) {
        if self.role == Role::Closed {
            return;
        }
        self.role = Role::Closed;
        self.announce_at = Index::ZERO;
        self.complete_leader = false;
        self.leader_since = None;
        self.runs.clear();
        self.progress.clear();
        self.entry_queue.clear();
        self.vote_requests.clear();
        self.vote_responses.clear();
        self.responses.clear();
        self.uncommitted.clear();
        self.refuse_proposals();
        self.end_awaited(Fate::Closed);
        self.self_vote = None;
        self.snapshots.close();
        self.unsubscribe_all();
    }

    /// Raises the term. The vote of the old term goes with it, in the same step, and both are on
    /// their way to the disk before anything can speak of them.
    ///
    /// Differs from the server: so is a term learned in a catch-up or a replay; the server writes
    /// that later (SE-7).
    pub(super) fn raise_term(&mut self, term: Term) {
        assert!(term > self.term, "a term never goes back");
        self.term = term;
        self.vote = None;
        self.write_term_vote();
    }

    /// Gives the vote of the current term to `candidate`, unless somebody else has it: the vote of
    /// a term is set once (Raft paper 5.2). Only this and [`Node::raise_term`] set it, and both put
    /// it on its way to the disk.
    pub(super) fn cast_vote(&mut self, candidate: PeerId) -> bool {
        let cast = *self.vote.get_or_insert(candidate) == candidate;
        self.write_term_vote();
        cast
    }
}
