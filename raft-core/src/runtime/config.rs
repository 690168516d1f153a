//! What a runtime is made of, and why one or its nodes could not be started.

use std::time::Duration;

use super::clock::ClockKind;
use crate::config::{ConfigError, SyncPolicy, Timing};
use crate::node::FatalError;
use crate::storage::StorageError;

/// How many shards a runtime may have.
pub const SHARDS_MAX: usize = 64;

/// The settings of a [`Runtime`](super::Runtime), checked when it is opened.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Threads that nodes run on. All members of a group that live in this runtime share one, so
    /// that they talk without waking each other.
    pub shards: usize,
    /// Timers and intervals of all nodes.
    pub timing: Timing,
    /// Who moves time.
    pub clock: ClockKind,
    /// When logs are forced to the disk.
    pub sync: SyncPolicy,
    /// Where randomness starts: `None` takes it from the operating system.
    pub seed: Option<u64>,
    /// How long a poll spins before it sleeps, while events come densely. Spinning spares the tens
    /// of microseconds of a wake-up, for a processor of its own meanwhile.
    pub poll_spin: Duration,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            shards: 1,
            timing: Timing::default(),
            clock: ClockKind::default(),
            sync: SyncPolicy::default(),
            seed: None,
            poll_spin: Duration::from_micros(100),
        }
    }
}

impl RuntimeConfig {
    pub(super) fn validated(self) -> Result<Self, ConfigError> {
        if !(1..=SHARDS_MAX).contains(&self.shards) {
            let have = self.shards;
            return Err(ConfigError::Count {
                what: "shards",
                have,
                min: 1,
                max: SHARDS_MAX,
            });
        }
        if let SyncPolicy::Interval(interval) = self.sync
            && interval.is_zero()
        {
            return Err(ConfigError::Zero {
                what: "sync interval",
            });
        }
        Ok(Self {
            timing: self.timing.validated()?,
            ..self
        })
    }
}

/// Why a runtime could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Its settings do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gave no thread.
    #[error("could not start thread {name}: {source}")]
    Thread {
        /// Which one.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// This server already has a node of the group, or is still stopping or deleting it.
    #[error("node of this group is already running")]
    AlreadyRunning,
    /// The group's folder could not be opened; nothing in it was changed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The group's log could not be replayed; nothing was changed.
    #[error(transparent)]
    Node(#[from] FatalError),
    /// The runtime was shut down.
    #[error("runtime is shut down")]
    ShutDown,
}

/// A runtime with a manual clock did not come to rest, or has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time cannot be moved: {what}")]
pub struct Busy {
    /// What keeps it.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_that_cannot_be_is_refused_with_the_reason() {
        let none = RuntimeConfig {
            shards: 0,
            ..RuntimeConfig::default()
        };
        let zero = RuntimeConfig {
            sync: SyncPolicy::Interval(Duration::ZERO),
            ..RuntimeConfig::default()
        };

        let refused = ConfigError::Count {
            what: "shards",
            have: 0,
            min: 1,
            max: SHARDS_MAX,
        };
        assert_eq!(none.validated().unwrap_err(), refused);
        assert_eq!(
            zero.validated().unwrap_err(),
            ConfigError::Zero {
                what: "sync interval"
            }
        );
        assert!(RuntimeConfig::default().validated().is_ok());
    }
}
