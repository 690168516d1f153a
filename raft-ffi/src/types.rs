//! The structs of the ABI, each with its layout nailed down.
//!
//! A struct passed by pointer starts with `struct_size`, which the caller sets to its own
//! `sizeof`; fields are only appended, and a zero field means the default. Records in arrays have
//! no size field: they are fixed for a major version of the ABI. Nothing here has padding.

use crate::loopback::NrgLoopback;

/// How a runtime is made. All zeros after `struct_size` is the default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgRuntimeConfig {
    /// `sizeof(nrg_runtime_config)` of the caller.
    pub struct_size: u32,
    /// Number of shard threads, 1 to 64. 0: the engine's choice.
    pub shards: u32,
    /// When log bytes are forced to the disk: `NRG_SYNC_*`.
    pub sync_policy: u32,
    /// Where time comes from: `NRG_CLOCK_*`.
    pub clock: u32,
    /// With `NRG_SYNC_INTERVAL`: the interval in nanoseconds, above zero.
    pub sync_interval_ns: u64,
    /// Seed of timeouts and inbox names. 0: from the operating system.
    pub seed: u64,
    /// How long a poll spins before it sleeps, in nanoseconds. 0: the engine's choice.
    pub poll_spin_ns: u64,
    /// Bytes a leader takes before something has to be committed; beyond them proposals are
    /// refused with `NRG_STATUS_BACKLOG`. 0: the engine's choice.
    pub backlog_bytes_max: u64,
}

/// The timers and intervals of a runtime, in nanoseconds. 0: the production value.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgTuning {
    /// `sizeof(nrg_tuning)` of the caller.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved0: u32,
    /// Shortest election timeout. Production: 4 s.
    pub election_min_ns: u64,
    /// Election timeouts are drawn below this. Production: 9 s.
    pub election_max_ns: u64,
    /// Shortest delay of a campaign that was asked for. Production: 100 ms.
    pub campaign_min_ns: u64,
    /// Campaign delays are drawn below this. Production: 800 ms.
    pub campaign_max_ns: u64,
    /// A leader that stored nothing for this long sends a heartbeat. Production: 1 s.
    pub heartbeat_ns: u64,
    /// A peer heard from within this counts as alive. Production: 10 s.
    pub lost_quorum_interval_ns: u64,
    /// How often a leader asks itself whether it still has a quorum. Production: 10 s.
    pub lost_quorum_check_ns: u64,
    /// Least time between two lost-quorum notices of a candidate. Production: 20 s.
    pub lost_quorum_signal_ns: u64,
    /// The election timeout of a node that does not campaign. Production: 48 h.
    pub observer_interval_ns: u64,
    /// How long a removed peer is not added again by itself. Production: 5 min.
    pub peer_remove_timeout_ns: u64,
    /// How long a quorum rescue lasts. Production: 5 min.
    pub rescue_timeout_ns: u64,
}

/// One ready node: a record of `nrg_runtime_poll`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NrgReady {
    /// The token the host gave the node; 0 for the runtime itself.
    pub token: u64,
    /// What is ready: `NRG_READY_*`.
    pub ready_mask: u32,
    /// Always 0.
    pub reserved0: u32,
}

/// The counters of a runtime, since it was opened.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct NrgMetrics {
    /// `sizeof(nrg_metrics)` of the caller.
    pub struct_size: u32,
    /// Always 0.
    pub reserved0: u32,
    /// Groups hosted now.
    pub groups: u64,
    /// Of these, groups led here.
    pub leaders: u64,
    /// Log indexes committed.
    pub commits: u64,
    /// Items handed to applications.
    pub applied: u64,
    /// Syncs of a store.
    pub syncs: u64,
    /// Time spent in them, in nanoseconds.
    pub sync_nanos: u64,
    /// Proposals refused because the node is not the leader of the term, or steps down.
    pub proposals_not_leader: u64,
    /// Proposals refused because too many bytes wait for their commit.
    pub proposals_backlog: u64,
    /// Proposals refused for what they are: too large, of another kind, a removal that cannot be.
    pub proposals_unfit: u64,
    /// Proposals refused because the node is stopped or has failed.
    pub proposals_closed: u64,
    /// Proposals taken and never appended, because the leadership ended or changed.
    pub proposals_dropped: u64,
    /// Messages given to a transport.
    pub messages_sent: u64,
    /// Changes of leadership seen by the groups here.
    pub leader_changes: u64,
    /// Received messages that could not be decoded.
    pub messages_malformed: u64,
    /// Polls that returned records.
    pub poll_wakes: u64,
    /// Log records dropped because nobody drained them.
    pub log_records_dropped: u64,
    /// Times of single syncs dropped because nobody took them.
    pub sync_times_dropped: u64,
}

/// One group on one server: what `nrg_node_open` opens and `nrg_bootstrap` prepares.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgNodeConfig {
    /// `sizeof(nrg_node_config)` of the caller.
    pub struct_size: u32,
    /// `NRG_NODE_MANAGED` and the bits after it.
    pub flags: u32,
    /// The host's number for the node, returned with its events. Not 0.
    pub token: u64,
    /// The server: the eight bytes of its id in memory order. Not 0.
    pub peer_id: u64,
    /// The group's name: one token of a NATS subject, UTF-8, not terminated.
    pub group_name_ptr: *const u8,
    /// Its length in bytes.
    pub group_name_len: usize,
    /// The server's store; the group's folder is the one of its name in it. UTF-8.
    pub store_root_ptr: *const u8,
    /// Its length in bytes.
    pub store_root_len: usize,
    /// With `NRG_TRANSPORT_LOOPBACK`: the network. Borrowed during the call only.
    pub loopback: *const NrgLoopback,
    /// Where the log is kept: `NRG_LOG_FILE` or `NRG_LOG_MEMORY`.
    pub log_kind: u32,
    /// What carries the messages: `NRG_TRANSPORT_*`.
    pub transport: u32,
}

/// One consistent view of a node.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct NrgNodeState {
    /// `sizeof(nrg_node_state)` of the caller.
    pub struct_size: u32,
    /// `NRG_ROLE_*`.
    pub role: u32,
    /// `NRG_NODE_IS_LEADER` and the bits after it.
    pub flags: u32,
    /// When log bytes are forced to the disk: `NRG_SYNC_*`.
    pub sync_policy: u32,
    /// The known leader; 0 for none.
    pub leader: u64,
    /// Since when, in nanoseconds of Unix time; 0 for none.
    pub leader_since_unix_nanos: u64,
    /// The vote of this term; 0 for none.
    pub vote: u64,
    /// The current term.
    pub term: u64,
    /// The term of the newest entry.
    pub last_term: u64,
    /// The first index still in the log.
    pub first_index: u64,
    /// The newest index in the log.
    pub last_index: u64,
    /// The newest index that a power failure here would not take.
    pub durable: u64,
    /// The highest index known to be committed.
    pub commit: u64,
    /// The highest index the application has worked through.
    pub processed: u64,
    /// The highest index the application is done with.
    pub applied: u64,
    /// Entries in the log since the last snapshot.
    pub entries: u64,
    /// Bytes of the log, as the server counts them.
    pub bytes: u64,
    /// Times proposing was refused because of an overrun.
    pub overrun_count: u64,
    /// When the node was opened, in nanoseconds of Unix time.
    pub created_unix_nanos: u64,
    /// With `NRG_SYNC_INTERVAL`: the interval in nanoseconds.
    pub sync_interval_ns: u64,
    /// Size of the group, known members and expected ones.
    pub cluster_size: u32,
    /// Members needed for a commit.
    pub quorum: u32,
    /// Proposals waiting.
    pub proposal_queue_len: u32,
    /// Received append entries waiting.
    pub entry_queue_len: u32,
    /// Received responses waiting.
    pub response_queue_len: u32,
    /// Items waiting in the apply queue.
    pub apply_queue_len: u32,
}

/// One member of a group: a record of `nrg_node_peers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NrgPeer {
    /// The eight bytes of its id in memory order.
    pub id: u64,
    /// When it was last heard from, in nanoseconds of Unix time; 0 for never.
    pub last_heard_unix_nanos: u64,
    /// How many committed indexes it is behind, as far as this node knows.
    pub lag: u64,
    /// `NRG_PEER_*`.
    pub flags: u32,
    /// Always 0.
    pub reserved0: u32,
}

/// How an awaited proposal ended: a record of `nrg_node_outcomes_take`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NrgProposalOutcome {
    /// The tag it was proposed with.
    pub tag: u64,
    /// The log index of its entry; 0 unless `status` is `NRG_STATUS_OK`.
    pub index: u64,
    /// `NRG_STATUS_OK`: committed, and reported as processed here. `NRG_STATUS_NOT_LEADER`: never
    /// appended. `NRG_STATUS_UNDECIDED` and `NRG_STATUS_CLOSED`: it may or may not be committed.
    pub status: i32,
    /// Always 0.
    pub reserved0: u32,
}

/// One record of a batch of entries. The data belongs to the batch and lives until it is freed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgBatchItem {
    /// The log index; 0 for the nil guard and the catch-up marker.
    pub index: u64,
    /// The entry's data; null when `data_len` is 0.
    pub data_ptr: *const u8,
    /// Its length in bytes.
    pub data_len: usize,
    /// `NRG_ENTRY_*`; a code the engine does not know is passed on as it is.
    pub entry_type: u32,
    /// `NRG_ITEM_*`.
    pub flags: u32,
}

/// One log record of the engine. The texts belong to the batch and live until it is freed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgLogRecord {
    /// When, in nanoseconds of Unix time.
    pub unix_nanos: u64,
    /// The token of the node that wrote it; 0 for the runtime.
    pub token: u64,
    /// The node's term then; 0 for the runtime.
    pub term: u64,
    /// The log index the record is about; 0 for none.
    pub index: u64,
    /// The group's name; null when there is none.
    pub group_name_ptr: *const u8,
    /// Its length in bytes.
    pub group_name_len: usize,
    /// What happened, UTF-8.
    pub text_ptr: *const u8,
    /// Its length in bytes.
    pub text_len: usize,
    /// `NRG_LOG_ERROR` to `NRG_LOG_DEBUG`.
    pub level: u32,
    /// Always 0.
    pub reserved0: u32,
}

/// One command for the host's transport: a record of a batch of commands. The texts and the payload
/// belong to the batch and live until it is freed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgOutbound {
    /// The subscription, with subscribe and unsubscribe; 0 otherwise.
    pub subscription: u64,
    /// The subject without wildcards, with a reset the account's name; UTF-8.
    pub subject_ptr: *const u8,
    /// Its length in bytes.
    pub subject_len: usize,
    /// Where an answer goes, UTF-8; null when nowhere.
    pub reply_ptr: *const u8,
    /// Its length in bytes.
    pub reply_len: usize,
    /// The message; null when it is empty.
    pub payload_ptr: *const u8,
    /// Its length in bytes.
    pub payload_len: usize,
    /// `NRG_OUTBOUND_*`.
    pub kind: u32,
    /// With a reset `NRG_ACCOUNT_SYSTEM` or 0; 0 otherwise.
    pub flags: u32,
}

/// One message the host heard: a record of `nrg_node_deliver_batch`. The ranges lie in the packed
/// data of the call.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct NrgInbound {
    /// The subscription it arrived on, as the subscribe command named it.
    pub subscription: u64,
    /// Where the reply's subject begins, UTF-8.
    pub reply_offset: u32,
    /// Its length in bytes; 0 for no reply.
    pub reply_len: u32,
    /// Where the payload begins.
    pub payload_offset: u32,
    /// Its length in bytes.
    pub payload_len: u32,
}
