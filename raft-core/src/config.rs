//! What the application decides: timing, durability, and one group's place.

use std::path::PathBuf;
use std::time::Duration;

use crate::storage::LogKind;
use crate::types::{GroupName, PeerId};

/// The timers and intervals of a runtime (behaviour.md section 2, the "variable" rows).
///
/// The server keeps these as process-wide variables; here they belong to a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Shortest election timeout; a quarter of it paces refused campaigns.
    pub election_min: Duration,
    /// Election timeouts are drawn below this.
    pub election_max: Duration,
    /// Shortest delay of a campaign that was asked for; half of it for an immediate one.
    pub campaign_min: Duration,
    /// Campaign delays are drawn below this.
    pub campaign_max: Duration,
    /// A leader that stored nothing for this long sends a heartbeat.
    pub heartbeat: Duration,
    /// A peer heard from within this counts as alive.
    pub lost_quorum_interval: Duration,
    /// How often a leader asks itself whether it still has a quorum.
    pub lost_quorum_check: Duration,
    /// Least time between two lost-quorum notices of a candidate.
    pub lost_quorum_signal: Duration,
    /// The election timeout of a node that does not campaign.
    pub observer_interval: Duration,
    /// How long a removed peer is not added again by itself.
    pub peer_remove_timeout: Duration,
    /// How long a quorum rescue lasts.
    pub rescue_timeout: Duration,
}

impl Default for Timing {
    /// The server's production values.
    fn default() -> Self {
        Self {
            election_min: Duration::from_secs(4),
            election_max: Duration::from_secs(9),
            campaign_min: Duration::from_millis(100),
            campaign_max: Duration::from_millis(800),
            heartbeat: Duration::from_secs(1),
            lost_quorum_interval: Duration::from_secs(10),
            lost_quorum_check: Duration::from_secs(10),
            lost_quorum_signal: Duration::from_secs(20),
            observer_interval: Duration::from_secs(48 * 60 * 60),
            peer_remove_timeout: Duration::from_secs(5 * 60),
            rescue_timeout: Duration::from_secs(5 * 60),
        }
    }
}

impl Timing {
    /// The values the server's own tests run with (tests.md 2.1).
    #[must_use]
    pub fn reference_tests() -> Self {
        Self {
            election_min: Duration::from_millis(1_500),
            election_max: Duration::from_millis(3_500),
            heartbeat: Duration::from_millis(50),
            lost_quorum_interval: Duration::from_secs(5),
            lost_quorum_check: Duration::from_millis(200),
            ..Self::default()
        }
    }

    /// The same values, checked.
    ///
    /// # Errors
    /// [`ConfigError`] for an empty range, a zero interval, or a heartbeat that cannot keep
    /// followers from campaigning.
    pub fn validated(self) -> Result<Self, ConfigError> {
        let ranges = [
            ("election", self.election_min, self.election_max),
            ("campaign", self.campaign_min, self.campaign_max),
        ];
        for (what, min, max) in ranges {
            if min.is_zero() || min >= max {
                return Err(ConfigError::Range { what, min, max });
            }
        }
        let intervals = [
            ("heartbeat", self.heartbeat),
            ("lost quorum interval", self.lost_quorum_interval),
            ("lost quorum check", self.lost_quorum_check),
            ("lost quorum signal", self.lost_quorum_signal),
            ("observer interval", self.observer_interval),
            ("peer remove timeout", self.peer_remove_timeout),
            ("rescue timeout", self.rescue_timeout),
        ];
        for (what, interval) in intervals {
            if interval.is_zero() {
                return Err(ConfigError::Zero { what });
            }
        }
        Ok(self)
    }
}

/// When the log's bytes are forced to the disk. Term, vote and peers always are, before anything
/// rests on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before an entry is acknowledged. Nothing acknowledged is lost to a power failure.
    #[default]
    Always,
    /// At this interval. A power failure may take what was acknowledged since the last sync; the
    /// death of the process alone takes nothing.
    Interval(Duration),
    /// When the operating system likes.
    Never,
}

/// One group on one server.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The server.
    pub peer_id: PeerId,
    /// The group.
    pub group: GroupName,
    /// The server's store: the group's folder is the one of its name in it.
    pub store_root: PathBuf,
    /// Where the log is kept.
    pub log: LogKind,
    /// Membership is decided by an outside reconciler (streams and consumers).
    pub managed: bool,
    /// Start as an observer: store and vote, never campaign.
    pub observer: bool,
    /// The group existed before, so an empty log is suspicious.
    pub recovering: bool,
    /// The peer set is being extended: a new, empty member must not campaign yet.
    pub scale_up: bool,
    /// Mind storage limits. Kept, and without effect until the host can tell them.
    pub track: bool,
    /// The host's own number for this node, given back with its events. Zero means the runtime
    /// itself, so hosts count from one.
    pub token: u64,
}

impl NodeConfig {
    /// A file-log node of `group` on the server `peer_id`, every flag off.
    #[must_use]
    pub fn new(peer_id: PeerId, group: GroupName, store_root: impl Into<PathBuf>) -> Self {
        Self {
            peer_id,
            group,
            store_root: store_root.into(),
            log: LogKind::File,
            managed: false,
            observer: false,
            recovering: false,
            scale_up: false,
            track: false,
            token: 0,
        }
    }

    /// The group's folder.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.store_root.join(self.group.as_str())
    }
}

/// Why a configuration cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A range of timeouts needs a positive lower end below its upper end.
    #[error("{what} timeout range {min:?}..{max:?} is empty or starts at zero")]
    Range {
        /// Which timeout.
        what: &'static str,
        /// The lower end.
        min: Duration,
        /// The upper end.
        max: Duration,
    },
    /// An interval of zero would never end.
    #[error("{what} is zero")]
    Zero {
        /// Which interval.
        what: &'static str,
    },
    /// A count outside its limits.
    #[error("{what} is {have}, outside {min}..={max}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The count given.
        have: usize,
        /// The least accepted.
        min: usize,
        /// The most accepted.
        max: usize,
    },
}
