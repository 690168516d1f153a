//! The numbers of the ABI that are not status codes: bits, kinds and limits.
//!
//! Numbers are never reused; new ones are added at the end of their group.

/// `nrg_runtime_poll`: wait for ever.
pub const NRG_TIMEOUT_INFINITE: u32 = 4294967295;

/// The apply queue of the node has items: take them with `nrg_node_apply_take`.
pub const NRG_READY_APPLY: u32 = 1;
/// Leadership changed: take the newest change with `nrg_node_lead_change_take`.
pub const NRG_READY_LEADER: u32 = 2;
/// The node has commands for the host's transport. Not raised on loopback.
pub const NRG_READY_OUTBOUND: u32 = 4;
/// Something a monitoring view shows has changed.
pub const NRG_READY_ADVISORY: u32 = 8;
/// The node has stopped: nothing of it runs any more and its files are closed.
pub const NRG_READY_STOPPED: u32 = 16;
/// The node failed: ask `nrg_node_write_error` for the reason.
pub const NRG_READY_FAULT: u32 = 32;
/// Awaited proposals have ended: take their outcomes with `nrg_node_outcomes_take`.
pub const NRG_READY_OUTCOME: u32 = 64;
/// Token 0, the runtime itself: log records wait in `nrg_runtime_log_take`.
pub const NRG_READY_LOG: u32 = 65536;
/// Token 0, the runtime itself: many times of syncs wait in `nrg_runtime_sync_times_take`.
pub const NRG_READY_METRICS: u32 = 131072;

/// `nrg_runtime_config.sync_policy`: an entry is acknowledged after its sync. The default.
pub const NRG_SYNC_ALWAYS: u32 = 0;
/// `nrg_runtime_config.sync_policy`: sync each `sync_interval_ns`; a power failure may take what
/// was acknowledged since.
pub const NRG_SYNC_INTERVAL: u32 = 1;
/// `nrg_runtime_config.sync_policy`: the operating system decides.
pub const NRG_SYNC_NEVER: u32 = 2;

/// `nrg_runtime_config.clock`: the machine's clock. The default.
pub const NRG_CLOCK_SYSTEM: u32 = 0;
/// `nrg_runtime_config.clock`: time stands still until it is advanced. For tests; only the testing
/// flavour can advance it.
pub const NRG_CLOCK_MANUAL: u32 = 1;

/// `nrg_node_config.log_kind`: the log is kept in files. The default.
pub const NRG_LOG_FILE: u32 = 0;
/// `nrg_node_config.log_kind`: the log is kept in memory; term, vote and peers still in files.
pub const NRG_LOG_MEMORY: u32 = 1;

/// `nrg_node_config.transport`: the host carries the messages, see `nrg_node_outbound_take` and
/// `nrg_node_deliver_batch`.
pub const NRG_TRANSPORT_HOST: u32 = 0;
/// `nrg_node_config.transport`: an in-process network, given in `loopback`.
pub const NRG_TRANSPORT_LOOPBACK: u32 = 1;
/// `nrg_node_config.transport`: a NATS server. Not in this version.
pub const NRG_TRANSPORT_NATS: u32 = 2;

/// `nrg_node_config.flags`: membership is decided by an outside reconciler.
pub const NRG_NODE_MANAGED: u32 = 1;
/// `nrg_node_config.flags`: start as an observer.
pub const NRG_NODE_OBSERVER: u32 = 2;
/// `nrg_node_config.flags`: the group existed before, an empty log is suspicious.
pub const NRG_NODE_RECOVERING: u32 = 4;
/// `nrg_node_config.flags`: the peer set is being extended, a new empty member must not campaign.
pub const NRG_NODE_SCALE_UP: u32 = 8;
/// `nrg_node_config.flags`: check storage limits.
pub const NRG_NODE_TRACK: u32 = 16;

/// `nrg_bootstrap`: the peers given are all peers of the group.
pub const NRG_BOOTSTRAP_ALL_PEERS_KNOWN: u32 = 1;
/// `nrg_node_campaign`: as soon as possible, as the preferred leader.
pub const NRG_CAMPAIGN_IMMEDIATELY: u32 = 1;
/// `nrg_node_adjust_cluster_size`: before the group's first leader; neither stored nor sent.
pub const NRG_ADJUST_BOOT: u32 = 1;

/// `nrg_node_state.role`: follows a leader, or waits for one.
pub const NRG_ROLE_FOLLOWER: u32 = 0;
/// `nrg_node_state.role`: leads.
pub const NRG_ROLE_LEADER: u32 = 1;
/// `nrg_node_state.role`: campaigns.
pub const NRG_ROLE_CANDIDATE: u32 = 2;
/// `nrg_node_state.role`: has ended.
pub const NRG_ROLE_CLOSED: u32 = 3;

/// `nrg_node_state.flags`: leads, and the application has worked through the term's first entry.
pub const NRG_NODE_IS_LEADER: u32 = 1;
/// `nrg_node_state.flags`: a leader was known at some time.
pub const NRG_NODE_HAD_LEADER: u32 = 2;
/// `nrg_node_state.flags`: receives and votes, never campaigns.
pub const NRG_NODE_IS_OBSERVER: u32 = 4;
/// `nrg_node_state.flags`: applying is paused.
pub const NRG_NODE_IS_PAUSED: u32 = 8;
/// `nrg_node_state.flags`: catches up from the leader's log.
pub const NRG_NODE_CATCHING_UP: u32 = 16;
/// `nrg_node_state.flags`: up to date with the leader.
pub const NRG_NODE_CURRENT: u32 = 32;
/// `nrg_node_state.flags`: a quorum of the group was heard from lately.
pub const NRG_NODE_QUORUM_LIVE: u32 = 64;
/// `nrg_node_state.flags`: a membership change is not committed yet.
pub const NRG_NODE_MEMBERSHIP_CHANGE: u32 = 128;
/// `nrg_node_state.flags`: something was applied and there is no snapshot.
pub const NRG_NODE_NEED_SNAPSHOT: u32 = 256;
/// `nrg_node_state.flags`: proposals or entries come faster than they are worked through.
pub const NRG_NODE_OVERRUN: u32 = 512;
/// `nrg_node_state.flags`: its storage was removed.
pub const NRG_NODE_DELETED: u32 = 1024;
/// `nrg_node_state.flags`: failed for good, see `nrg_node_write_error`.
pub const NRG_NODE_FAILED: u32 = 2048;
/// `nrg_node_state.flags`: a temporary quorum is in force.
pub const NRG_NODE_IN_RESCUE: u32 = 4096;

/// `nrg_peer.flags`: up to date with the leader, as this node knows it.
pub const NRG_PEER_CURRENT: u32 = 1;
/// `nrg_peer.flags`: counts towards the quorum.
pub const NRG_PEER_VOTING: u32 = 2;
/// `nrg_peer.flags`: in the membership as it stands; not set for a peer whose removal is appended
/// and not committed.
pub const NRG_PEER_MEMBER: u32 = 4;
/// `nrg_peer.flags`: no uncommitted membership change is about it.
pub const NRG_PEER_KNOWN: u32 = 8;

/// `nrg_batch_item.entry_type`: application data.
pub const NRG_ENTRY_NORMAL: u32 = 0;
/// `nrg_batch_item.entry_type`: a snapshot as very old logs hold it; handed up as
/// `NRG_ENTRY_SNAPSHOT`.
pub const NRG_ENTRY_OLD_SNAPSHOT: u32 = 1;
/// `nrg_batch_item.entry_type`: the membership; not handed up.
pub const NRG_ENTRY_PEER_STATE: u32 = 2;
/// `nrg_batch_item.entry_type`: a peer joined; data is its eight-byte id.
pub const NRG_ENTRY_ADD_PEER: u32 = 3;
/// `nrg_batch_item.entry_type`: a peer left; data is its eight-byte id.
pub const NRG_ENTRY_REMOVE_PEER: u32 = 4;
/// `nrg_batch_item.entry_type`: the chosen successor; not handed up.
pub const NRG_ENTRY_LEADER_TRANSFER: u32 = 5;
/// `nrg_batch_item.entry_type`: a snapshot of the state machine.
pub const NRG_ENTRY_SNAPSHOT: u32 = 6;
/// `nrg_batch_item.entry_type`: the marker of a catch-up, see `NRG_ITEM_CATCHUP`.
pub const NRG_ENTRY_CATCHUP: u32 = 7;

/// `nrg_batch_item.flags`: the first record of its log index.
pub const NRG_ITEM_FIRST_OF_INDEX: u32 = 1;
/// `nrg_batch_item.flags`: the index has no entries for the application; it is still to be
/// reported as processed.
pub const NRG_ITEM_EMPTY: u32 = 2;
/// `nrg_batch_item.flags`: no entry. The replay at the start, or a signalled catch-up, has ended.
pub const NRG_ITEM_NIL_GUARD: u32 = 4;
/// `nrg_batch_item.flags`: no entry. What follows comes from a catch-up and may be merged until
/// the nil guard.
pub const NRG_ITEM_CATCHUP: u32 = 8;

/// `nrg_log_record.level`: the node cannot go on, or data is in danger.
pub const NRG_LOG_ERROR: u32 = 1;
/// `nrg_log_record.level`: unusual, handled.
pub const NRG_LOG_WARN: u32 = 2;
/// `nrg_log_record.level`: a change an operator wants to see.
pub const NRG_LOG_INFO: u32 = 3;
/// `nrg_log_record.level`: for tracing.
pub const NRG_LOG_DEBUG: u32 = 4;

/// `nrg_abi_layout`: `nrg_runtime_config`.
pub const NRG_STRUCT_RUNTIME_CONFIG: u32 = 1;
/// `nrg_abi_layout`: `nrg_tuning`.
pub const NRG_STRUCT_TUNING: u32 = 2;
/// `nrg_abi_layout`: `nrg_ready`.
pub const NRG_STRUCT_READY: u32 = 3;
/// `nrg_abi_layout`: `nrg_metrics`.
pub const NRG_STRUCT_METRICS: u32 = 4;
/// `nrg_abi_layout`: `nrg_node_config`.
pub const NRG_STRUCT_NODE_CONFIG: u32 = 5;
/// `nrg_abi_layout`: `nrg_node_state`.
pub const NRG_STRUCT_NODE_STATE: u32 = 6;
/// `nrg_abi_layout`: `nrg_peer`.
pub const NRG_STRUCT_PEER: u32 = 7;
/// `nrg_abi_layout`: `nrg_batch_item`.
pub const NRG_STRUCT_BATCH_ITEM: u32 = 8;
/// `nrg_abi_layout`: `nrg_log_record`.
pub const NRG_STRUCT_LOG_RECORD: u32 = 9;
/// `nrg_abi_layout`: `nrg_proposal_outcome`.
pub const NRG_STRUCT_PROPOSAL_OUTCOME: u32 = 10;
/// `nrg_abi_layout`: `nrg_outbound`.
pub const NRG_STRUCT_OUTBOUND: u32 = 11;
/// `nrg_abi_layout`: `nrg_inbound`.
pub const NRG_STRUCT_INBOUND: u32 = 12;

/// `nrg_outbound.kind`: send `payload` to `subject`; the sender must not hear it back.
pub const NRG_OUTBOUND_PUBLISH: u32 = 1;
/// `nrg_outbound.kind`: deliver what arrives on `subject` under `subscription`.
pub const NRG_OUTBOUND_SUBSCRIBE: u32 = 2;
/// `nrg_outbound.kind`: deliver nothing more under `subscription`, which was on `subject`.
pub const NRG_OUTBOUND_UNSUBSCRIBE: u32 = 3;
/// `nrg_outbound.kind`: end every subscription of the node; what follows belongs to the account
/// named by `subject`. The first command of every node.
pub const NRG_OUTBOUND_RESET: u32 = 4;

/// `nrg_node_set_traffic_account`, `nrg_outbound.flags` of a reset: it is the system account.
pub const NRG_ACCOUNT_SYSTEM: u32 = 1;
