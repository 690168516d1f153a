//! What the application decides: timing, durability, and one group's place.

use std::path::PathBuf;
use std::time::Duration;

use crate::storage::LogKind;
use crate::types::{GroupName, PeerId};

/// The timers and intervals of a runtime (behaviour.md section 2, the "variable" rows).
///
/// The server keeps these as process-wide variables; here they belong to a runtime. Made by a
/// [`TimingBuilder`], so values that exist fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Shortest election timeout; a quarter of it paces refused campaigns.
    pub(crate) election_min: Duration,
    /// Election timeouts are drawn below this.
    pub(crate) election_max: Duration,
    /// Shortest delay of a campaign that was asked for; half of it for an immediate one.
    pub(crate) campaign_min: Duration,
    /// Campaign delays are drawn below this.
    pub(crate) campaign_max: Duration,
    /// A leader that stored nothing for this long sends a heartbeat.
    pub(crate) heartbeat: Duration,
    /// A peer heard from within this counts as alive.
    pub(crate) lost_quorum_interval: Duration,
    /// How often a leader asks itself whether it still has a quorum.
    pub(crate) lost_quorum_check: Duration,
    /// Least time between two lost-quorum notices of a candidate.
    pub(crate) lost_quorum_signal: Duration,
    /// The election timeout of a node that does not campaign.
    pub(crate) observer_interval: Duration,
    /// How long a removed peer is not added again by itself.
    pub(crate) peer_remove_timeout: Duration,
    /// How long a quorum rescue lasts.
    pub(crate) rescue_timeout: Duration,
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

    /// A builder that starts from the production values.
    #[must_use]
    pub fn builder() -> TimingBuilder {
        TimingBuilder(Self::default())
    }
}

/// Makes a [`Timing`], and checks it.
#[derive(Clone, Copy, Debug)]
pub struct TimingBuilder(Timing);

impl TimingBuilder {
    /// Shortest election timeout.
    #[must_use]
    pub const fn election_min(mut self, value: Duration) -> Self {
        self.0.election_min = value;
        self
    }

    /// Election timeouts are drawn below this.
    #[must_use]
    pub const fn election_max(mut self, value: Duration) -> Self {
        self.0.election_max = value;
        self
    }

    /// Shortest delay of a campaign that was asked for.
    #[must_use]
    pub const fn campaign_min(mut self, value: Duration) -> Self {
        self.0.campaign_min = value;
        self
    }

    /// Campaign delays are drawn below this.
    #[must_use]
    pub const fn campaign_max(mut self, value: Duration) -> Self {
        self.0.campaign_max = value;
        self
    }

    /// A leader that stored nothing for this long sends a heartbeat.
    #[must_use]
    pub const fn heartbeat(mut self, value: Duration) -> Self {
        self.0.heartbeat = value;
        self
    }

    /// A peer heard from within this counts as alive.
    #[must_use]
    pub const fn lost_quorum_interval(mut self, value: Duration) -> Self {
        self.0.lost_quorum_interval = value;
        self
    }

    /// How often a leader asks itself whether it still has a quorum.
    #[must_use]
    pub const fn lost_quorum_check(mut self, value: Duration) -> Self {
        self.0.lost_quorum_check = value;
        self
    }

    /// Least time between two lost-quorum notices of a candidate.
    #[must_use]
    pub const fn lost_quorum_signal(mut self, value: Duration) -> Self {
        self.0.lost_quorum_signal = value;
        self
    }

    /// The election timeout of a node that does not campaign.
    #[must_use]
    pub const fn observer_interval(mut self, value: Duration) -> Self {
        self.0.observer_interval = value;
        self
    }

    /// How long a removed peer is not added again by itself.
    #[must_use]
    pub const fn peer_remove_timeout(mut self, value: Duration) -> Self {
        self.0.peer_remove_timeout = value;
        self
    }

    /// How long a quorum rescue lasts.
    #[must_use]
    pub const fn rescue_timeout(mut self, value: Duration) -> Self {
        self.0.rescue_timeout = value;
        self
    }

    /// The values, checked.
    ///
    /// # Errors
    /// [`ConfigError`] for an empty range or a zero interval.
    pub fn build(self) -> Result<Timing, ConfigError> {
        let timing = self.0;
        let ranges = [
            ("election", timing.election_min, timing.election_max),
            ("campaign", timing.campaign_min, timing.campaign_max),
        ];
        for (what, min, max) in ranges {
            if min.is_zero() || min >= max {
                return Err(ConfigError::Range { what, min, max });
            }
        }
        let intervals = [
            ("heartbeat", timing.heartbeat),
            ("lost quorum interval", timing.lost_quorum_interval),
            ("lost quorum check", timing.lost_quorum_check),
            ("lost quorum signal", timing.lost_quorum_signal),
            ("observer interval", timing.observer_interval),
            ("peer remove timeout", timing.peer_remove_timeout),
            ("rescue timeout", timing.rescue_timeout),
        ];
        match intervals.iter().find(|(_, interval)| interval.is_zero()) {
            Some((what, _)) => Err(ConfigError::Zero { what }),
            None => Ok(timing),
        }
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
    /// Mind storage limits: take no entries and start no campaign while the host says that they
    /// are exceeded.
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
