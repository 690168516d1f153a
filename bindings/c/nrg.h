#ifndef NRG_H
#define NRG_H

// Generated from raft-ffi by ./build.sh bindings. Do not edit.

#include <stddef.h>
#include <stdint.h>

// `nrg_runtime_poll`: wait for ever.
#define NRG_TIMEOUT_INFINITE 4294967295

// The apply queue of the node has items: take them with `nrg_node_apply_take`.
#define NRG_READY_APPLY 1

// Leadership changed: take the newest change with `nrg_node_lead_change_take`.
#define NRG_READY_LEADER 2

// The node has commands for the host's transport. Not raised on loopback.
#define NRG_READY_OUTBOUND 4

// Something a monitoring view shows has changed.
#define NRG_READY_ADVISORY 8

// The node has stopped: nothing of it runs any more and its files are closed.
#define NRG_READY_STOPPED 16

// The node failed: ask `nrg_node_write_error` for the reason.
#define NRG_READY_FAULT 32

// Awaited proposals have ended: take their outcomes with `nrg_node_outcomes_take`.
#define NRG_READY_OUTCOME 64

// Token 0, the runtime itself: log records wait in `nrg_runtime_log_take`.
#define NRG_READY_LOG 65536

// Token 0, the runtime itself: many times of syncs wait in `nrg_runtime_sync_times_take`.
#define NRG_READY_METRICS 131072

// `nrg_runtime_config.sync_policy`: an entry is acknowledged after its sync. The default.
#define NRG_SYNC_ALWAYS 0

// `nrg_runtime_config.sync_policy`: sync each `sync_interval_ns`; a power failure may take what
// was acknowledged since.
#define NRG_SYNC_INTERVAL 1

// `nrg_runtime_config.sync_policy`: the operating system decides.
#define NRG_SYNC_NEVER 2

// `nrg_runtime_config.clock`: the machine's clock. The default.
#define NRG_CLOCK_SYSTEM 0

// `nrg_runtime_config.clock`: time stands still until it is advanced. For tests; only the testing
// flavour can advance it.
#define NRG_CLOCK_MANUAL 1

// `nrg_node_config.log_kind`: the log is kept in files. The default.
#define NRG_LOG_FILE 0

// `nrg_node_config.log_kind`: the log is kept in memory; term, vote and peers still in files.
#define NRG_LOG_MEMORY 1

// `nrg_node_config.transport`: the host carries the messages, see `nrg_node_outbound_take` and
// `nrg_node_deliver_batch`.
#define NRG_TRANSPORT_HOST 0

// `nrg_node_config.transport`: an in-process network, given in `loopback`.
#define NRG_TRANSPORT_LOOPBACK 1

// `nrg_node_config.transport`: a NATS server. Not in this version.
#define NRG_TRANSPORT_NATS 2

// `nrg_node_config.flags`: membership is decided by an outside reconciler.
#define NRG_NODE_MANAGED 1

// `nrg_node_config.flags`: start as an observer.
#define NRG_NODE_OBSERVER 2

// `nrg_node_config.flags`: the group existed before, an empty log is suspicious.
#define NRG_NODE_RECOVERING 4

// `nrg_node_config.flags`: the peer set is being extended, a new empty member must not campaign.
#define NRG_NODE_SCALE_UP 8

// `nrg_node_config.flags`: check storage limits.
#define NRG_NODE_TRACK 16

// `nrg_bootstrap`: the peers given are all peers of the group.
#define NRG_BOOTSTRAP_ALL_PEERS_KNOWN 1

// `nrg_node_campaign`: as soon as possible, as the preferred leader.
#define NRG_CAMPAIGN_IMMEDIATELY 1

// `nrg_node_adjust_cluster_size`: before the group's first leader; neither stored nor sent.
#define NRG_ADJUST_BOOT 1

// `nrg_node_state.role`: follows a leader, or waits for one.
#define NRG_ROLE_FOLLOWER 0

// `nrg_node_state.role`: leads.
#define NRG_ROLE_LEADER 1

// `nrg_node_state.role`: campaigns.
#define NRG_ROLE_CANDIDATE 2

// `nrg_node_state.role`: has ended.
#define NRG_ROLE_CLOSED 3

// `nrg_node_state.flags`: leads, and the application has worked through the term's first entry.
#define NRG_NODE_IS_LEADER 1

// `nrg_node_state.flags`: a leader was known at some time.
#define NRG_NODE_HAD_LEADER 2

// `nrg_node_state.flags`: receives and votes, never campaigns.
#define NRG_NODE_IS_OBSERVER 4

// `nrg_node_state.flags`: applying is paused.
#define NRG_NODE_IS_PAUSED 8

// `nrg_node_state.flags`: catches up from the leader's log.
#define NRG_NODE_CATCHING_UP 16

// `nrg_node_state.flags`: up to date with the leader.
#define NRG_NODE_CURRENT 32

// `nrg_node_state.flags`: a quorum of the group was heard from lately.
#define NRG_NODE_QUORUM_LIVE 64

// `nrg_node_state.flags`: a membership change is not committed yet.
#define NRG_NODE_MEMBERSHIP_CHANGE 128

// `nrg_node_state.flags`: something was applied and there is no snapshot.
#define NRG_NODE_NEED_SNAPSHOT 256

// `nrg_node_state.flags`: proposals or entries come faster than they are worked through.
#define NRG_NODE_OVERRUN 512

// `nrg_node_state.flags`: its storage was removed.
#define NRG_NODE_DELETED 1024

// `nrg_node_state.flags`: failed for good, see `nrg_node_write_error`.
#define NRG_NODE_FAILED 2048

// `nrg_node_state.flags`: a temporary quorum is in force.
#define NRG_NODE_IN_RESCUE 4096

// `nrg_peer.flags`: up to date with the leader, as this node knows it.
#define NRG_PEER_CURRENT 1

// `nrg_peer.flags`: counts towards the quorum.
#define NRG_PEER_VOTING 2

// `nrg_peer.flags`: in the membership as it stands; not set for a peer whose removal is appended
// and not committed.
#define NRG_PEER_MEMBER 4

// `nrg_peer.flags`: no uncommitted membership change is about it.
#define NRG_PEER_KNOWN 8

// `nrg_batch_item.entry_type`: application data.
#define NRG_ENTRY_NORMAL 0

// `nrg_batch_item.entry_type`: a snapshot as very old logs hold it; handed up as
// `NRG_ENTRY_SNAPSHOT`.
#define NRG_ENTRY_OLD_SNAPSHOT 1

// `nrg_batch_item.entry_type`: the membership; not handed up.
#define NRG_ENTRY_PEER_STATE 2

// `nrg_batch_item.entry_type`: a peer joined; data is its eight-byte id.
#define NRG_ENTRY_ADD_PEER 3

// `nrg_batch_item.entry_type`: a peer left; data is its eight-byte id.
#define NRG_ENTRY_REMOVE_PEER 4

// `nrg_batch_item.entry_type`: the chosen successor; not handed up.
#define NRG_ENTRY_LEADER_TRANSFER 5

// `nrg_batch_item.entry_type`: a snapshot of the state machine.
#define NRG_ENTRY_SNAPSHOT 6

// `nrg_batch_item.entry_type`: the marker of a catch-up, see `NRG_ITEM_CATCHUP`.
#define NRG_ENTRY_CATCHUP 7

// `nrg_batch_item.flags`: the first record of its log index.
#define NRG_ITEM_FIRST_OF_INDEX 1

// `nrg_batch_item.flags`: the index has no entries for the application; it is still to be
// reported as processed.
#define NRG_ITEM_EMPTY 2

// `nrg_batch_item.flags`: no entry. The replay at the start, or a signalled catch-up, has ended.
#define NRG_ITEM_NIL_GUARD 4

// `nrg_batch_item.flags`: no entry. What follows comes from a catch-up and may be merged until
// the nil guard.
#define NRG_ITEM_CATCHUP 8

// `nrg_log_record.level`: the node cannot go on, or data is in danger.
#define NRG_LOG_ERROR 1

// `nrg_log_record.level`: unusual, handled.
#define NRG_LOG_WARN 2

// `nrg_log_record.level`: a change an operator wants to see.
#define NRG_LOG_INFO 3

// `nrg_log_record.level`: for tracing.
#define NRG_LOG_DEBUG 4

// `nrg_abi_layout`: `nrg_runtime_config`.
#define NRG_STRUCT_RUNTIME_CONFIG 1

// `nrg_abi_layout`: `nrg_tuning`.
#define NRG_STRUCT_TUNING 2

// `nrg_abi_layout`: `nrg_ready`.
#define NRG_STRUCT_READY 3

// `nrg_abi_layout`: `nrg_metrics`.
#define NRG_STRUCT_METRICS 4

// `nrg_abi_layout`: `nrg_node_config`.
#define NRG_STRUCT_NODE_CONFIG 5

// `nrg_abi_layout`: `nrg_node_state`.
#define NRG_STRUCT_NODE_STATE 6

// `nrg_abi_layout`: `nrg_peer`.
#define NRG_STRUCT_PEER 7

// `nrg_abi_layout`: `nrg_batch_item`.
#define NRG_STRUCT_BATCH_ITEM 8

// `nrg_abi_layout`: `nrg_log_record`.
#define NRG_STRUCT_LOG_RECORD 9

// `nrg_abi_layout`: `nrg_proposal_outcome`.
#define NRG_STRUCT_PROPOSAL_OUTCOME 10

// `nrg_abi_layout`: `nrg_outbound`.
#define NRG_STRUCT_OUTBOUND 11

// `nrg_abi_layout`: `nrg_inbound`.
#define NRG_STRUCT_INBOUND 12

// `nrg_outbound.kind`: send `payload` to `subject`; the sender must not hear it back.
#define NRG_OUTBOUND_PUBLISH 1

// `nrg_outbound.kind`: deliver what arrives on `subject` under `subscription`.
#define NRG_OUTBOUND_SUBSCRIBE 2

// `nrg_outbound.kind`: deliver nothing more under `subscription`, which was on `subject`.
#define NRG_OUTBOUND_UNSUBSCRIBE 3

// `nrg_outbound.kind`: end every subscription of the node; what follows belongs to the account
// named by `subject`. The first command of every node.
#define NRG_OUTBOUND_RESET 4

// `nrg_node_set_traffic_account`, `nrg_outbound.flags` of a reset: it is the system account.
#define NRG_ACCOUNT_SYSTEM 1

// The call did what it was asked to do.
#define NRG_STATUS_OK 0

// A pointer that must not be null is null.
#define NRG_STATUS_NULL_ARGUMENT 100

// An argument is outside the range its documentation gives.
#define NRG_STATUS_INVALID_ARGUMENT 101

// A text is not valid UTF-8.
#define NRG_STATUS_INVALID_UTF8 102

// A `struct_size` is smaller than the first released size of the struct.
#define NRG_STATUS_STRUCT_TOO_SMALL 103

// A buffer is too small; the needed length has been written, nothing else.
#define NRG_STATUS_BUFFER_TOO_SMALL 104

// A length exceeds the limit of the protocol or of the address space.
#define NRG_STATUS_TOO_LARGE 105

// A configuration contradicts itself or misses a part.
#define NRG_STATUS_BAD_CONFIG 106

// A peer id is not eight bytes.
#define NRG_STATUS_BAD_PEER_ID 107

// More entries than an append entry can hold.
#define NRG_STATUS_TOO_MANY_ENTRIES 108

// Bytes that are not the message they should be.
#define NRG_STATUS_MALFORMED 109

// An append entry that is cut short or contradicts its lengths.
#define NRG_STATUS_BAD_APPEND_ENTRY 110

// A peer state that is cut short or contradicts its lengths.
#define NRG_STATUS_CORRUPT_PEERS 111

// The leader of an append entry is neither absent nor exactly eight bytes.
#define NRG_STATUS_LEADER_LEN 112

// A name, or a code, that is not known here.
#define NRG_STATUS_NOT_FOUND 113

// No configuration is given.
#define NRG_STATUS_NO_CONFIG 114

// This node does not lead, or leads in another term.
#define NRG_STATUS_NOT_LEADER 200

// This node leads already.
#define NRG_STATUS_ALREADY_LEADER 201

// The node is closed.
#define NRG_STATUS_CLOSED 202

// The runtime has been shut down; a poll answers this once and for ever.
#define NRG_STATUS_SHUTDOWN 203

// A step down names more than one preferred leader.
#define NRG_STATUS_TOO_MANY_PREFS 204

// Something does not come to rest; the text says what.
#define NRG_STATUS_BUSY 205

// A node of this server and group is already open.
#define NRG_STATUS_ALREADY_OPEN 206

// The operation is not part of this build.
#define NRG_STATUS_UNSUPPORTED 207

// Waiting has ended without the awaited state.
#define NRG_STATUS_TIMED_OUT 208

// The transport could not subscribe; the text says to what.
#define NRG_STATUS_NO_TRANSPORT 209

// The engine of this node panicked before: it is unusable, its runtime and other nodes are not.
#define NRG_STATUS_FAULTED 210

// The entry was appended, and the leadership ended before its commit: a later leader may commit it
// or cut it off.
#define NRG_STATUS_UNDECIDED 211

// Too many bytes wait for their commit; nothing of the batch was taken. Propose it again once
// something has been committed.
#define NRG_STATUS_BACKLOG 212

// Another membership change has not been committed yet.
#define NRG_STATUS_MEMBERSHIP_CHANGE 300

// The last peer can not be removed.
#define NRG_STATUS_REMOVE_LAST_NODE 301

// No such peer in the group.
#define NRG_STATUS_PEER_NOT_FOUND 302

// This peer was removed from the group.
#define NRG_STATUS_NODE_REMOVED 303

// The boot size of an established group can not be adjusted.
#define NRG_STATUS_ADJUST_BOOT_CLUSTER 304

// The membership of this group is not managed.
#define NRG_STATUS_NOT_MANAGED 305

// The group has a leader.
#define NRG_STATUS_NOT_LEADERLESS 306

// The remaining peers could still reach a quorum.
#define NRG_STATUS_QUORUM_POSSIBLE 307

// A rescue quorum outside 1 to the present quorum.
#define NRG_STATUS_RESCUE_BAD_QUORUM 308

// A rescue quorum while a leader is known.
#define NRG_STATUS_RESCUE_LEADER_KNOWN 309

// A rescue quorum on a node that does not vote.
#define NRG_STATUS_RESCUE_NOT_VOTING 310

// A rescue quorum on an empty log.
#define NRG_STATUS_RESCUE_EMPTY_LOG 311

// This leader is new and has not committed an entry of its term: try again soon.
#define NRG_STATUS_LEADER_NOT_READY 312

// There is no snapshot.
#define NRG_STATUS_NO_SNAPSHOT 400

// A snapshot is already being made.
#define NRG_STATUS_SNAPSHOT_IN_PROGRESS 401

// The snapshot was aborted.
#define NRG_STATUS_SNAPSHOT_ABORTED 402

// No snapshot while peers catch up from the log.
#define NRG_STATUS_CATCHUPS_RUNNING 403

// The snapshot's checksum or its structure is wrong.
#define NRG_STATUS_SNAPSHOT_CORRUPT 404

// The name of a snapshot file can not be read.
#define NRG_STATUS_BAD_SNAPSHOT_NAME 405

// The snapshot's index is not the one the log follows.
#define NRG_STATUS_SNAPSHOT_MISMATCH 406

// The disk refused an operation; the text says which.
#define NRG_STATUS_IO 500

// An entry could not be loaded from the log.
#define NRG_STATUS_ENTRY_LOAD_FAILED 501

// An entry could not be stored in the log.
#define NRG_STATUS_ENTRY_STORE_FAILED 502

// The group has no peer state: it was never bootstrapped.
#define NRG_STATUS_NO_PEER_STATE 503

// What is on disk contradicts itself.
#define NRG_STATUS_CORRUPT 504

// The directory is missing, or is not one, or can not be written.
#define NRG_STATUS_BAD_DIRECTORY 505

// A write failed for good and closed the node; the text says which.
#define NRG_STATUS_WRITE_ERROR 506

// A leader asked for committed entries to be cut off: the node is closed, nothing was cut.
#define NRG_STATUS_TRUNCATE_BELOW_COMMIT 507

// The engine panicked; the node that did it is unusable.
#define NRG_STATUS_PANIC 900

// The engine met a state that it does not know.
#define NRG_STATUS_INTERNAL 901

// The operating system gave the engine no thread; the text says which.
#define NRG_STATUS_NO_THREAD 902

// Major version of the ABI: a library with another one can not be used.
#define NRG_ABI_MAJOR 1

// Minor version of the ABI: raised by every addition.
#define NRG_ABI_MINOR 0

// What a take handed out. All its records and what they point to live until `nrg_batch_free`.
typedef struct nrg_batch nrg_batch;

// An open checkpoint of a node, until `nrg_checkpoint_free`. It outlives the node's handle.
typedef struct nrg_checkpoint nrg_checkpoint;

// An in-process network. Nodes opened on it keep it alive after `nrg_loopback_free`.
typedef struct nrg_loopback nrg_loopback;

// One group on one server. The node runs on until it is stopped, also after `nrg_node_free`.
typedef struct nrg_node nrg_node;

// An engine: shard threads, timers, stores. Nodes opened in it keep it alive after
// `nrg_runtime_free`.
typedef struct nrg_runtime nrg_runtime;

// How a runtime is made. All zeros after `struct_size` is the default.
typedef struct {
  // `sizeof(nrg_runtime_config)` of the caller.
  uint32_t struct_size;
  // Number of shard threads, 1 to 64. 0: the engine's choice.
  uint32_t shards;
  // When log bytes are forced to the disk: `NRG_SYNC_*`.
  uint32_t sync_policy;
  // Where time comes from: `NRG_CLOCK_*`.
  uint32_t clock;
  // With `NRG_SYNC_INTERVAL`: the interval in nanoseconds, above zero.
  uint64_t sync_interval_ns;
  // Seed of timeouts and inbox names. 0: from the operating system.
  uint64_t seed;
  // How long a poll spins before it sleeps, in nanoseconds. 0: the engine's choice.
  uint64_t poll_spin_ns;
  // Bytes a leader takes before something has to be committed; beyond them proposals are
  // refused with `NRG_STATUS_BACKLOG`. 0: the engine's choice.
  uint64_t backlog_bytes_max;
} nrg_runtime_config;

// One ready node: a record of `nrg_runtime_poll`.
typedef struct {
  // The token the host gave the node; 0 for the runtime itself.
  uint64_t token;
  // What is ready: `NRG_READY_*`.
  uint32_t ready_mask;
  // Always 0.
  uint32_t reserved0;
} nrg_ready;

// The timers and intervals of a runtime, in nanoseconds. 0: the production value.
typedef struct {
  // `sizeof(nrg_tuning)` of the caller.
  uint32_t struct_size;
  // Must be 0.
  uint32_t reserved0;
  // Shortest election timeout. Production: 4 s.
  uint64_t election_min_ns;
  // Election timeouts are drawn below this. Production: 9 s.
  uint64_t election_max_ns;
  // Shortest delay of a campaign that was asked for. Production: 100 ms.
  uint64_t campaign_min_ns;
  // Campaign delays are drawn below this. Production: 800 ms.
  uint64_t campaign_max_ns;
  // A leader that stored nothing for this long sends a heartbeat. Production: 1 s.
  uint64_t heartbeat_ns;
  // A peer heard from within this counts as alive. Production: 10 s.
  uint64_t lost_quorum_interval_ns;
  // How often a leader asks itself whether it still has a quorum. Production: 10 s.
  uint64_t lost_quorum_check_ns;
  // Least time between two lost-quorum notices of a candidate. Production: 20 s.
  uint64_t lost_quorum_signal_ns;
  // The election timeout of a node that does not campaign. Production: 48 h.
  uint64_t observer_interval_ns;
  // How long a removed peer is not added again by itself. Production: 5 min.
  uint64_t peer_remove_timeout_ns;
  // How long a quorum rescue lasts. Production: 5 min.
  uint64_t rescue_timeout_ns;
} nrg_tuning;

// The counters of a runtime, since it was opened.
typedef struct {
  // `sizeof(nrg_metrics)` of the caller.
  uint32_t struct_size;
  // Always 0.
  uint32_t reserved0;
  // Groups hosted now.
  uint64_t groups;
  // Of these, groups led here.
  uint64_t leaders;
  // Log indexes committed.
  uint64_t commits;
  // Items handed to applications.
  uint64_t applied;
  // Syncs of a store.
  uint64_t syncs;
  // Time spent in them, in nanoseconds.
  uint64_t sync_nanos;
  // Proposals refused because the node is not the leader of the term, or steps down.
  uint64_t proposals_not_leader;
  // Proposals refused because too many bytes wait for their commit.
  uint64_t proposals_backlog;
  // Proposals refused for what they are: too large, of another kind, a removal that cannot be.
  uint64_t proposals_unfit;
  // Proposals refused because the node is stopped or has failed.
  uint64_t proposals_closed;
  // Proposals taken and never appended, because the leadership ended or changed.
  uint64_t proposals_dropped;
  // Messages given to a transport.
  uint64_t messages_sent;
  // Changes of leadership seen by the groups here.
  uint64_t leader_changes;
  // Received messages that could not be decoded.
  uint64_t messages_malformed;
  // Polls that returned records.
  uint64_t poll_wakes;
  // Log records dropped because nobody drained them.
  uint64_t log_records_dropped;
  // Times of single syncs dropped because nobody took them.
  uint64_t sync_times_dropped;
} nrg_metrics;

// One group on one server: what `nrg_node_open` opens and `nrg_bootstrap` prepares.
typedef struct {
  // `sizeof(nrg_node_config)` of the caller.
  uint32_t struct_size;
  // `NRG_NODE_MANAGED` and the bits after it.
  uint32_t flags;
  // The host's number for the node, returned with its events. Not 0.
  uint64_t token;
  // The server: the eight bytes of its id in memory order. Not 0.
  uint64_t peer_id;
  // The group's name: one token of a NATS subject, UTF-8, not terminated.
  const uint8_t *group_name_ptr;
  // Its length in bytes.
  size_t group_name_len;
  // The server's store; the group's folder is the one of its name in it. UTF-8.
  const uint8_t *store_root_ptr;
  // Its length in bytes.
  size_t store_root_len;
  // With `NRG_TRANSPORT_LOOPBACK`: the network. Borrowed during the call only.
  const nrg_loopback *loopback;
  // Where the log is kept: `NRG_LOG_FILE` or `NRG_LOG_MEMORY`.
  uint32_t log_kind;
  // What carries the messages: `NRG_TRANSPORT_*`.
  uint32_t transport;
} nrg_node_config;

// How an awaited proposal ended: a record of `nrg_node_outcomes_take`.
typedef struct {
  // The tag it was proposed with.
  uint64_t tag;
  // The log index of its entry; 0 unless `status` is `NRG_STATUS_OK`.
  uint64_t index;
  // `NRG_STATUS_OK`: committed, and reported as processed here. `NRG_STATUS_NOT_LEADER`: never
  // appended. `NRG_STATUS_UNDECIDED` and `NRG_STATUS_CLOSED`: it may or may not be committed.
  int32_t status;
  // Always 0.
  uint32_t reserved0;
} nrg_proposal_outcome;

// One record of a batch of entries. The data belongs to the batch and lives until it is freed.
typedef struct {
  // The log index; 0 for the nil guard and the catch-up marker.
  uint64_t index;
  // The entry's data; null when `data_len` is 0.
  const uint8_t *data_ptr;
  // Its length in bytes.
  size_t data_len;
  // `NRG_ENTRY_*`; a code the engine does not know is passed on as it is.
  uint32_t entry_type;
  // `NRG_ITEM_*`.
  uint32_t flags;
} nrg_batch_item;

// One log record of the engine. The texts belong to the batch and live until it is freed.
typedef struct {
  // When, in nanoseconds of Unix time.
  uint64_t unix_nanos;
  // The token of the node that wrote it; 0 for the runtime.
  uint64_t token;
  // The node's term then; 0 for the runtime.
  uint64_t term;
  // The log index the record is about; 0 for none.
  uint64_t index;
  // The group's name; null when there is none.
  const uint8_t *group_name_ptr;
  // Its length in bytes.
  size_t group_name_len;
  // What happened, UTF-8.
  const uint8_t *text_ptr;
  // Its length in bytes.
  size_t text_len;
  // `NRG_LOG_ERROR` to `NRG_LOG_DEBUG`.
  uint32_t level;
  // Always 0.
  uint32_t reserved0;
} nrg_log_record;

// One consistent view of a node.
typedef struct {
  // `sizeof(nrg_node_state)` of the caller.
  uint32_t struct_size;
  // `NRG_ROLE_*`.
  uint32_t role;
  // `NRG_NODE_IS_LEADER` and the bits after it.
  uint32_t flags;
  // When log bytes are forced to the disk: `NRG_SYNC_*`.
  uint32_t sync_policy;
  // The known leader; 0 for none.
  uint64_t leader;
  // Since when, in nanoseconds of Unix time; 0 for none.
  uint64_t leader_since_unix_nanos;
  // The vote of this term; 0 for none.
  uint64_t vote;
  // The current term.
  uint64_t term;
  // The term of the newest entry.
  uint64_t last_term;
  // The first index still in the log.
  uint64_t first_index;
  // The newest index in the log.
  uint64_t last_index;
  // The newest index that a power failure here would not take.
  uint64_t durable;
  // The highest index known to be committed.
  uint64_t commit;
  // The highest index the application has worked through.
  uint64_t processed;
  // The highest index the application is done with.
  uint64_t applied;
  // Entries in the log since the last snapshot.
  uint64_t entries;
  // Bytes of the log, as the server counts them.
  uint64_t bytes;
  // Times proposing was refused because of an overrun.
  uint64_t overrun_count;
  // When the node was opened, in nanoseconds of Unix time.
  uint64_t created_unix_nanos;
  // With `NRG_SYNC_INTERVAL`: the interval in nanoseconds.
  uint64_t sync_interval_ns;
  // Size of the group, known members and expected ones.
  uint32_t cluster_size;
  // Members needed for a commit.
  uint32_t quorum;
  // Proposals waiting.
  uint32_t proposal_queue_len;
  // Received append entries waiting.
  uint32_t entry_queue_len;
  // Received responses waiting.
  uint32_t response_queue_len;
  // Items waiting in the apply queue.
  uint32_t apply_queue_len;
} nrg_node_state;

// One member of a group: a record of `nrg_node_peers`.
typedef struct {
  // The eight bytes of its id in memory order.
  uint64_t id;
  // When it was last heard from, in nanoseconds of Unix time; 0 for never.
  uint64_t last_heard_unix_nanos;
  // How many committed indexes it is behind, as far as this node knows.
  uint64_t lag;
  // `NRG_PEER_*`.
  uint32_t flags;
  // Always 0.
  uint32_t reserved0;
} nrg_peer;

// One command for the host's transport: a record of a batch of commands. The texts and the payload
// belong to the batch and live until it is freed.
typedef struct {
  // The subscription, with subscribe and unsubscribe; 0 otherwise.
  uint64_t subscription;
  // The subject without wildcards, with a reset the account's name; UTF-8.
  const uint8_t *subject_ptr;
  // Its length in bytes.
  size_t subject_len;
  // Where an answer goes, UTF-8; null when nowhere.
  const uint8_t *reply_ptr;
  // Its length in bytes.
  size_t reply_len;
  // The message; null when it is empty.
  const uint8_t *payload_ptr;
  // Its length in bytes.
  size_t payload_len;
  // `NRG_OUTBOUND_*`.
  uint32_t kind;
  // With a reset `NRG_ACCOUNT_SYSTEM` or 0; 0 otherwise.
  uint32_t flags;
} nrg_outbound;

// One message the host heard: a record of `nrg_node_deliver_batch`. The ranges lie in the packed
// data of the call.
typedef struct {
  // The subscription it arrived on, as the subscribe command named it.
  uint64_t subscription;
  // Where the reply's subject begins, UTF-8.
  uint32_t reply_offset;
  // Its length in bytes; 0 for no reply.
  uint32_t reply_len;
  // Where the payload begins.
  uint32_t payload_offset;
  // Its length in bytes.
  uint32_t payload_len;
} nrg_inbound;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Writes how the library lays out a struct (`NRG_STRUCT_*`), so that a host can compare.
//
// The offsets of its fields go to `offsets_ptr` in the order of the header, their number to
// `count_out`, its size and alignment to `size_out` and `align_out`; the offsets may be asked for
// with a capacity of 0. With `NRG_STATUS_BUFFER_TOO_SMALL` only the three numbers are written. An
// unknown id: `NRG_STATUS_NOT_FOUND`. wait-free
//
// The caller guarantees:
// `offsets_ptr` is null or valid for writes of `offsets_cap` values; the other pointers are valid
// for a write.
int32_t nrg_abi_layout(uint32_t struct_id,
                       uint32_t *offsets_ptr,
                       size_t offsets_cap,
                       size_t *count_out,
                       size_t *size_out,
                       size_t *align_out);

// The version of the ABI, `major << 16 | minor`. wait-free
uint32_t nrg_abi_version(void);

// Writes a line about this build, for diagnostics: version, revision, target, flavour.
//
// UTF-8, not terminated; `needed_len_out` receives the length, also when the buffer is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`). wait-free
//
// The caller guarantees:
// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is valid for a write.
int32_t nrg_build_info(uint8_t *buf_ptr, size_t buf_len, size_t *needed_len_out);

// Writes the name of a status constant, such as `NRG_STATUS_OK`.
//
// UTF-8, not terminated; `needed_len_out` receives the length, also when the buffer is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`). A number that is no status: `NRG_STATUS_NOT_FOUND`. wait-free
//
// The caller guarantees:
// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is valid for a write.
int32_t nrg_status_name(int32_t code, uint8_t *buf_ptr, size_t buf_len, size_t *needed_len_out);

// Writes the text of the calling thread's last failure; empty if there was none.
//
// A success does not clear it, and this call does not replace it. UTF-8, not terminated;
// `needed_len_out` receives the length, also when the buffer is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`). wait-free
//
// The caller guarantees:
// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is valid for a write.
int32_t nrg_last_error(uint8_t *buf_ptr, size_t buf_len, size_t *needed_len_out);

// Starts an engine. Several in one process are independent. may block on disk
//
// The handle belongs to the caller, until `nrg_runtime_free`.
//
// The caller guarantees:
// `config` points to a struct of its own `struct_size`; `runtime_out` is valid for a write.
int32_t nrg_runtime_open(const nrg_runtime_config *config, nrg_runtime **runtime_out);

// Waits until nodes are ready, and says which: token and reasons of each, once.
//
// At most `events_cap` records (and no more than 256) go to `events_ptr`, their number to
// `count_out`; the rest comes with the next poll. A record is a hint: the take it announces
// returns everything there is, possibly nothing. 0 records mean that the time is over or
// `nrg_runtime_wake` was called. `timeout_ms` 0 does not wait, `NRG_TIMEOUT_INFINITE` waits for
// ever. After `nrg_runtime_shutdown`: `NRG_STATUS_SHUTDOWN`, for ever. short lock, waits
//
// The caller guarantees:
// `runtime` is a live handle; `events_ptr` is valid for writes of `events_cap` records;
// `count_out` is valid for a write.
int32_t nrg_runtime_poll(const nrg_runtime *runtime,
                         uint32_t timeout_ms,
                         nrg_ready *events_ptr,
                         size_t events_cap,
                         size_t *count_out);

// Makes a blocked `nrg_runtime_poll`, or the next one, return without records. short lock
//
// The caller guarantees:
// `runtime` is a live handle.
int32_t nrg_runtime_wake(const nrg_runtime *runtime);

// Changes the timers and intervals of this runtime; those armed already run out as they are.
// short lock
//
// The caller guarantees:
// `runtime` is a live handle; `tuning` points to a struct of its own `struct_size`.
int32_t nrg_runtime_set_tuning(const nrg_runtime *runtime, const nrg_tuning *tuning);

// Tells whether a server is known and online (`online` not 0): a leader hands its lead over only
// to such a one. Servers never told about count as online on loopback, and as offline where the
// host carries the messages. short lock
//
// `peer_id`: the eight bytes of its id in memory order, not 0.
//
// The caller guarantees:
// `runtime` is a live handle.
int32_t nrg_runtime_set_peer_online(const nrg_runtime *runtime, uint64_t peer_id, uint32_t online);

// Tells whether a way to other servers exists (`ready` not 0): before the first one a node does
// not campaign. Until it is told, so it is on loopback, and not where the host carries the
// messages. short lock
//
// The caller guarantees:
// `runtime` is a live handle.
int32_t nrg_runtime_set_routing_ready(const nrg_runtime *runtime, uint32_t ready);

// Tells whether the server may store nothing more in logs of a kind, `NRG_LOG_FILE` or
// `NRG_LOG_MEMORY` (`exhausted` not 0). Nodes opened with `NRG_NODE_TRACK` take no entries then
// and start no campaign; they go on giving votes. Never so before it is told. short lock
//
// The caller guarantees:
// `runtime` is a live handle.
int32_t nrg_runtime_set_resource_state(const nrg_runtime *runtime,
                                       uint32_t log_kind,
                                       uint32_t exhausted);

// Takes at most `max_items` log records, oldest first, as a batch of log records. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`; null when there are none.
//
// The caller guarantees:
// `runtime` is a live handle; `batch_out` is valid for a write.
int32_t nrg_runtime_log_take(const nrg_runtime *runtime, size_t max_items, nrg_batch **batch_out);

// Writes the counters of the runtime. short lock
//
// The caller guarantees:
// `runtime` is a live handle; `metrics_out` points to a struct of its own `struct_size`.
int32_t nrg_runtime_metrics(const nrg_runtime *runtime, nrg_metrics *metrics_out);

// Takes how long single syncs took, in nanoseconds, oldest first: what a histogram is made of.
// short lock
//
// Writes at most `times_cap` of them and their number; each is told once.
//
// The caller guarantees:
// `runtime` is a live handle; `times_ptr` is null or valid for writes of `times_cap` numbers;
// `count_out` is valid for a write.
int32_t nrg_runtime_sync_times_take(const nrg_runtime *runtime,
                                    uint64_t *times_ptr,
                                    size_t times_cap,
                                    size_t *count_out);

// Stops all nodes that still run, and every poll: it answers `NRG_STATUS_SHUTDOWN` from then on.
// Does not wait; a second call does nothing. short lock
//
// The caller guarantees:
// `runtime` is a live handle.
int32_t nrg_runtime_shutdown(const nrg_runtime *runtime);

// Shuts the runtime down if that was not done, and releases the handle; accepts null. Does not
// wait for the threads: they end by themselves. short lock
//
// The caller guarantees:
// `runtime` is null, or comes from `nrg_runtime_open`, was not freed, and is not used by another
// call now or later.
int32_t nrg_runtime_free(nrg_runtime *runtime);

// Writes the first peer state of a group, so that `nrg_node_open` can start it. may block on disk
//
// Only the group's name and the store root of `config` are used; a null `config` is
// `NRG_STATUS_NO_CONFIG`. `peers_ptr` holds the known members, each the eight bytes of an id in
// memory order. Without `NRG_BOOTSTRAP_ALL_PEERS_KNOWN` the expected size is at least 2 and at
// least `routes` plus `gateway_urls`, the host's numbers of configured routes and of gateway
// addresses of other clusters.
//
// The caller guarantees:
// `config` points to a struct of its own `struct_size` and what it names; `peers_ptr` is valid
// for reads of `peers_len` values.
int32_t nrg_bootstrap(const nrg_node_config *config,
                      const uint64_t *peers_ptr,
                      size_t peers_len,
                      uint32_t flags,
                      uint32_t routes,
                      uint32_t gateway_urls);

// Recovers a group from its folder and starts its node. may block on disk
//
// The handle belongs to the caller, until `nrg_node_free`. The group must have been bootstrapped
// (`NRG_STATUS_NO_PEER_STATE`), and must not be open already for the same server
// (`NRG_STATUS_ALREADY_OPEN`).
//
// The caller guarantees:
// `runtime` is a live handle; `config` points to a struct of its own `struct_size` and what it
// names; `node_out` is valid for a write.
int32_t nrg_node_open(const nrg_runtime *runtime,
                      const nrg_node_config *config,
                      nrg_node **node_out);

// Begins to stop the node and returns; the event `NRG_READY_STOPPED` follows. A second call does
// nothing. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_stop(const nrg_node *node);

// Stops the node and removes its storage; the event `NRG_READY_STOPPED` follows. may block on
// disk
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_delete(const nrg_node *node);

// Releases the handle; accepts null. A node that still runs goes on, unless the host carries its
// messages: nobody could take them any more, so it is stopped. With the last owner of a node that
// has stopped the memory of its log is released. short lock
//
// The caller guarantees:
// `node` is null, or comes from `nrg_node_open`, was not freed, and is not used by another call
// now or later.
int32_t nrg_node_free(nrg_node *node);

// Proposes one entry in the term that the caller believes to be current. short lock
//
// OK means that the leader took it, not that it is committed: its commit shows in the apply
// queue. Another term, or no leadership: `NRG_STATUS_NOT_LEADER`. The data is copied once.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
int32_t nrg_node_propose(const nrg_node *node,
                         uint64_t term,
                         const uint8_t *data_ptr,
                         size_t data_len);

// As `nrg_node_propose`, for a proposal whose end is awaited: `NRG_READY_OUTCOME` announces it,
// `nrg_node_outcomes_take` tells it. short lock
//
// `tag`, not 0, is the host's name for the proposal; it is neither sent nor stored. With OK there
// is one outcome for it, unless the node panics; otherwise none. One proposed while the node stops
// may be left without: after `NRG_READY_STOPPED` what has none yet is as with `NRG_STATUS_CLOSED`.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
int32_t nrg_node_propose_awaited(const nrg_node *node,
                                 uint64_t term,
                                 const uint8_t *data_ptr,
                                 size_t data_len,
                                 uint64_t tag);

// Takes the outcomes of awaited proposals, the oldest first: at most `outcomes_cap` records, their
// number to `count_out`. Works on a stopped node too. short lock
//
// The caller guarantees:
// `node` is a live handle; `outcomes_ptr` is valid for writes of `outcomes_cap` records;
// `count_out` is valid for a write.
int32_t nrg_node_outcomes_take(const nrg_node *node,
                               nrg_proposal_outcome *outcomes_ptr,
                               size_t outcomes_cap,
                               size_t *count_out);

// Proposes several entries at once: all of them, in a row, or none. short lock
//
// The data of all lies packed behind `data_ptr`, in order; `lengths_ptr` has the length of each
// and `count` their number. `types_ptr` has the type code of each (`NRG_ENTRY_*`), or is null
// when all are `NRG_ENTRY_NORMAL`. Lengths that do not add up to `data_len`:
// `NRG_STATUS_INVALID_ARGUMENT`. Otherwise as `nrg_node_propose`; the data is copied once.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `lengths_ptr`, and `types_ptr` unless null, are valid for reads of `count` values.
int32_t nrg_node_propose_batch(const nrg_node *node,
                               uint64_t term,
                               const uint8_t *data_ptr,
                               size_t data_len,
                               const uint32_t *lengths_ptr,
                               const uint8_t *types_ptr,
                               size_t count);

// Proposes here when this node leads, else sends the data to the leader and forgets it.
// short lock
//
// OK says nothing about what becomes of it. The data is copied once.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
int32_t nrg_node_forward_proposal(const nrg_node *node, const uint8_t *data_ptr, size_t data_len);

// Takes committed entries, oldest first, as a batch of entries. short lock
//
// At most `max_items` log indexes, or fewer when their data exceeds `max_bytes`; at least one when
// there is any. The records of one index are never split over two batches. Every index above 0
// must be reported with `nrg_node_processed`. The batch belongs to the caller, until
// `nrg_batch_free`; null when the queue is empty. Works on a stopped node too.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_node_apply_take(const nrg_node *node,
                            size_t max_items,
                            size_t max_bytes,
                            nrg_batch **batch_out);

// Reports how far the application is: worked through `index`, done for good with `applied`.
//
// Once for each batch is enough. Writes what a snapshot at `applied` would free: entries and
// bytes. short lock
//
// The caller guarantees:
// `node` is a live handle; the other pointers are valid for a write.
int32_t nrg_node_processed(const nrg_node *node,
                           uint64_t index,
                           uint64_t applied,
                           uint64_t *entries_out,
                           uint64_t *bytes_out);

// Holds back what is committed from now on, until `nrg_node_apply_resume`. short lock
//
// A node that leads: `NRG_STATUS_ALREADY_LEADER`.
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_apply_pause(const nrg_node *node);

// Releases what `nrg_node_apply_pause` holds back. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_apply_resume(const nrg_node *node);

// The records of a batch and their number; null and 0 for null and for a batch of another kind.
// wait-free
//
// They belong to the batch: nothing may be written to them, and they end with it.
//
// The caller guarantees:
// `batch` is null or a live handle; `count_out` is null or valid for a write.
const nrg_batch_item *nrg_batch_items(const nrg_batch *batch, size_t *count_out);

// The records of a batch of log records; null and 0 for null and for a batch of another kind.
// wait-free
//
// They belong to the batch: nothing may be written to them, and they end with it.
//
// The caller guarantees:
// `batch` is null or a live handle; `count_out` is null or valid for a write.
const nrg_log_record *nrg_batch_log_records(const nrg_batch *batch, size_t *count_out);

// Releases a batch with everything its records point to; accepts null. wait-free
//
// The caller guarantees:
// `batch` is null, or comes from a take, was not freed, and is not used now or later.
int32_t nrg_batch_free(nrg_batch *batch);

// Takes the newest leadership change that was not taken yet. short lock
//
// `present_out` receives 1 and the other two what changed, or 0 and nothing. Older changes that
// were not taken are gone.
//
// The caller guarantees:
// `node` is a live handle; the other pointers are valid for a write.
int32_t nrg_node_lead_change_take(const nrg_node *node,
                                  uint32_t *present_out,
                                  uint32_t *is_leader_out,
                                  uint64_t *term_out);

// Gives the leadership up, to a preferred peer if one is given and it is online and healthy.
// short lock
//
// `preferred_ptr` holds at most one id, the eight bytes in memory order; more are
// `NRG_STATUS_TOO_MANY_PREFS`. A node that does not lead: `NRG_STATUS_NOT_LEADER`.
//
// The caller guarantees:
// `node` is a live handle; `preferred_ptr` is null or valid for reads of `preferred_len` values.
int32_t nrg_node_step_down(const nrg_node *node,
                           const uint64_t *preferred_ptr,
                           size_t preferred_len);

// Campaigns soon, or with `NRG_CAMPAIGN_IMMEDIATELY` at once as the preferred leader. short lock
//
// A node that leads: `NRG_STATUS_ALREADY_LEADER`.
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_campaign(const nrg_node *node, uint32_t flags);

// Makes the node an observer (`observer` not 0) or a full member (0). A leader goes on leading.
// short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_set_observer(const nrg_node *node, uint32_t observer);

// Proposes a peer as a member. short lock
//
// `peer_id`: the eight bytes of its id in memory order, not 0. OK means that the leader took it:
// its commit shows in the apply queue. A node that does not lead: `NRG_STATUS_NOT_LEADER`; another
// change under way: `NRG_STATUS_MEMBERSHIP_CHANGE`; a leader that is too new:
// `NRG_STATUS_LEADER_NOT_READY`.
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_propose_add_peer(const nrg_node *node, uint64_t peer_id);

// Proposes that a member leaves; a node that does not lead asks the leader and forgets it.
// short lock
//
// On a leader, as `nrg_node_propose_add_peer`; besides, no such member:
// `NRG_STATUS_PEER_NOT_FOUND`, the only one: `NRG_STATUS_REMOVE_LAST_NODE`.
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_propose_remove_peer(const nrg_node *node, uint64_t peer_id);

// Drops members of a managed group that has lost its quorum, outside the log: every member that
// is left has to be told. short lock
//
// The ids of those that were dropped go to `evicted_ptr`, which has room for `peers_len` of them,
// their number to `count_out`. This node and strangers are passed over. Not managed:
// `NRG_STATUS_NOT_MANAGED`; a leader is known: `NRG_STATUS_NOT_LEADERLESS`; those who stay might
// elect one: `NRG_STATUS_QUORUM_POSSIBLE`.
//
// The caller guarantees:
// `node` is a live handle; `peers_ptr` is null or valid for reads, and `evicted_ptr` for writes,
// of `peers_len` values; they may be the same; `count_out` is valid for a write.
int32_t nrg_node_evict_peers(const nrg_node *node,
                             const uint64_t *peers_ptr,
                             size_t peers_len,
                             uint64_t *evicted_ptr,
                             size_t *count_out);

// Lowers the quorum for the rescue timeout. Unsafe: entries that only missing members hold may be
// lost. For a group that lost too many members for good. short lock
//
// The quorum before and now go to `previous_out` and `current_out`. A quorum outside 1 to the
// present one: `NRG_STATUS_RESCUE_BAD_QUORUM`; a known leader: `NRG_STATUS_RESCUE_LEADER_KNOWN`;
// an observer or no member: `NRG_STATUS_RESCUE_NOT_VOTING`; nothing in the log:
// `NRG_STATUS_RESCUE_EMPTY_LOG`.
//
// The caller guarantees:
// `node` is a live handle; the other pointers are valid for a write.
int32_t nrg_node_rescue_quorum(const nrg_node *node,
                               uint32_t quorum,
                               uint32_t *previous_out,
                               uint32_t *current_out);

// Sets the expected size of the group, at least 2. short lock
//
// On the leader, which tells the others; else `NRG_STATUS_NOT_LEADER`. With `NRG_ADJUST_BOOT` on
// any node of a group that never had a leader, here only; else `NRG_STATUS_ADJUST_BOOT_CLUSTER`.
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_adjust_cluster_size(const nrg_node *node, uint32_t cluster_size, uint32_t flags);

// Writes one consistent view of the node. Works on a closed node too. short lock
//
// The caller guarantees:
// `node` is a live handle; `state_out` points to a struct of its own `struct_size`.
int32_t nrg_node_status(const nrg_node *node, nrg_node_state *state_out);

// Writes a record for each peer whose vote counts, this node included, sorted by id: each member
// (`NRG_PEER_MEMBER`), and the one whose removal is not committed.
//
// `count_out` receives their number, also when `peers_cap` is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`, no records are written then). short lock
//
// The caller guarantees:
// `node` is a live handle; `peers_ptr` is null or valid for writes of `peers_cap` records;
// `count_out` is valid for a write.
int32_t nrg_node_peers(const nrg_node *node,
                       nrg_peer *peers_ptr,
                       size_t peers_cap,
                       size_t *count_out);

// Writes when a peer was last heard from, in nanoseconds of Unix time; 0 for never, and for a
// peer that is not known. short lock
//
// The caller guarantees:
// `node` is a live handle; `unix_nanos_out` is valid for a write.
int32_t nrg_node_last_heard(const nrg_node *node, uint64_t peer_id, uint64_t *unix_nanos_out);

// Writes 1 when the node is up to date or makes progress towards it, else 0. Waits at most 10 ms
// for a sign of progress. short lock, waits
//
// The caller guarantees:
// `node` is a live handle; `healthy_out` is valid for a write.
int32_t nrg_node_check_health(const nrg_node *node, uint32_t *healthy_out);

// Writes why the node failed for good: `code_out` receives `NRG_STATUS_WRITE_ERROR`,
// `NRG_STATUS_ENTRY_LOAD_FAILED`, `NRG_STATUS_TRUNCATE_BELOW_COMMIT` or `NRG_STATUS_PANIC`, or
// `NRG_STATUS_OK` when it has not failed; the text goes to the buffer.
//
// UTF-8, not terminated; `needed_len_out` receives the length, also when the buffer is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`, nothing else is written then). Works on a closed node too.
// short lock
//
// The caller guarantees:
// `node` is a live handle; `buf_ptr` is null or valid for writes of `buf_len` bytes; the other
// pointers are valid for a write.
int32_t nrg_node_write_error(const nrg_node *node,
                             int32_t *code_out,
                             uint8_t *buf_ptr,
                             size_t buf_len,
                             size_t *needed_len_out);

// Reads the newest warning or error the node has logged, as a batch of one log record. Null when
// there was none. Works on a closed node too. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_node_last_problem(const nrg_node *node, nrg_batch **batch_out);

// Installs a snapshot of everything applied and drops the log before it. may block on disk
//
// Writes how many bytes of the log that freed. Without `force` (0), an open checkpoint is
// `NRG_STATUS_SNAPSHOT_IN_PROGRESS` and a follower being caught up
// `NRG_STATUS_CATCHUPS_RUNNING`. Nothing new applied: `NRG_STATUS_NO_SNAPSHOT`. When the disk
// refuses (`NRG_STATUS_IO`) nothing changed, and it may be tried again. The data is copied once.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes; `freed_out`
// is valid for a write.
int32_t nrg_node_snapshot_install(const nrg_node *node,
                                  const uint8_t *data_ptr,
                                  size_t data_len,
                                  uint32_t force,
                                  uint64_t *freed_out);

// Reads the last snapshot, as a batch of one record: the index it covers and the data.
// may block on disk
//
// The batch belongs to the caller, until `nrg_batch_free`. None was made:
// `NRG_STATUS_NO_SNAPSHOT`; the file is damaged: `NRG_STATUS_SNAPSHOT_CORRUPT`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_node_snapshot_load(const nrg_node *node, nrg_batch **batch_out);

// Appends a snapshot of the application as an ordinary entry, so that members start from it.
// short lock
//
// Only a leader may (`NRG_STATUS_NOT_LEADER`). The data is copied once.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
int32_t nrg_node_snapshot_send(const nrg_node *node, const uint8_t *data_ptr, size_t data_len);

// Empties the apply queue and hands the last snapshot to the application once more; what follows
// it is held back until `nrg_node_apply_resume`. A leader steps down. may block on disk
//
// Writes 1, or 0 when there is no snapshot that can be read: then nothing changed.
//
// The caller guarantees:
// `node` is a live handle; `replayed_out` is valid for a write.
int32_t nrg_node_drain_and_replay_snapshot(const nrg_node *node, uint32_t *replayed_out);

// Forgets log, snapshots, members, term and vote: the node becomes an empty group of one and goes
// on. Make it an observer first, or it elects itself. Does nothing to a stopped node. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_reset(const nrg_node *node);

// Opens a checkpoint of everything applied, to be read from and installed while the node goes on.
// short lock
//
// The handle belongs to the caller, until `nrg_checkpoint_free`. One may be open at a time;
// `force` (not 0) replaces an open one. Refused as `nrg_node_snapshot_install` is. Once the
// checkpoint is over, aborted, installed or replaced, its calls answer
// `NRG_STATUS_SNAPSHOT_ABORTED`, and `NRG_STATUS_CLOSED` once the node has stopped.
//
// The caller guarantees:
// `node` is a live handle; `checkpoint_out` is valid for a write.
int32_t nrg_checkpoint_open(const nrg_node *node, uint32_t force, nrg_checkpoint **checkpoint_out);

// Reads the snapshot that was the last one when the checkpoint was opened, as
// `nrg_node_snapshot_load` does. may block on disk
//
// The caller guarantees:
// `checkpoint` is a live handle; `batch_out` is valid for a write.
int32_t nrg_checkpoint_load_last(const nrg_checkpoint *checkpoint, nrg_batch **batch_out);

// Takes entries of the log since the last snapshot, up to the checkpoint, beginning at log index
// `from`; 0 begins at the first. Null when none are left. may block on disk
//
// At most `max_items` log indexes, or fewer when their data exceeds `max_bytes`; at least one when
// there is any. The records are as in `nrg_node_apply_take`, with every type of entry. The batch
// belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `checkpoint` is a live handle; `batch_out` is valid for a write.
int32_t nrg_checkpoint_entries_take(const nrg_checkpoint *checkpoint,
                                    uint64_t from,
                                    size_t max_items,
                                    size_t max_bytes,
                                    nrg_batch **batch_out);

// Installs the application's state at the checkpoint as the snapshot and drops the log before it.
// may block on disk
//
// Writes how many bytes of the log that freed. The checkpoint is over then, failed or not. The
// data is copied once.
//
// The caller guarantees:
// `checkpoint` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `freed_out` is valid for a write.
int32_t nrg_checkpoint_install(const nrg_checkpoint *checkpoint,
                               const uint8_t *data_ptr,
                               size_t data_len,
                               uint64_t *freed_out);

// Ends a checkpoint without a snapshot, on any thread, during its install too. Does nothing to one
// that is over. short lock
//
// The caller guarantees:
// `checkpoint` is a live handle.
int32_t nrg_checkpoint_abort(const nrg_checkpoint *checkpoint);

// Releases the handle, and aborts the checkpoint if it is still open; accepts null. short lock
//
// The caller guarantees:
// `checkpoint` is null, or comes from `nrg_checkpoint_open`, was not freed, and is not used by
// another call now or later.
int32_t nrg_checkpoint_free(nrg_checkpoint *checkpoint);

// Makes an in-process network without partitions. wait-free
//
// The handle belongs to the caller, until `nrg_loopback_free`.
//
// The caller guarantees:
// `loopback_out` is valid for a write.
int32_t nrg_loopback_open(nrg_loopback **loopback_out);

// Releases the handle; accepts null. Nodes on the network go on. wait-free
//
// The caller guarantees:
// `loopback` is null, or comes from `nrg_loopback_open`, was not freed, and is not used by
// another call now or later.
int32_t nrg_loopback_free(nrg_loopback *loopback);

// Puts a server into a partition; servers reach each other when their numbers are equal. All
// start in 0, and 0 heals. short lock
//
// `peer_id`: the eight bytes of its id in memory order, not 0.
//
// The caller guarantees:
// `loopback` is a live handle.
int32_t nrg_loopback_set_partition(const nrg_loopback *loopback,
                                   uint64_t peer_id,
                                   uint32_t partition);

// Stops (`frozen` not 0) or resumes (0) the inputs, timers and commands of a node on this
// network, as if its process were suspended: whatever commands it waits until it is resumed.
// Reading, proposing, stopping, deleting and freeing do not wait. short lock
//
// A node of another network: `NRG_STATUS_INVALID_ARGUMENT`.
//
// The caller guarantees:
// `loopback` and `node` are live handles.
int32_t nrg_loopback_freeze(const nrg_loopback *loopback, const nrg_node *node, uint32_t frozen);

// Takes commands for the host's transport, oldest first, as a batch of commands. short lock
//
// At most `max_items` and about `max_bytes`, one at least. Carry them out in their order: a
// subscription has to exist before the message that names its inbox, and what a node publishes
// has to reach each receiver in the order it was published. After `NRG_READY_OUTBOUND` take until
// nothing is left; the engine's queue has no bound of its own. A node that has stopped or failed
// still has its last commands.
//
// The batch belongs to the caller, until `nrg_batch_free`; null when there are none. Free it when
// its commands are carried out: with `NRG_CLOCK_MANUAL` time waits for that. A node whose messages
// something else carries: `NRG_STATUS_INVALID_ARGUMENT`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_node_outbound_take(const nrg_node *node,
                               size_t max_items,
                               size_t max_bytes,
                               nrg_batch **batch_out);

// The records of a batch of commands and their number; null and 0 for null and for a batch of
// another kind. wait-free
//
// They belong to the batch: nothing may be written to them, and they end with it.
//
// The caller guarantees:
// `batch` is null or a live handle; `count_out` is null or valid for a write.
const nrg_outbound *nrg_batch_outbound(const nrg_batch *batch, size_t *count_out);

// Hands over messages that the host heard on the node's subscriptions, in the order it heard
// them: all or none. short lock
//
// The texts and payloads lie packed behind `data_ptr`; each record says where its own are. They
// are copied once. A range outside `data_len`: `NRG_STATUS_INVALID_ARGUMENT`; a reply that is not
// UTF-8: `NRG_STATUS_INVALID_UTF8`. Messages of a subscription that was ended meanwhile, or never
// existed, are dropped. A node that has stopped: `NRG_STATUS_CLOSED`. Does not wait for a frozen
// node.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `records_ptr` is null or valid for reads of `count` records.
int32_t nrg_node_deliver_batch(const nrg_node *node,
                               const uint8_t *data_ptr,
                               size_t data_len,
                               const nrg_inbound *records_ptr,
                               size_t count);

// Reports that a subscribe command could not be carried out. Without one of its permanent
// subscriptions the node would be deaf: it closes, with `NRG_STATUS_NO_TRANSPORT` as its write
// error. Otherwise the catch-up or the leadership that needed it ends. An id of a subscription
// that is no more is ignored. Does not wait for a frozen node. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_subscribe_failed(const nrg_node *node, uint64_t subscription);

// Has the node subscribe anew, with new inboxes: what the transport had is lost. A reset command
// comes first. What arrives on the old subscriptions is dropped from now on. Does not wait for a
// frozen node; a stopped one does nothing. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_node_transport_reset(const nrg_node *node);

// Tells which account the group's traffic uses. Another one than before has the node subscribe
// anew, as `nrg_node_transport_reset`; the same one does nothing. A node begins in the system
// account, called `$SYS`. short lock
//
// `name_ptr`: the account's name, UTF-8, not empty. `flags`: `NRG_ACCOUNT_SYSTEM` or 0.
//
// The caller guarantees:
// `node` is a live handle; `name_ptr` is null or valid for reads of `name_len` bytes.
int32_t nrg_node_set_traffic_account(const nrg_node *node,
                                     const uint8_t *name_ptr,
                                     size_t name_len,
                                     uint32_t flags);

// Writes the name of the account the group's traffic uses, UTF-8, not terminated, and whether it
// is the system account. short lock
//
// `needed_len_out` receives the name's length, also when the buffer is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`). On loopback it counts as the system account.
//
// The caller guarantees:
// `node` is a live handle; `buf_ptr` is null or valid for writes of `buf_len` bytes; the other
// pointers are valid for a write.
int32_t nrg_node_traffic_account(const nrg_node *node,
                                 uint32_t *is_system_out,
                                 uint8_t *buf_ptr,
                                 size_t buf_len,
                                 size_t *needed_len_out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NRG_H */
