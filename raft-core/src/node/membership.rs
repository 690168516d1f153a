//! Who belongs to the group (behaviour.md 11).
//!
//! A change counts from the moment it is appended and is undone when it is cut off; at commit it
//! becomes official. How one is proposed is in [`reconfigure`](super::reconfigure).

use std::cmp::Ordering;

use super::{AdjustError, Bug, LogLevel, Node, Role, signal};
use crate::time::Instant;
use crate::types::{Entry, EntryType, Index, PeerId};
use crate::wire::PeerState;

/// What is known of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// When it was last heard from.
    pub(super) last_heard: Option<Instant>,
    /// The highest index it acknowledged to us.
    pub(super) last_index: Index,
}

/// The one membership change that is appended and not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MembershipChange {
    /// Its entry.
    pub(super) index: Index,
    /// Whom it is about.
    pub(super) peer: PeerId,
    /// The record of a removed member; none for an addition. That is what tells them apart.
    pub(super) prev: Option<Peer>,
    /// Whether the members are others by it. Who adds a member or removes a stranger changes
    /// nothing, and nothing is to be taken back.
    pub(super) is_effective: bool,
}

impl Node {
    /// The ids of the members, sorted.
    #[must_use]
    pub fn peer_names(&self) -> Vec<PeerId> {
        self.peers.keys().copied().collect()
    }

    /// The members, and the peer of a removal that is not committed.
    #[must_use]
    pub fn voting_peer_names(&self) -> Vec<PeerId> {
        let mut names = self.peer_names();
        if let Some(change) = self
            .membership_change
            .filter(|change| change.prev.is_some())
            && !names.contains(&change.peer)
        {
            names.push(change.peer);
            names.sort_unstable();
        }
        names
    }

    /// The membership as it stands, a pending change included.
    #[must_use]
    pub fn current_peer_state(&self) -> PeerState {
        PeerState {
            cluster_size: self.cluster_size,
            peers: self.peer_names(),
            domain_ext: self.domain_ext,
        }
    }

    /// The membership as it is official at `index`: without a pending change appended later
    /// (behaviour.md 10.2). What a snapshot at `index` holds.
    #[must_use]
    pub fn committed_peer_state(&self, index: Index) -> PeerState {
        let mut state = self.current_peer_state();
        let is_later = |change: &MembershipChange| change.index > index && change.is_effective;
        if let Some(change) = self.membership_change.filter(is_later) {
            match change.prev {
                Some(_) => state.peers.push(change.peer),
                None => state.peers.retain(|id| *id != change.peer),
            }
            state.peers.sort_unstable();
            state.cluster_size = u32::try_from(state.peers.len()).unwrap_or(u32::MAX);
        }
        state
    }

    /// Appends the membership as an entry: the first of a new leader (server: `sendPeerState`).
    pub(super) fn send_peer_state(&mut self) {
        let data = self.current_peer_state().encode();
        // A failure to store has closed the node and says why; nobody waits for this entry.
        let _closed = self.send_append_entry(&[Entry {
            kind: EntryType::PeerState,
            data,
        }]);
    }

    /// Adopts a membership (server: `processPeerState`).
    ///
    /// Differs from the server: a change that is appended and not committed is applied on top of
    /// an older membership instead of being forgotten until it commits (SE-44). And a size that
    /// would let one of several elect itself is not believed: nobody sets one below two.
    pub(super) fn process_peer_state(&mut self, state: &PeerState) {
        let mut state = state.clone();
        let members = u32::try_from(state.peers.len()).unwrap_or(u32::MAX);
        if state.cluster_size < members.min(2) {
            let size = std::mem::replace(&mut state.cluster_size, members);
            self.note(
                LogLevel::Warn,
                format!("a membership of {members} said its size was {size}: taken as {members}"),
            );
        }
        let before = std::mem::take(&mut self.peers);
        for id in &state.peers {
            self.peers
                .insert(*id, before.get(id).copied().unwrap_or_default());
            self.removed.remove(id);
        }
        for id in before.keys() {
            if !self.peers.contains_key(id) {
                self.removed.insert(*id, self.now);
            }
        }
        self.cluster_size = state.cluster_size;
        self.recalc_quorum();
        self.write_peer_state(state);
        if let Some(change) = self.membership_change
            && change.index > self.commit
        {
            let record = before.get(&change.peer).copied();
            self.apply_pending_change(change, record.unwrap_or_default());
        }
    }

    /// Lets a change that is not committed count, on top of what was committed before it. `record`
    /// is what is known of a member that joins.
    fn apply_pending_change(&mut self, change: MembershipChange, record: Peer) {
        if change.prev.is_some() {
            self.peers.remove(&change.peer);
        } else {
            self.peers.entry(change.peer).or_insert(record);
            self.removed.remove(&change.peer);
        }
        self.adjust_cluster_size_and_quorum();
    }

    /// The cluster is as large as the set of its members, and a leader whose group shrank says so
    /// at once.
    pub(super) fn adjust_cluster_size_and_quorum(&mut self) {
        if self.count_members().is_lt() && self.role == Role::Leader {
            self.send_heartbeat();
        }
    }

    /// Sets size and quorum by the set of members; how the new size compares with the old one.
    pub(super) fn count_members(&mut self) -> Ordering {
        let before = self.cluster_size;
        self.cluster_size = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        self.recalc_quorum();
        if self.cluster_size != before {
            // Which account the traffic belongs to may depend on the members (behaviour.md 14.3).
            self.outbox.raise(signal::ADVISORY);
        }
        if self.cluster_size > before {
            self.grown_at = Some(self.now);
        }
        self.cluster_size.cmp(&before)
    }

    /// Step 13 of an append entry: `peer` joins from now on.
    ///
    /// Differs from the server: the addition of a member, and the removal of somebody who is none,
    /// changes nothing when it is cut off either. The server drops the member, or takes the
    /// stranger in.
    pub(super) fn append_addition(&mut self, peer: PeerId) {
        self.membership_change = Some(MembershipChange {
            index: self.last_index,
            peer,
            prev: None,
            is_effective: !self.peers.contains_key(&peer),
        });
        if self.has_bug(Bug::ChangesAtCommit) {
            return;
        }
        self.peers.entry(peer).or_default();
        self.adjust_cluster_size_and_quorum();
    }

    /// Step 13 of an append entry: `peer` is out from now on.
    pub(super) fn append_removal(&mut self, peer: PeerId) {
        if self.has_bug(Bug::ChangesAtCommit) {
            return;
        }
        let record = self.peers.remove(&peer);
        self.membership_change = Some(MembershipChange {
            index: self.last_index,
            peer,
            prev: Some(record.unwrap_or_default()),
            is_effective: record.is_some(),
        });
        self.adjust_cluster_size_and_quorum();
    }

    /// An addition became official (server: `addPeer`).
    pub(super) fn add_peer(&mut self, peer: PeerId) {
        self.removed.remove(&peer);
        self.peers.entry(peer).or_default();
        self.adjust_cluster_size_and_quorum();
        self.write_peer_state(self.current_peer_state());
    }

    /// A removal became official (server: `removePeer`).
    pub(super) fn remove_peer(&mut self, peer: PeerId) {
        self.removed.insert(peer, self.now);
        self.peers.remove(&peer);
        self.adjust_cluster_size_and_quorum();
        self.write_peer_state(self.current_peer_state());
    }

    /// The pending change was cut off: it never was (server: `revertMembershipChange`).
    pub(super) fn revert_membership_change(&mut self) {
        let Some(change) = self.membership_change.take() else {
            return;
        };
        if !change.is_effective {
            return;
        }
        match change.prev {
            Some(record) => {
                self.peers.insert(change.peer, record);
                self.removed.remove(&change.peer);
            }
            None => {
                self.peers.remove(&change.peer);
            }
        }
        self.adjust_cluster_size_and_quorum();
        self.write_peer_state(self.current_peer_state());
    }

    /// The change at `index` is committed, and no longer pending.
    ///
    /// Differs from the server: committing an older change leaves a newer one pending (SE-2), and
    /// in effect: who was removed and is joining again stays a member.
    pub(super) fn end_membership_change(&mut self, index: Index) {
        match self.membership_change {
            Some(change) if change.index > index => {
                self.apply_pending_change(change, Peer::default());
            }
            _ => self.membership_change = None,
        }
    }

    /// Something was heard from `peer` (behaviour.md 11.3).
    pub(super) fn track_peer(&mut self, peer: PeerId) {
        if self.role == Role::Leader {
            self.propose_stranger(peer);
        }
        if let Some(record) = self.peers.get_mut(&peer) {
            record.last_heard = Some(self.now);
            self.observed.remove(&peer);
        } else if self.managed && !self.is_removed(peer) {
            self.observed.insert(peer, self.now);
        }
    }

    /// Removed not long ago.
    pub(super) fn is_removed(&self, peer: PeerId) -> bool {
        let window = self.timing.peer_remove_timeout;
        self.removed
            .get(&peer)
            .is_some_and(|at| self.now.since(*at) < window)
    }

    /// When `peer` was last heard from, members and others alike.
    #[must_use]
    pub fn last_heard(&self, peer: PeerId) -> Option<Instant> {
        match self.peers.get(&peer) {
            Some(record) => record.last_heard,
            None => self.observed.get(&peer).copied(),
        }
    }

    /// Sets the size of a running cluster and announces it (server: `AdjustClusterSize`).
    ///
    /// # Errors
    /// [`AdjustError::NotLeader`].
    pub fn adjust_cluster_size(&mut self, size: u32, now: Instant) -> Result<(), AdjustError> {
        self.advance_to(now);
        if self.role != Role::Leader {
            return Err(AdjustError::NotLeader);
        }
        self.cluster_size = size.max(2);
        self.recalc_quorum();
        self.send_peer_state();
        Ok(())
    }

    /// Sets the size of a cluster that never had a leader (server: `AdjustBootClusterSize`).
    ///
    /// # Errors
    /// [`AdjustError::Established`] once a leader was known.
    pub fn adjust_boot_cluster_size(&mut self, size: u32) -> Result<(), AdjustError> {
        if self.leader.is_some() || self.had_leader {
            return Err(AdjustError::Established);
        }
        self.cluster_size = size.max(2);
        self.recalc_quorum();
        Ok(())
    }

    /// Whether a peer's server can take over: told online, or unknown where that counts as such.
    pub(super) fn is_online(&self, peer: PeerId) -> bool {
        if self.unknown_peers_online {
            !self.offline.contains(&peer)
        } else {
            self.online.contains(&peer)
        }
    }
}
