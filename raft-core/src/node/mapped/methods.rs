//! The methods, by theme: elections, replication, catch-up, membership.

use std::time::Duration;

use bytes::Bytes;

use super::{CallError, Mapped, decoded, fields, subject};
use crate::node::output::SubscriptionKind;
use crate::node::{Node, Origin, Role};
use crate::types::{Entry, Index, PeerId};
use crate::wire::{AppendEntry, AppendEntryResponse, PeerState, Subject, VoteRequest};

type Done = Result<(), CallError>;

/// Roles, votes, leadership.
impl Mapped<'_> {
    /// Server: `switchToCandidate`.
    pub fn switch_to_candidate(&mut self) {
        self.0.switch_to_candidate();
    }

    /// Server: `switchToLeader`.
    pub fn switch_to_leader(&mut self) {
        self.0.switch_to_leader();
    }

    /// Server: `switchToFollower`.
    pub fn switch_to_follower(&mut self, leader: Option<PeerId>) {
        self.0.switch_to_follower(leader);
    }

    /// Server: `switchToFollowerLocked`.
    pub fn switch_to_follower_locked(&mut self, leader: Option<PeerId>) {
        self.0.switch_to_follower(leader);
    }

    /// Server: `stepdown`.
    pub fn step_down_core(&mut self, leader: Option<PeerId>) {
        self.0.switch_to_follower(leader);
    }

    /// Server: `switchState`.
    pub fn switch_state(&mut self, to: Role) {
        self.past_the_rules().switch_state(to);
    }

    /// Server: `updateLeader`.
    pub fn update_leader(&mut self, leader: Option<PeerId>) {
        self.past_the_rules().update_leader(leader);
    }

    /// Server: `updateLeadChange`.
    pub fn update_lead_change(&mut self, is_leader: bool) {
        self.0.update_lead_change(is_leader);
    }

    /// Server: `requestVote`.
    pub fn request_vote(&mut self) {
        self.0.request_vote();
    }

    /// Server: `processVoteRequest`.
    ///
    /// # Errors
    /// Bytes that are no vote request.
    pub fn process_vote_request(&mut self, frame: &[u8], reply: &str) -> Done {
        let request = decoded(VoteRequest::decode(frame))?;
        self.0
            .process_vote_request(request, subject(reply).as_ref());
        Ok(())
    }

    /// Server: `handleVoteRequest`.
    pub fn handle_vote_request(&mut self, payload: Bytes, reply: &str) {
        self.receive(SubscriptionKind::Vote, payload, reply);
    }

    /// Server: `handleVoteResponse`.
    pub fn handle_vote_response(&mut self, payload: Bytes) {
        self.receive(SubscriptionKind::VoteInbox, payload, "");
    }

    /// Server: `wonElection`.
    #[must_use]
    pub fn won_election(&self, votes: usize) -> bool {
        self.0.won_election(votes)
    }

    /// Server: `lostQuorum`.
    #[must_use]
    pub fn lost_quorum(&self) -> bool {
        self.0.lost_quorum()
    }

    /// Server: `resetElect`, or `resetElectionTimeout` without a time.
    pub fn reset_elect(&mut self, after: Option<Duration>) {
        match after {
            Some(after) => self.0.arm_election(after),
            None => self.0.reset_election_timeout(),
        }
    }

    /// Server: `setObserver`.
    pub fn set_observer_core(&mut self, observer: bool, extension: u16) {
        self.0.set_observer_now(observer, extension);
    }

    /// Server: `writeTermVote`.
    pub fn write_term_vote(&mut self) {
        self.past_the_rules().write_term_vote();
    }

    /// Server: `setWriteErr`.
    pub fn set_write_err(&mut self, text: &str) {
        self.0.set_write_err(fields::fatal(text));
    }

    /// Server: `setWriteErrLocked`.
    pub fn set_write_err_locked(&mut self, text: &str) {
        self.0.set_write_err(fields::fatal(text));
    }

    /// Server: `isClosed`.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Append entries, their answers, commits.
impl Mapped<'_> {
    /// Server: `processAppendEntry`.
    ///
    /// # Errors
    /// Bytes that are no append entry.
    pub fn process_append_entry(&mut self, frame: Bytes, reply: &str, origin: Origin) -> Done {
        let ae = decoded(AppendEntry::decode(frame))?;
        self.0
            .process_append_entry(ae, subject(reply).as_ref(), origin);
        Ok(())
    }

    /// Server: `handleAppendEntry`.
    pub fn handle_append_entry(&mut self, payload: Bytes, reply: &str) {
        self.receive(SubscriptionKind::AppendEntry, payload, reply);
    }

    /// Server: `processAppendEntryResponse`.
    ///
    /// # Errors
    /// Bytes that are no answer to an append entry.
    pub fn process_append_entry_response(&mut self, frame: &[u8], reply: &str) -> Done {
        let response = decoded(AppendEntryResponse::decode(frame))?;
        self.0.process_response_named(response, subject(reply));
        Ok(())
    }

    /// Server: `handleAppendEntryResponse`.
    pub fn handle_append_entry_response(&mut self, payload: Bytes, reply: &str) {
        self.receive(SubscriptionKind::ResponseInbox, payload, reply);
    }

    /// Server: `handleForwardedProposal`.
    pub fn handle_forwarded_proposal(&mut self, payload: Bytes, reply: &str) {
        self.receive(SubscriptionKind::Proposal, payload, reply);
    }

    /// Server: `handleForwardedRemovePeerProposal`.
    pub fn handle_forwarded_remove_peer_proposal(&mut self, payload: Bytes, reply: &str) {
        self.receive(SubscriptionKind::Removal, payload, reply);
    }

    /// Server: `buildAppendEntry`.
    ///
    /// # Errors
    /// More than one append entry can hold.
    pub fn build_append_entry(&self, entries: &[Entry]) -> Result<Bytes, CallError> {
        let built = self.0.build_append_entry(entries);
        let built = built.map_err(|e| CallError::Failed(e.to_string()))?;
        Ok(built.into_frame())
    }

    /// Server: `sendAppendEntry`.
    ///
    /// # Errors
    /// [`CallError::NotLeader`], and what cannot be encoded or stored.
    pub fn send_append_entry(&mut self, entries: &[Entry]) -> Done {
        Ok(self.0.send_append_entry(entries)?)
    }

    /// Server: `sendAppendEntryLocked`.
    ///
    /// # Errors
    /// As [`Mapped::send_append_entry`].
    pub fn send_append_entry_locked(&mut self, entries: &[Entry]) -> Done {
        Ok(self.0.send_append_entry(entries)?)
    }

    /// Server: `sendHeartbeat`.
    pub fn send_heartbeat(&mut self) {
        self.0.send_heartbeat();
    }

    /// Server: `sendPeerState`.
    pub fn send_peer_state(&mut self) {
        self.0.send_peer_state();
    }

    /// Server: `trackResponse`.
    ///
    /// # Errors
    /// Bytes that are no answer to an append entry.
    pub fn track_response(&mut self, frame: &[u8]) -> Result<bool, CallError> {
        let response = decoded(AppendEntryResponse::decode(frame))?;
        Ok(self
            .0
            .track_response(response.peer, response.term, response.index))
    }

    /// Server: `tryCommit`.
    pub fn try_commit(&mut self, index: Index) -> bool {
        self.0.try_commit(index)
    }

    /// Server: `applyCommit`.
    ///
    /// # Errors
    /// The server's, by their texts.
    pub fn apply_commit(&mut self, index: Index) -> Done {
        Ok(self.0.apply_commit(index)?)
    }

    /// Server: `sendRPC`.
    pub fn send_rpc(&mut self, to: &str, reply: &str, payload: Bytes) {
        self.0.send_rpc(&Subject::new(to), subject(reply), payload);
    }

    /// Server: `sendReply`.
    pub fn send_reply(&mut self, to: &str, payload: Bytes) {
        self.0.send_reply(&Subject::new(to), payload);
    }

    /// Server: `resetInitializing`.
    pub fn reset_initializing(&mut self) {
        self.0.reset_initializing();
    }
}

/// Both ends of a catch-up.
impl Mapped<'_> {
    /// Server: `catchupFollower`.
    ///
    /// # Errors
    /// Bytes that are no answer to an append entry.
    pub fn catchup_follower(&mut self, frame: &[u8], inbox: &str) -> Done {
        let request = decoded(AppendEntryResponse::decode(frame))?;
        self.0.catchup_follower(request, Subject::new(inbox));
        Ok(())
    }

    /// Server: `createCatchup`. The inbox.
    ///
    /// # Errors
    /// Bytes that are no append entry.
    pub fn create_catchup(&mut self, frame: Bytes) -> Result<String, CallError> {
        let ae = decoded(AppendEntry::decode(frame))?;
        Ok(self.0.create_catchup(&ae).as_str().to_owned())
    }

    /// Server: `cancelCatchup`.
    pub fn cancel_catchup(&mut self) {
        self.0.cancel_catchup();
    }

    /// Server: `catchupStalled`.
    pub fn catchup_stalled(&mut self) -> bool {
        self.0.catchup_stalled()
    }

    /// Server: `sendCatchupSignal`.
    pub fn send_catchup_signal(&mut self) {
        self.0.send_catchup_signal();
    }

    /// Server: `cancelCatchupSignal`.
    pub fn cancel_catchup_signal(&mut self) {
        if let Some(catchup) = self.0.catchup.clone() {
            self.0.cancel_catchup_signal(&catchup);
        }
    }
}

/// Who belongs to the group, written past the log.
impl Mapped<'_> {
    /// Server: `trackPeer`.
    pub fn track_peer(&mut self, peer: PeerId) {
        self.0.track_peer(peer);
    }

    /// Server: `addPeer`.
    pub fn add_peer(&mut self, peer: PeerId) {
        self.past_the_rules().add_peer(peer);
    }

    /// Server: `removePeer`.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.past_the_rules().remove_peer(peer);
    }

    /// Server: `processPeerState`.
    ///
    /// # Errors
    /// Bytes that are no peer state.
    pub fn process_peer_state(&mut self, bytes: &[u8]) -> Done {
        let state = decoded(PeerState::decode(bytes))?;
        self.past_the_rules().process_peer_state(&state);
        Ok(())
    }

    /// Server: `writePeerState`.
    ///
    /// # Errors
    /// Bytes that are no peer state.
    pub fn write_peer_state(&mut self, bytes: &[u8]) -> Done {
        let state = decoded(PeerState::decode(bytes))?;
        self.past_the_rules().write_peer_state(state);
        Ok(())
    }

    /// Server: `currentPeerState`.
    #[must_use]
    pub fn current_peer_state(&self) -> PeerState {
        self.0.current_peer_state()
    }

    /// Server: `currentPeerStateLocked`.
    #[must_use]
    pub fn current_peer_state_locked(&self) -> PeerState {
        self.0.current_peer_state()
    }

    /// Server: `adjustClusterSizeAndQuorum`.
    pub fn adjust_cluster_size_and_quorum(&mut self) {
        self.past_the_rules().adjust_cluster_size_and_quorum();
    }

    /// Server: `recalcQuorum`.
    pub fn recalc_quorum(&mut self) {
        self.past_the_rules().recalc_quorum();
    }

    /// Server: `revertMembershipChange`.
    pub fn revert_membership_change(&mut self) {
        self.past_the_rules().revert_membership_change();
    }

    /// Server: `sendMembershipChange`. Whether it was appended.
    ///
    /// # Errors
    /// An entry that is not about an id.
    pub fn send_membership_change(&mut self, change: &Entry) -> Result<bool, CallError> {
        let peer = decoded(PeerId::from_text(&change.data))?;
        Ok(self
            .past_the_rules()
            .send_membership_change(change.kind, peer))
    }

    /// Server: `expireRescueLocked`.
    pub fn expire_rescue(&mut self) {
        self.past_the_rules().expire_rescue();
    }

    /// Server: `pendingSelfRemoval`.
    #[must_use]
    pub fn pending_self_removal(&self) -> bool {
        let Node {
            membership_change,
            id,
            ..
        } = &*self.0;
        membership_change
            .as_ref()
            .is_some_and(|change| change.peer == *id && change.prev.is_some())
    }
}

impl Mapped<'_> {
    /// A message as the transport hands it in: filtered, decoded, queued.
    fn receive(&mut self, kind: SubscriptionKind, payload: Bytes, reply: &str) {
        if let Some(sub) = self.0.subscriptions.of_kind(kind) {
            self.0
                .handle_message(sub, subject(reply), payload, self.0.now);
        }
    }

    /// Hands a message to whatever subscription the node has to a subject, as a transport does:
    /// it is queued. Whether there is one.
    pub fn inject(&mut self, to: &str, reply: &str, payload: Bytes) -> bool {
        let sub = self.0.subscription_to(to);
        if let Some(sub) = sub {
            self.0
                .handle_message(sub, subject(reply), payload, self.0.now);
        }
        sub.is_some()
    }
}
