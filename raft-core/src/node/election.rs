//! Elections: campaigning, voting, counting (behaviour.md 6; Raft paper 5.2, 5.4.1).

use bytes::Bytes;

use super::input::InboundVote;
use super::output::RestsOn;
use super::{Bug, LogLevel, Node, Role};
use crate::types::{Index, PeerId, Term};
use crate::wire::{Subject, VoteRequest, VoteResponse};

impl Node {
    /// The election timer fired (behaviour.md 5.2, 5.3).
    pub(super) fn election_timeout(&mut self) {
        if self.role == Role::Candidate {
            self.switch_to_candidate();
            // Refused or not, the round starts over (behaviour.md 6.2).
            self.entered = None;
            return;
        }
        if self.out_of_resources {
            self.reset_election_timeout();
        } else if self.observer {
            self.arm_election(self.timing.observer_interval);
        } else if self.catchup.is_some() {
            if self.catchup_stalled() {
                self.cancel_catchup();
            }
            self.reset_election_timeout();
        } else {
            self.switch_to_candidate();
        }
    }

    /// Starts a round in the next term, unless this node may not campaign
    /// (server: `switchToCandidate`).
    ///
    /// Differs from the server: a node whose own addition is not committed, as far as it knows, may
    /// campaign; only its removal keeps it from it, and that not once a candidate asked for its vote
    /// whose log is shorter: that one cannot win, and perhaps nobody can (Raft thesis 4.2.2). With
    /// all of them refused a group can be left whose longest logs belong to those who wait.
    pub(super) fn switch_to_candidate(&mut self) {
        if self.role == Role::Closed {
            return;
        }
        let is_behind = self.processed < self.commit || self.snapshots.follows_leader();
        if self.observer || self.paused || is_behind {
            self.arm_election(self.timing.election_min / 4);
            return;
        }
        let removes_us = self
            .membership_change
            .as_ref()
            .is_some_and(|c| c.peer == self.id && c.prev.is_some());
        let is_out = self.managed && !self.peers.contains_key(&self.id);
        let is_needed = removes_us && self.holds_more;
        if (removes_us || is_out) && !is_needed {
            self.update_leader(None);
            self.arm_election(self.timing.election_min);
            return;
        }
        if self.role == Role::Candidate {
            self.notify_lost_quorum();
        }
        let next = self.term.next();
        if next == self.term {
            // Somebody claimed the last term there is; no election can follow it.
            self.note(LogLevel::Error, "no term is left to campaign in".to_owned());
            self.arm_election(self.timing.election_min);
            return;
        }
        self.raise_term(next);
        self.quorum_paused = false;
        self.update_leader(None);
        self.switch_state(Role::Candidate);
        self.entered = None;
    }

    /// A candidate that cannot reach a quorum says so now and then.
    fn notify_lost_quorum(&mut self) {
        let since = self.now.since(self.lost_quorum_notified_at);
        if since > self.timing.lost_quorum_signal && self.lost_quorum() {
            self.update_lead_change(false);
            self.lost_quorum_notified_at = self.now;
        }
    }

    /// Entry into the candidate loop (behaviour.md 5.3).
    pub(super) fn enter_candidate_loop(&mut self) {
        self.vote_responses.clear();
        self.votes.clear();
        self.empty_votes.clear();
        self.request_vote();
    }

    /// Votes for itself and asks the others, both once the vote is durable
    /// (server: `requestVote`).
    ///
    /// Differs from the server: the own vote is counted only once it is durable. The server
    /// counts it even when it could not be written (SE-4).
    pub(super) fn request_vote(&mut self) {
        if self.role != Role::Candidate || self.fatal.is_some() {
            return;
        }
        if !self.cast_vote(self.id) {
            return;
        }
        let after = self.durability.term_vote();
        self.self_vote = Some((after, self.term));
        let request = VoteRequest {
            term: self.term,
            last_term: self.last_term,
            last_index: self.last_index,
            candidate: self.id,
        };
        let (subject, inbox) = (self.subjects.vote.clone(), self.vote_inbox.clone());
        let payload = Bytes::copy_from_slice(&request.encode());
        if self.has_bug(Bug::CampaignsBeforeSync) {
            self.send_rpc(&subject, Some(inbox), payload);
        } else {
            self.publish_after(RestsOn::TermVote, &subject, Some(inbox), payload);
        }
        self.count_self_vote();
    }

    /// Queues the own vote if it is durable and still of this term.
    pub(super) fn count_self_vote(&mut self) {
        let Some((after, term)) = self.self_vote else {
            return;
        };
        if after > self.durability.durable() && !self.has_bug(Bug::CampaignsBeforeSync) {
            return;
        }
        self.self_vote = None;
        if self.role == Role::Candidate && term == self.term {
            let message = VoteResponse {
                term,
                peer: self.id,
                granted: true,
                empty: false,
            };
            self.vote_responses.push_back(InboundVote { message });
        }
    }

    pub(super) fn process_vote_requests(&mut self) {
        while let Some(request) = self.vote_requests.pop_front() {
            self.process_vote_request(request.message, request.reply.as_ref());
        }
    }

    /// Grants a vote or refuses it (behaviour.md 6.4; Raft paper 5.4.1). The answer leaves once
    /// the vote is durable.
    pub(super) fn process_vote_request(&mut self, request: VoteRequest, reply: Option<&Subject>) {
        if self.role == Role::Closed {
            return;
        }
        let mut response = VoteResponse {
            term: self.term,
            peer: self.id,
            granted: false,
            empty: self.last_index == Index::ZERO,
        };
        // No election is held in the term before the first.
        if request.term < self.term || request.term == Term::ZERO {
            self.answer_vote(reply, response);
            return;
        }
        if request.term > self.term {
            if self.role != Role::Follower {
                self.switch_to_follower(None);
            }
            self.cancel_catchup();
            self.raise_term(request.term);
            self.update_leader(None);
        }
        let free = self.vote.is_none_or(|vote| vote == request.candidate);
        if free && self.initializing {
            response.empty = false;
        }
        let ours = (self.last_term, self.last_index);
        let is_far = (request.last_term, request.last_index) >= ours;
        self.holds_more |= !is_far;
        if free && (is_far || self.has_bug(Bug::VotesForShorterLogs)) {
            if self.fatal.is_none() && self.cast_vote(request.candidate) {
                self.reset_election_timeout();
                response.granted = true;
            }
        } else if self.vote.is_none() && self.role != Role::Candidate {
            // Our log is better: campaign soon.
            self.arm_campaign();
        }
        response.term = self.term;
        self.answer_vote(reply, response);
    }

    fn answer_vote(&mut self, reply: Option<&Subject>, response: VoteResponse) {
        let Some(reply) = reply else { return };
        let payload = Bytes::copy_from_slice(&response.encode());
        self.publish_after(RestsOn::TermVote, reply, None, payload);
    }

    pub(super) fn process_vote_responses(&mut self) {
        while let Some(InboundVote { message }) = self.vote_responses.pop_front() {
            match self.role {
                Role::Candidate => self.count_vote(message),
                Role::Leader if message.term > self.term => self.switch_to_follower(None),
                Role::Leader | Role::Follower | Role::Closed => {}
            }
        }
    }

    /// Counts one answer of the round (behaviour.md 6.5).
    fn count_vote(&mut self, vote: VoteResponse) {
        let is_of_term =
            vote.term == self.term || (vote.term < self.term && self.has_bug(Bug::CountsOldVotes));
        if vote.granted && is_of_term {
            self.track_peer(vote.peer);
            if !self.is_countable(vote.peer) {
                return;
            }
            let rescued = self.in_rescue() && self.last_index > Index::ZERO;
            if vote.empty && !rescued && !self.has_bug(Bug::CountsEmptyVotes) {
                self.empty_votes.insert(vote.peer);
            } else {
                self.votes.insert(vote.peer);
            }
            // What a leader sends waits for nothing, so its term has to be durable by now. Others
            // vote only for what they heard, after that; this is for whoever speaks unasked.
            if self.self_vote.is_none() && self.has_enough_votes() {
                self.switch_to_leader();
            }
        } else if vote.term > self.term {
            self.raise_term(vote.term);
            self.transfer_pending = false;
            self.switch_to_follower(None);
        }
    }

    /// Members count, and before all members are known anybody does.
    fn is_countable(&self, peer: PeerId) -> bool {
        self.peers.contains_key(&peer) || self.peers.len() < self.cluster_size as usize
    }

    /// Whether so many voters that hold data are a quorum (server: `wonElection`).
    pub(super) const fn won_election(&self, votes: usize) -> bool {
        votes >= self.quorum as usize
    }

    /// A quorum of voters that hold data, or everybody.
    ///
    /// Differs from the server: a voter that was evicted since it voted does not count.
    fn has_enough_votes(&self) -> bool {
        let counts = |id: &&PeerId| self.is_countable(**id);
        let holding = self.votes.iter().filter(counts).count();
        let all = self.votes.union(&self.empty_votes).filter(counts).count();
        self.won_election(holding) || all == self.cluster_size as usize
    }

    /// Fewer members than a quorum were heard from lately (behaviour.md 12.4).
    pub(super) fn lost_quorum(&self) -> bool {
        if !self.responses.is_empty() {
            return false;
        }
        let interval = self.timing.lost_quorum_interval;
        let just_grew = self
            .grown_at
            .is_some_and(|at| self.now.since(at) < interval);
        !just_grew && !self.quorum_is_live()
    }

    /// Enough members, ourselves included, were heard from lately (behaviour.md 12.3).
    #[must_use]
    pub fn quorum_is_live(&self) -> bool {
        let interval = self.timing.lost_quorum_interval;
        let live = self.peers.iter().filter(|(id, peer)| {
            **id == self.id
                || peer
                    .last_heard
                    .is_some_and(|at| self.now.since(at) <= interval)
        });
        live.count() >= self.quorum as usize
    }

    /// Adopts a higher term learned from a message and follows nobody until the leader is heard.
    pub(super) fn adopt_term(&mut self, term: Term, why: &str) {
        self.raise_term(term);
        self.switch_to_follower(None);
        self.note(LogLevel::Debug, format!("stepped down: {why}"));
    }
}
