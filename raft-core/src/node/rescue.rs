//! Getting a group back that has lost its quorum for good, outside the log and by an operator's
//! word (behaviour.md 11.5, 11.6).

use super::timers::Timer;
use super::{EvictError, LogLevel, Node, RescueError, Role};
use crate::quorum::natural_quorum;
use crate::time::Instant;
use crate::types::{Index, PeerId};

impl Node {
    /// Drops members of a managed group that cannot come back; which ones were dropped (server:
    /// `EvictPeers`). It is not in the log: every remaining member has to be told.
    ///
    /// # Errors
    /// [`EvictError`]; nothing happened then.
    pub fn evict_peers(&mut self, ids: &[PeerId], now: Instant) -> Result<Vec<PeerId>, EvictError> {
        self.advance_to(now);
        if self.is_closed() {
            return Err(EvictError::Closed);
        }
        if !self.managed {
            return Err(EvictError::NotManaged);
        }
        if self.leader.is_some() {
            return Err(EvictError::NotLeaderless);
        }
        let voters = self.voting_peer_names();
        let others = voters
            .iter()
            .filter(|id| **id != self.id && !ids.contains(id))
            .count();
        if others > voters.len() / 2 {
            return Err(EvictError::QuorumPossible);
        }
        let is_undone = |change: &super::membership::MembershipChange| {
            let removes_us = change.peer == self.id && change.prev.is_some();
            removes_us || ids.contains(&change.peer)
        };
        if self.membership_change.as_ref().is_some_and(is_undone) {
            self.revert_membership_change();
        }
        let mut evicted = Vec::new();
        for id in ids {
            if *id != self.id && self.peers.len() > 1 && self.peers.contains_key(id) {
                self.remove_peer(*id);
                evicted.push(*id);
            }
        }
        let text = format!("evicted {} of {} peers", evicted.len(), voters.len());
        self.note(LogLevel::Warn, text);
        Ok(evicted)
    }

    /// Lowers the quorum for a while, at the risk of the entries only the missing members hold;
    /// the quorum before and now (server: `RescueQuorum`). Not written down: a restart ends it.
    ///
    /// # Errors
    /// [`RescueError`]; nothing happened then.
    pub fn rescue_quorum(&mut self, quorum: u32, now: Instant) -> Result<(u32, u32), RescueError> {
        self.advance_to(now);
        if self.is_closed() {
            return Err(RescueError::Closed);
        }
        if quorum < 1 || quorum > self.quorum {
            return Err(RescueError::BadQuorum);
        }
        if self.leader.is_some() {
            return Err(RescueError::LeaderKnown);
        }
        if self.observer || !self.peers.contains_key(&self.id) {
            return Err(RescueError::NotVoting);
        }
        if self.last_index == Index::ZERO {
            return Err(RescueError::EmptyLog);
        }
        let before = std::mem::replace(&mut self.quorum, quorum);
        let until = self.now.after(self.timing.rescue_timeout);
        self.timers.arm(Timer::Rescue, until);
        self.arm_campaign();
        self.note(
            LogLevel::Warn,
            format!("lowered the quorum from {before} to {quorum}: entries may be lost"),
        );
        Ok((before, quorum))
    }

    /// Whether a rescue holds the quorum down.
    #[must_use]
    pub fn in_rescue(&self) -> bool {
        self.timers.is_armed(Timer::Rescue)
    }

    /// The rescue's time is up (server: `expireRescueLocked`).
    pub(super) fn expire_rescue(&mut self) {
        if self.role == Role::Closed {
            return;
        }
        self.end_rescue();
        self.quorum = natural_quorum(self.cluster_size);
        self.note(LogLevel::Info, "the quorum rescue expired".to_owned());
    }

    /// Lets a rescue that is due expire, without a turn.
    #[cfg(feature = "testing")]
    pub(crate) fn expire_rescue_if_due(&mut self, now: Instant) {
        self.advance_to(now);
        if self.timers.is_due(Timer::Rescue, self.now) {
            self.expire_rescue();
        }
    }

    /// The quorum is as high as the size of the cluster says, unless a rescue holds it lower
    /// (server: `recalcQuorum`).
    pub(super) fn recalc_quorum(&mut self) {
        let natural = natural_quorum(self.cluster_size);
        if self.in_rescue() {
            if natural > self.quorum {
                return;
            }
            self.end_rescue();
        }
        self.quorum = natural;
    }

    /// What was appended under the lowered quorum commits like everything else from now on.
    fn end_rescue(&mut self) {
        self.timers.disarm(Timer::Rescue);
        self.durability.end_alone();
    }
}
