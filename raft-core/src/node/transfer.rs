//! Giving leadership up, handing it over, asking for it (behaviour.md 6.7, 7.5).

use std::time::Duration;

use super::{CampaignError, LogLevel, Node, Role, StepDownError};
use crate::time::Instant;
use crate::types::{Entry, EntryType, PeerId};

/// Delay before a chosen successor campaigns.
const TRANSFER_DELAY: Duration = Duration::from_millis(10);

impl Node {
    /// Steps down, handing leadership to `preferred` if it is healthy, otherwise to another
    /// healthy peer, if there is one. Stepped down when it returns (server: `StepDown`).
    ///
    /// # Errors
    /// [`StepDownError`]; nothing happened then.
    pub fn step_down(&mut self, preferred: &[PeerId], now: Instant) -> Result<(), StepDownError> {
        self.advance_to(now);
        if self.role != Role::Leader {
            return Err(StepDownError::NotLeader);
        }
        if preferred.len() > 1 {
            return Err(StepDownError::TooManyPreferred);
        }
        self.hand_over(preferred.first().copied());
        Ok(())
    }

    fn hand_over(&mut self, preferred: Option<PeerId>) {
        if let Some(successor) = self.choose_successor(preferred) {
            self.note(LogLevel::Info, format!("hands leadership to {successor}"));
            let entry = Entry::about(EntryType::LeaderTransfer, successor);
            if let Err(error) = self.send_append_entry(&[entry]) {
                self.note(
                    LogLevel::Warn,
                    format!("could not name a successor: {error}"),
                );
            }
        }
        self.switch_to_follower(None);
    }

    /// After committing our own removal. The others learn of that commit from the entry that
    /// names a successor, or else from a heartbeat.
    ///
    /// Differs from the server: it does so wherever the commit came from; there a leader under a
    /// quorum of one goes on leading (SE-19).
    pub(super) fn hand_over_and_stop(&mut self) {
        if self.choose_successor(None).is_none() {
            self.send_heartbeat();
        }
        self.hand_over(None);
        self.stop();
    }

    /// The preferred peer if it is healthy; else the healthy peer with the highest replicated
    /// index, the lowest id among equals. The server picks any (design: choices).
    fn choose_successor(&self, preferred: Option<PeerId>) -> Option<PeerId> {
        let recent = self.timing.heartbeat * 3;
        let healthy = |id: &PeerId| {
            let heard = self.peers.get(id).and_then(|peer| peer.last_heard);
            *id != self.id
                && self.is_online(*id)
                && heard.is_some_and(|at| self.now.since(at) < recent)
        };
        preferred.filter(healthy).or_else(|| {
            let candidates = self.peers.iter().filter(|(id, _)| healthy(id));
            let best =
                candidates.min_by_key(|(id, peer)| (std::cmp::Reverse(peer.last_index), **id));
            best.map(|(id, _)| *id)
        })
    }

    /// A leader named us its successor (behaviour.md 6.7, receiver).
    pub(super) fn receive_transfer(&mut self) {
        if self.paused {
            self.transfer_pending = true;
        } else if !self.observer {
            self.transfer_pending = true;
            self.arm_transfer();
        }
    }

    pub(super) fn arm_transfer(&mut self) {
        self.arm_election(TRANSFER_DELAY);
    }

    /// Campaigns soon; `immediately` after half the shortest delay, for a node that already acts
    /// as leader (server: `Campaign`, `CampaignImmediately`).
    ///
    /// # Errors
    /// [`CampaignError`]; nothing happened then.
    pub fn campaign(&mut self, immediately: bool, now: Instant) -> Result<(), CampaignError> {
        self.advance_to(now);
        if self.is_closed() {
            return Err(CampaignError::Closed);
        }
        if immediately {
            self.maybe_leader = true;
            self.reset_initializing();
        }
        if self.role == Role::Leader {
            return Err(CampaignError::AlreadyLeader);
        }
        if immediately {
            self.arm_election(self.timing.campaign_min / 2);
        } else {
            self.arm_campaign();
        }
        Ok(())
    }

    /// Enters or leaves observer mode; does not step down. The domain extension becomes
    /// undetermined, as in the server (SE-26).
    pub fn set_observer(&mut self, observer: bool, now: Instant) {
        self.advance_to(now);
        self.set_observer_now(observer, 0);
    }

    pub(super) fn set_observer_now(&mut self, observer: bool, domain_ext: u16) {
        let was = std::mem::replace(&mut self.observer, observer);
        self.domain_ext = domain_ext;
        if was && !observer {
            self.reset_election_timeout();
        }
    }
}
