//! Proposing changes of the membership, one at a time (behaviour.md 11.2, 5.5; Raft thesis 4.1).
//!
//! A change is judged by the membership it leads to, from the moment its entry is appended. One
//! change moves one member, so any majority before it and any majority after it share a member –
//! as long as the next change waits for the commit of this one.

use bytes::Bytes;

use super::membership::MembershipChange;
use super::{Bug, LogLevel, MembershipError, Node, Proposal, Role};
use crate::types::{Entry, EntryType, PeerId};
use crate::wire::{DecodeError, Subject, removal_payload, removal_target};

impl Node {
    /// Queues the addition of `peer` (server: `ProposeAddPeer`). Queued is not appended: what
    /// makes the change impossible may still come before it.
    ///
    /// # Errors
    /// [`MembershipError`], but for [`MembershipError::PeerNotFound`] and
    /// [`MembershipError::LastPeer`].
    pub fn propose_add_peer(&mut self, peer: PeerId) -> Result<(), MembershipError> {
        self.check_free()?;
        self.check_ready()?;
        self.queue_change(EntryType::AddPeer, peer, None);
        Ok(())
    }

    /// Queues the removal of `peer`; when not leading, sends it to the leader and forgets it
    /// (server: `ProposeRemovePeer`).
    ///
    /// # Errors
    /// [`MembershipError`]. Only a leader knows why a removal cannot be; elsewhere there is but
    /// [`MembershipError::Failed`] and [`MembershipError::Closed`].
    pub fn propose_remove_peer(&mut self, peer: PeerId) -> Result<(), MembershipError> {
        if self.role == Role::Leader {
            self.check_removal(peer)?;
            self.queue_change(EntryType::RemovePeer, peer, None);
            return Ok(());
        }
        self.check_alive()?;
        let subject = self.subjects.removal.clone();
        let payload = Bytes::copy_from_slice(&removal_payload(peer));
        self.send_reply(&subject, payload);
        Ok(())
    }

    /// A removal another member forwarded: a complete leader takes what it would take from its
    /// own application.
    pub(super) fn handle_forwarded_remove_peer_proposal(
        &mut self,
        reply: Option<Subject>,
        payload: &[u8],
    ) -> Result<(), DecodeError> {
        let peer = removal_target(payload)?;
        if !self.complete_leader {
            self.counters.refused.not_leader += 1;
            return Ok(());
        }
        match self.check_removal(peer) {
            Ok(()) => self.queue_change(EntryType::RemovePeer, peer, reply),
            Err(why) => self.counters.refused.count_change(&why),
        }
        Ok(())
    }

    /// Proposes a peer that was heard from and is not a member, where nobody else decides about
    /// the membership (behaviour.md 11.3).
    ///
    /// Differs from the server: the end of a catch-up follows the same rule. The server then adds
    /// the peer to a managed group too, and one that was just removed (SE-11).
    pub(super) fn propose_stranger(&mut self, peer: PeerId) {
        let is_stranger = !self.peers.contains_key(&peer) && !self.is_removed(peer);
        if is_stranger && !self.managed {
            // Refused now, it is proposed when it is next heard from.
            let _refused = self.propose_add_peer(peer);
        }
    }

    fn check_alive(&self) -> Result<(), MembershipError> {
        match &self.fatal {
            Some(error) => Err(MembershipError::Failed(error.clone())),
            None if self.is_closed() => Err(MembershipError::Closed),
            None => Ok(()),
        }
    }

    /// Whether this node leads and no other change is under way.
    ///
    /// Differs from the server: a change is refused while another one is queued; the server takes
    /// it and drops it later, in silence.
    fn check_free(&self) -> Result<(), MembershipError> {
        self.check_alive()?;
        if self.role != Role::Leader {
            return Err(MembershipError::NotLeader);
        }
        let is_change = |proposal: &Proposal| proposal.entry.kind.changes_membership();
        let is_pending = self.membership_change.is_some() || self.proposals.iter().any(is_change);
        if is_pending && !self.has_bug(Bug::ChangesTwiceAtOnce) {
            return Err(MembershipError::ChangeInProgress);
        }
        Ok(())
    }

    /// Whether this leader knows every change that was committed before it.
    ///
    /// Differs from the server: a leader changes the membership only once an entry of its own
    /// term is committed. Before that it may lack a committed change, and two changes by leaders
    /// that do not know of each other lead to majorities without a common member (the bug in
    /// single-server changes that was found after the thesis).
    fn check_ready(&self) -> Result<(), MembershipError> {
        if self.commit < self.leads_from && !self.has_bug(Bug::ChangesBeforeCommit) {
            return Err(MembershipError::NotReady);
        }
        Ok(())
    }

    fn check_removal(&self, peer: PeerId) -> Result<(), MembershipError> {
        self.check_free()?;
        if !self.peers.contains_key(&peer) {
            return Err(MembershipError::PeerNotFound);
        }
        if self.peers.len() <= 1 {
            return Err(MembershipError::LastPeer);
        }
        self.check_ready()
    }

    fn queue_change(&mut self, kind: EntryType, peer: PeerId, reply: Option<Subject>) {
        self.proposals.push(Proposal {
            reply,
            ..Proposal::new(self.term, Entry::about(kind, peer))
        });
    }

    /// Appends a change and lets it take effect (server: `sendMembershipChange`). False when it
    /// was dropped: another one is pending, or there is nothing to change.
    ///
    /// A leader of a quorum of one commits an addition by itself: its own copy is in every
    /// majority of the two.
    ///
    /// Differs from the server: a removal takes effect before its entry is sent, so that a lone
    /// leader does not count itself for its own removal.
    pub(super) fn send_membership_change(&mut self, kind: EntryType, peer: PeerId) -> bool {
        let is_member = self.peers.contains_key(&peer);
        let makes_sense = match kind {
            EntryType::AddPeer => !is_member,
            EntryType::RemovePeer => is_member && self.peers.len() > 1,
            _ => false,
        };
        let is_free = self.membership_change.is_none() || self.has_bug(Bug::ChangesTwiceAtOnce);
        if !makes_sense || self.role != Role::Leader || !is_free {
            return false;
        }
        // Set before it is sent: the send itself may commit it.
        self.membership_change = Some(MembershipChange {
            index: self.last_index.next(),
            peer,
            prev: None,
            is_effective: true,
        });
        let at_commit = self.has_bug(Bug::ChangesAtCommit);
        if kind == EntryType::RemovePeer && !at_commit {
            let prev = self.peers.remove(&peer);
            if let Some(change) = &mut self.membership_change {
                change.prev = prev;
            }
            self.count_members();
        }
        if let Err(error) = self.send_append_entry(&[Entry::about(kind, peer)]) {
            self.note(
                LogLevel::Warn,
                format!("dropped a membership change: {error}"),
            );
            self.revert_membership_change();
            return false;
        }
        if self.role != Role::Leader {
            // It removed ourselves, and is committed already.
            return true;
        }
        if kind == EntryType::AddPeer && !at_commit {
            self.peers.entry(peer).or_default();
            self.adjust_cluster_size_and_quorum();
        } else {
            self.send_heartbeat();
        }
        true
    }
}
