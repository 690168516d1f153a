//! All timers of a node: one enum, one table, no objects.

use std::time::Duration;

use super::{Node, Role};
use crate::time::Instant;

/// What a node can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Campaign, or ask why not.
    Election = 0,
    /// A leader that was idle says so.
    Heartbeat = 1,
    /// A leader looks whether its quorum is still there.
    LostQuorum = 2,
    /// A catch-up run was not heard from.
    Catchup = 3,
    /// A quorum rescue is under way and ends then.
    Rescue = 4,
}

const ALL: [Timer; 5] = [
    Timer::Election,
    Timer::Heartbeat,
    Timer::LostQuorum,
    Timer::Catchup,
    Timer::Rescue,
];

impl Timer {
    /// Whether the timer does anything in this role. A leader ignores the election timer.
    pub(super) fn is_relevant(self, role: Role) -> bool {
        match self {
            Self::Election => matches!(role, Role::Follower | Role::Candidate),
            Self::Heartbeat | Self::LostQuorum => role == Role::Leader,
            Self::Catchup | Self::Rescue => role != Role::Closed,
        }
    }
}

/// The deadline of each timer, if it is armed.
#[derive(Clone, Debug, Default)]
pub(super) struct TimerTable([Option<Instant>; ALL.len()]);

impl TimerTable {
    fn slot(&mut self, timer: Timer) -> Option<&mut Option<Instant>> {
        self.0.get_mut(timer as usize)
    }

    pub(super) fn arm(&mut self, timer: Timer, at: Instant) {
        if let Some(slot) = self.slot(timer) {
            *slot = Some(at);
        }
    }

    pub(super) fn disarm(&mut self, timer: Timer) {
        if let Some(slot) = self.slot(timer) {
            *slot = None;
        }
    }

    pub(super) fn is_armed(&self, timer: Timer) -> bool {
        self.0.get(timer as usize).is_some_and(Option::is_some)
    }

    #[cfg(feature = "testing")]
    pub(super) fn is_due(&self, timer: Timer, now: Instant) -> bool {
        let at = self.0.get(timer as usize).copied().flatten();
        at.is_some_and(|at| at <= now)
    }

    /// The earliest deadline among the timers `relevant` names.
    pub(super) fn next(&self, relevant: impl Fn(Timer) -> bool) -> Option<Instant> {
        let armed = ALL
            .iter()
            .zip(&self.0)
            .filter(|(timer, _)| relevant(**timer));
        armed.filter_map(|(_, at)| *at).min()
    }

    /// Disarms and returns a timer that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant, role: Role) -> Option<Timer> {
        ALL.into_iter().find(|timer| {
            let Some(slot) = self.slot(*timer) else {
                return false;
            };
            let due = timer.is_relevant(role) && slot.is_some_and(|at| at <= now);
            if due {
                *slot = None;
            }
            due
        })
    }
}

impl Node {
    /// Arms the election timer with a random election timeout.
    pub(super) fn reset_election_timeout(&mut self) {
        let timing = self.timing;
        let wait = self
            .rng
            .duration_between(timing.election_min, timing.election_max);
        self.arm_election(wait);
    }

    /// Arms the election timer with a random campaign delay.
    pub(super) fn arm_campaign(&mut self) {
        let timing = self.timing;
        let wait = self
            .rng
            .duration_between(timing.campaign_min, timing.campaign_max);
        self.arm_election(wait);
    }

    /// Arms the election timer to fire after `wait`.
    pub(super) fn arm_election(&mut self, wait: Duration) {
        #[cfg(feature = "testing")]
        {
            self.testing.election_reset_at = Some(self.now);
        }
        self.timers.arm(Timer::Election, self.now.after(wait));
    }
}
