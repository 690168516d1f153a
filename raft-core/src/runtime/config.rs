//! What a runtime is made of, and why one or its nodes could not be started.

use std::time::Duration;

use super::clock::ClockKind;
use crate::config::{ConfigError, SyncPolicy, Timing};
use crate::node::{BACKLOG_BYTES_MAX, FatalError};
use crate::storage::StorageError;

/// How many shards a runtime may have.
pub const SHARDS_MAX: usize = 64;

/// The settings of a [`Runtime`](super::Runtime). Made by a [`RuntimeConfigBuilder`], so one that
/// exists is valid.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    pub(super) shards: usize,
    pub(super) timing: Timing,
    pub(super) clock: ClockKind,
    pub(super) sync: SyncPolicy,
    pub(super) seed: Option<u64>,
    pub(super) poll_spin: Duration,
    pub(super) backlog_bytes_max: u64,
}

impl Default for RuntimeConfig {
    /// One shard on the system's clock, production timing, every log synced.
    fn default() -> Self {
        Self {
            shards: 1,
            timing: Timing::default(),
            clock: ClockKind::default(),
            sync: SyncPolicy::default(),
            seed: None,
            poll_spin: Duration::from_micros(50),
            backlog_bytes_max: BACKLOG_BYTES_MAX,
        }
    }
}

impl RuntimeConfig {
    /// A builder that starts from the default.
    #[must_use]
    pub fn builder() -> RuntimeConfigBuilder {
        RuntimeConfigBuilder(Self::default())
    }

    /// Who moves time.
    #[must_use]
    pub const fn clock(&self) -> ClockKind {
        self.clock
    }

    /// When logs are forced to the disk.
    #[must_use]
    pub const fn sync(&self) -> SyncPolicy {
        self.sync
    }
}

/// Makes a [`RuntimeConfig`], and checks it.
#[derive(Clone, Debug)]
pub struct RuntimeConfigBuilder(RuntimeConfig);

impl RuntimeConfigBuilder {
    /// Threads that nodes run on, up to [`SHARDS_MAX`]. All members of a group that live in this
    /// runtime share one, so that they talk without waking each other.
    #[must_use]
    pub const fn shards(mut self, shards: usize) -> Self {
        self.0.shards = shards;
        self
    }

    /// Timers and intervals of all nodes.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.0.timing = timing;
        self
    }

    /// Who moves time.
    #[must_use]
    pub const fn clock(mut self, clock: ClockKind) -> Self {
        self.0.clock = clock;
        self
    }

    /// When logs are forced to the disk.
    #[must_use]
    pub const fn sync(mut self, sync: SyncPolicy) -> Self {
        self.0.sync = sync;
        self
    }

    /// Where randomness starts; without it, where the operating system says.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.0.seed = Some(seed);
        self
    }

    /// How long a poll spins before it sleeps, while events come densely. Spinning buys a few
    /// microseconds for a processor of its own.
    #[must_use]
    pub const fn poll_spin(mut self, spin: Duration) -> Self {
        self.0.poll_spin = spin;
        self
    }

    /// Bytes a leader takes before something has to be committed; beyond it proposals are refused
    /// with [`ProposeError::Backlog`](crate::node::ProposeError::Backlog). A group's followers
    /// being slow then costs no more memory than this. Below the bound one more batch is always
    /// taken, whatever its size.
    #[must_use]
    pub const fn backlog_bytes_max(mut self, bytes: u64) -> Self {
        self.0.backlog_bytes_max = bytes;
        self
    }

    /// The settings, checked.
    ///
    /// # Errors
    /// [`ConfigError`] for a number of shards outside its limits, a sync interval or a backlog of
    /// zero.
    pub fn build(self) -> Result<RuntimeConfig, ConfigError> {
        if !(1..=SHARDS_MAX).contains(&self.0.shards) {
            let have = self.0.shards;
            return Err(ConfigError::Count {
                what: "shards",
                have,
                min: 1,
                max: SHARDS_MAX,
            });
        }
        if self.0.sync == SyncPolicy::Interval(Duration::ZERO) {
            return Err(ConfigError::Zero {
                what: "sync interval",
            });
        }
        if self.0.backlog_bytes_max == 0 {
            return Err(ConfigError::Zero { what: "backlog" });
        }
        Ok(self.0)
    }
}

/// Why a runtime could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
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
    /// A detached node lives in the time of its test.
    #[cfg(feature = "testing")]
    #[error("a detached node needs a runtime with a manual clock")]
    NeedsManualClock,
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
        let none = RuntimeConfig::builder().shards(0).build();
        let zero = RuntimeConfig::builder()
            .sync(SyncPolicy::Interval(Duration::ZERO))
            .build();

        let refused = ConfigError::Count {
            what: "shards",
            have: 0,
            min: 1,
            max: SHARDS_MAX,
        };
        assert_eq!(none.unwrap_err(), refused);
        let what = "sync interval";
        assert_eq!(zero.unwrap_err(), ConfigError::Zero { what });
        assert!(RuntimeConfig::builder().build().is_ok());
    }
}
