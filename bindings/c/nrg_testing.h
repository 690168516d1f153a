#ifndef NRG_TESTING_H
#define NRG_TESTING_H

// Generated from raft-ffi by ./build.sh bindings. Do not edit.

#include "nrg.h"

// Operation of `nrg_test_codec`: wire bytes in, JSON out.
#define NRG_TEST_CODEC_DECODE 0

// Operation of `nrg_test_codec`: JSON in, wire bytes out.
#define NRG_TEST_CODEC_ENCODE 1

// Kind of `nrg_test_inject_fault`: this very call panics, which poisons the node.
#define NRG_TEST_FAULT_PANIC_IN_CALL 1

// Kind of `nrg_test_inject_fault`: the node panics by itself, inside the engine; the call is OK.
#define NRG_TEST_FAULT_PANIC_IN_NODE 2

// Kind of `nrg_test_inject_fault`: the node panics in the command of this call, inside the engine.
#define NRG_TEST_FAULT_PANIC_IN_COMMAND 3

// Flag of `nrg_test_node_open`: a hand-made node without a log.
#define NRG_TEST_NODE_NO_LOG 1

// Flag of `nrg_test_node_open`: a hand-made node whose messages go nowhere.
#define NRG_TEST_NODE_NO_TRANSPORT 2

// Kind of `nrg_test_live_objects`: runtimes, of the process.
#define NRG_TEST_OBJECT_RUNTIME 0

// Kind of `nrg_test_live_objects`: nodes, of a runtime.
#define NRG_TEST_OBJECT_NODE 1

// Kind of `nrg_test_live_objects`: batches, of a runtime; those of test functions, of the process.
#define NRG_TEST_OBJECT_BATCH 2

// Kind of `nrg_test_live_objects`: checkpoints, of a runtime.
#define NRG_TEST_OBJECT_CHECKPOINT 3

// Kind of `nrg_test_live_objects`: loopback networks, of the process.
#define NRG_TEST_OBJECT_LOOPBACK 4

// Kind of `nrg_test_live_objects`: taps, of the process.
#define NRG_TEST_OBJECT_TAP 5

// Origin of an append entry: the group's subject.
#define NRG_TEST_ORIGIN_LIVE 0

// Origin of an append entry: a catch-up, whose handle is given.
#define NRG_TEST_ORIGIN_CATCHUP 1

// Origin of an append entry: the node's own log.
#define NRG_TEST_ORIGIN_REPLAY 2

// `nrg_abi_layout`: `nrg_test_message`.
#define NRG_TEST_STRUCT_MESSAGE 1001

// A listener on an in-process network: keeps what is sent until it is taken.
typedef struct nrg_test_tap nrg_test_tap;

// One message that was sent: a record of a batch of messages. What it points to belongs to the
// batch and lives until it is freed.
typedef struct {
  // Who sent it, the eight bytes of the id in memory order; 0 for an injected one.
  uint64_t source;
  // The subject, UTF-8.
  const uint8_t *subject_ptr;
  // Its length in bytes.
  size_t subject_len;
  // The subject for answers; null when there is none.
  const uint8_t *reply_ptr;
  // Its length in bytes.
  size_t reply_len;
  // The message itself.
  const uint8_t *payload_ptr;
  // Its length in bytes.
  size_t payload_len;
} nrg_test_message;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Server: `catchupFollower`. The frame is the follower's answer, the reply its inbox. short
// lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_catchup_follower(const nrg_node *node,
                                  const uint8_t *frame_ptr,
                                  size_t frame_len,
                                  const uint8_t *reply_ptr,
                                  size_t reply_len);

// Server: `createCatchup`. The inbox comes as a batch of one record. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes;
// `batch_out` is valid for a write.
int32_t nrg_test_create_catchup(const nrg_node *node,
                                const uint8_t *frame_ptr,
                                size_t frame_len,
                                nrg_batch **batch_out);

// Server: `cancelCatchup`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_cancel_catchup(const nrg_node *node);

// Server: `catchupStalled`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `stalled_out` is valid for a write.
int32_t nrg_test_catchup_stalled(const nrg_node *node, uint32_t *stalled_out);

// Server: `sendCatchupSignal`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_send_catchup_signal(const nrg_node *node);

// Server: `cancelCatchupSignal`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_cancel_catchup_signal(const nrg_node *node);

// Moves the time of a runtime with `NRG_CLOCK_MANUAL`, from deadline to deadline; between two it
// waits until messages, queues and disk are at rest. Reporting what was applied is the caller's
// business. may block on disk
//
// Something that does not come to rest, or a runtime with the machine's clock: `NRG_STATUS_BUSY`,
// the text says which.
//
// The caller guarantees:
// `runtime` is a live handle.
int32_t nrg_test_clock_advance(const nrg_runtime *runtime, uint64_t by_ns);

// Decodes or encodes one message or file (`NRG_TEST_CODEC_*`). wait-free
//
// `name_ptr`: `append_entry`, `append_entry_response`, `vote_request`, `vote_response`,
// `peer_state`, `snapshot_file` or `term_vote`; another one is `NRG_STATUS_NOT_FOUND`. The JSON
// has the fields of the golden vectors; an id is a text, or with `_hex` after its name any bytes.
// `node_id` can be encoded only: from the `server_name` to the id.
// `group_name_ptr` is the key of a snapshot file's checksum; empty means `TEST`. The result goes
// to the buffer; `needed_len_out` receives its length, also when the buffer is too small
// (`NRG_STATUS_BUFFER_TOO_SMALL`): then the buffer is not touched.
//
// The caller guarantees:
// Each input pointer is null or valid for reads of its length; `buf_ptr` is null or valid for
// writes of `buf_len` bytes; `needed_len_out` is valid for a write.
int32_t nrg_test_codec(uint32_t operation,
                       const uint8_t *name_ptr,
                       size_t name_len,
                       const uint8_t *group_name_ptr,
                       size_t group_name_len,
                       const uint8_t *input_ptr,
                       size_t input_len,
                       uint8_t *buf_ptr,
                       size_t buf_len,
                       size_t *needed_len_out);

// Copies a packed batch, as `nrg_node_propose_batch` takes it, into a batch of entries, as
// `nrg_node_apply_take` hands it out. The index of a record is its place, from 0. wait-free
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `data_ptr` is null or valid for reads of `data_len` bytes; `lengths_ptr` is null or valid for
// reads of `count` values; `batch_out` is valid for a write.
int32_t nrg_test_echo_batch(const uint8_t *data_ptr,
                            size_t data_len,
                            const uint32_t *lengths_ptr,
                            size_t count,
                            nrg_batch **batch_out);

// Server: `switchToCandidate`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_switch_to_candidate(const nrg_node *node);

// Server: `switchToLeader`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_switch_to_leader(const nrg_node *node);

// Server: `switchToFollower`. 0 is no leader. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_switch_to_follower(const nrg_node *node, uint64_t leader);

// Server: `switchToFollowerLocked`. 0 is no leader. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_switch_to_follower_locked(const nrg_node *node, uint64_t leader);

// Server: `stepdown`. 0 is no leader. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_step_down_core(const nrg_node *node, uint64_t leader);

// Server: `switchState`. `role` is one of `NRG_ROLE_*`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_switch_state(const nrg_node *node, uint32_t role);

// Server: `updateLeader`. 0 is no leader. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_update_leader(const nrg_node *node, uint64_t leader);

// Server: `updateLeadChange`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_update_lead_change(const nrg_node *node, uint32_t is_leader);

// Server: `requestVote`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_request_vote(const nrg_node *node);

// Server: `processVoteRequest`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_process_vote_request(const nrg_node *node,
                                      const uint8_t *frame_ptr,
                                      size_t frame_len,
                                      const uint8_t *reply_ptr,
                                      size_t reply_len);

// Server: `handleVoteRequest`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_handle_vote_request(const nrg_node *node,
                                     const uint8_t *frame_ptr,
                                     size_t frame_len,
                                     const uint8_t *reply_ptr,
                                     size_t reply_len);

// Server: `handleVoteResponse`. short lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
int32_t nrg_test_handle_vote_response(const nrg_node *node,
                                      const uint8_t *frame_ptr,
                                      size_t frame_len);

// Server: `wonElection`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `won_out` is valid for a write.
int32_t nrg_test_won_election(const nrg_node *node, uint32_t votes, uint32_t *won_out);

// Server: `lostQuorum`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `lost_out` is valid for a write.
int32_t nrg_test_lost_quorum(const nrg_node *node, uint32_t *lost_out);

// Server: `resetElect`; for 0 `resetElectionTimeout`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_reset_elect(const nrg_node *node, uint64_t after_ns);

// Server: `setObserver`, with an extension state. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_set_observer_core(const nrg_node *node, uint32_t observer, uint32_t extension);

// Server: `writeTermVote`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_write_term_vote(const nrg_node *node);

// Server: `readTermVote`: what the file says. may block on disk
//
// The caller guarantees:
// `node` is a live handle; the other pointers are valid for a write.
int32_t nrg_test_read_term_vote(const nrg_node *node, uint64_t *term_out, uint64_t *vote_out);

// Server: `setWriteErr`. short lock
//
// The caller guarantees:
// `node` is a live handle; `text_ptr` is null or valid for reads of `text_len` bytes.
int32_t nrg_test_set_write_err(const nrg_node *node, const uint8_t *text_ptr, size_t text_len);

// Server: `setWriteErrLocked`. short lock
//
// The caller guarantees:
// `node` is a live handle; `text_ptr` is null or valid for reads of `text_len` bytes.
int32_t nrg_test_set_write_err_locked(const nrg_node *node,
                                      const uint8_t *text_ptr,
                                      size_t text_len);

// Server: `isClosed`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `closed_out` is valid for a write.
int32_t nrg_test_is_closed(const nrg_node *node, uint32_t *closed_out);

// Server: `runAsFollower`, on a detached node. Plays turns, moving the clock from deadline to
// deadline, until the node leaves the loop or `limit_ns` has passed on its clock; writes the
// role at the end (`NRG_ROLE_*`). may block on disk
//
// The caller guarantees:
// `node` is a live handle; `role_out` is valid for a write.
int32_t nrg_test_run_as_follower(const nrg_node *node, uint64_t limit_ns, uint32_t *role_out);

// Server: `runAsCandidate`, on a detached node. Plays turns, moving the clock from deadline to
// deadline, until the node leaves the loop or `limit_ns` has passed on its clock; writes the
// role at the end (`NRG_ROLE_*`). may block on disk
//
// The caller guarantees:
// `node` is a live handle; `role_out` is valid for a write.
int32_t nrg_test_run_as_candidate(const nrg_node *node, uint64_t limit_ns, uint32_t *role_out);

// Server: `runAsLeader`, on a detached node. Plays turns, moving the clock from deadline to
// deadline, until the node leaves the loop or `limit_ns` has passed on its clock; writes the
// role at the end (`NRG_ROLE_*`). may block on disk
//
// The caller guarantees:
// `node` is a live handle; `role_out` is valid for a write.
int32_t nrg_test_run_as_leader(const nrg_node *node, uint64_t limit_ns, uint32_t *role_out);

// Server: `run`, on a detached node: plays turns until the node is closed or `limit_ns` has
// passed on its clock. may block on disk
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_run(const nrg_node *node, uint64_t limit_ns);

// Makes a node fail in the way `kind` says (`NRG_TEST_FAULT_*`). short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_inject_fault(const nrg_node *node, uint32_t kind);

// Takes what a detached node has sent, in order, as a batch of messages. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`; null when nothing was sent.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_spy_take(const nrg_node *node, nrg_batch **batch_out);

// Hands a message to whatever subscription a node has to a subject; it is queued. Writes 1 when
// there is one, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length; `heard_out` is
// valid for a write.
int32_t nrg_test_inject(const nrg_node *node,
                        const uint8_t *subject_ptr,
                        size_t subject_len,
                        const uint8_t *reply_ptr,
                        size_t reply_len,
                        const uint8_t *payload_ptr,
                        size_t payload_len,
                        uint32_t *heard_out);

// Lets one more peer answer each vote request of a detached node from now on; for the id 0 nobody
// does any more. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_auto_answer(const nrg_node *node,
                             uint64_t peer_id,
                             uint32_t granted,
                             uint32_t empty);

// Holds back the syncs of a detached node (`hold` not 0), and with them what rests on them, or
// lets them pass (0). may block on disk
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_hold_sync(const nrg_node *node, uint32_t hold);

// Takes all permits of a detached node to use the disk (`taken` not 0), so that whoever writes
// waits, or gives them back (0). short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_permits(const nrg_node *node, uint32_t taken);

// Moves the time of a detached node's runtime. No timer fires but in a turn, the end of a quorum
// rescue apart. may block on disk
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_advance(const nrg_node *node, uint64_t by_ns);

// Plays one turn of a detached node's main loop. may block on disk
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_turn(const nrg_node *node);

// Server: `loadEntry`. The stored frame comes as a batch of one record. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_load_entry(const nrg_node *node, uint64_t index, nrg_batch **batch_out);

// Server: `storeToWAL`. short lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
int32_t nrg_test_store_to_wal(const nrg_node *node, const uint8_t *frame_ptr, size_t frame_len);

// Server: `truncateWAL`; below the commit too, as there. Writes 1 when the log was cut, else
// 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `cut_out` is valid for a write.
int32_t nrg_test_truncate_wal(const nrg_node *node,
                              uint64_t term,
                              uint64_t index,
                              uint32_t *cut_out);

// Server: `resetWAL`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_reset_wal(const nrg_node *node);

// Server: `cachePendingEntry`. short lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
int32_t nrg_test_cache_pending_entry(const nrg_node *node,
                                     const uint8_t *frame_ptr,
                                     size_t frame_len);

// Cuts the log itself after `last`; the node does not know. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_wal_truncate(const nrg_node *node, uint64_t last);

// Drops what is below `first` from the log itself; the node does not know. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_wal_compact(const nrg_node *node, uint64_t first);

// Appends any bytes to the log itself and writes their index; the node does not know. short
// lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes;
// `index_out` is valid for a write.
int32_t nrg_test_wal_store(const nrg_node *node,
                           const uint8_t *frame_ptr,
                           size_t frame_len,
                           uint64_t *index_out);

// Makes every cut of the log fail from now on. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_wal_fail_truncate(const nrg_node *node);

// Puts a message at the end of a queue: `prop` (data, with its term), `entry`, `resp`, `reqs`,
// `votes`, or a nil guard at the end of `apply`. short lock
//
// Another queue: `NRG_STATUS_NOT_FOUND`.
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_queue_push(const nrg_node *node,
                            const uint8_t *queue_ptr,
                            size_t queue_len,
                            const uint8_t *frame_ptr,
                            size_t frame_len,
                            const uint8_t *reply_ptr,
                            size_t reply_len,
                            uint64_t term);

// Empties the queue of proposals: a batch with a record for each, its data after the eight
// little-endian bytes of its term and the one of its type. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_proposals_take(const nrg_node *node, nrg_batch **batch_out);

// Listens from now on to the messages whose subject matches, with the wildcards `*` and `>`;
// partitions do not matter. short lock
//
// The handle belongs to the caller, until `nrg_test_loopback_tap_free`.
//
// The caller guarantees:
// `loopback` is a live handle; `subject_ptr` is null or valid for reads of `subject_len` bytes;
// `tap_out` is valid for a write.
int32_t nrg_test_loopback_tap_open(const nrg_loopback *loopback,
                                   const uint8_t *subject_ptr,
                                   size_t subject_len,
                                   nrg_test_tap **tap_out);

// Takes what the tap has heard, in order, as a batch of messages. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`; null when nothing was heard.
//
// The caller guarantees:
// `tap` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_loopback_tap_take(const nrg_test_tap *tap, nrg_batch **batch_out);

// Ends the listening and releases the handle; accepts null. short lock
//
// The caller guarantees:
// `tap` is null, or comes from `nrg_test_loopback_tap_open`, was not freed, and is not used by
// another call now or later.
int32_t nrg_test_loopback_tap_free(nrg_test_tap *tap);

// Sends a message from outside to whoever listens on its subject; `receivers_out` receives their
// number. short lock
//
// The caller guarantees:
// `loopback` is a live handle; each pointer is null or valid for reads of its length;
// `receivers_out` is valid for a write.
int32_t nrg_test_loopback_inject(const nrg_loopback *loopback,
                                 const uint8_t *subject_ptr,
                                 size_t subject_len,
                                 const uint8_t *reply_ptr,
                                 size_t reply_len,
                                 const uint8_t *payload_ptr,
                                 size_t payload_len,
                                 size_t *receivers_out);

// Puts servers into partitions right after certain messages, before the next one; replaces an
// earlier rule and its count. short lock
//
// It acts after messages whose subject matches, with the wildcards `*` and `>`; with `leader` not
// 0 only after an append entry of that leader whose one entry adds a peer; with `only` not 0 only
// after the one of them with that number, counted from 1. `peers_ptr` and `partitions_ptr` say
// which server goes where; without any the rule only counts.
//
// The caller guarantees:
// `loopback` is a live handle; each pointer is null or valid for reads of its length,
// `partitions_ptr` of `peers_len` values.
int32_t nrg_test_loopback_set_rule(const nrg_loopback *loopback,
                                   const uint8_t *subject_ptr,
                                   size_t subject_len,
                                   uint64_t leader,
                                   uint64_t only,
                                   const uint64_t *peers_ptr,
                                   size_t peers_len,
                                   const uint32_t *partitions_ptr);

// Writes how often the rule of `nrg_test_loopback_set_rule` has acted. short lock
//
// The caller guarantees:
// `loopback` is a live handle; `count_out` is valid for a write.
int32_t nrg_test_loopback_rule_fired(const nrg_loopback *loopback, uint64_t *count_out);

// The records of a batch of messages and their number; null and 0 for null and for a batch of
// another kind. wait-free
//
// They belong to the batch: nothing may be written to them, and they end with it.
//
// The caller guarantees:
// `batch` is null or a live handle; `count_out` is null or valid for a write.
const nrg_test_message *nrg_test_batch_messages(const nrg_batch *batch, size_t *count_out);

// Server: `trackPeer`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_track_peer(const nrg_node *node, uint64_t peer_id);

// Server: `addPeer`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_add_peer(const nrg_node *node, uint64_t peer_id);

// Server: `removePeer`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_remove_peer(const nrg_node *node, uint64_t peer_id);

// Server: `processPeerState`. The frame is an encoded peer state. short lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
int32_t nrg_test_process_peer_state(const nrg_node *node,
                                    const uint8_t *frame_ptr,
                                    size_t frame_len);

// Server: `writePeerState`. The frame is an encoded peer state. short lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
int32_t nrg_test_write_peer_state(const nrg_node *node, const uint8_t *frame_ptr, size_t frame_len);

// Server: `currentPeerState`. The encoded peer state comes as a batch of one record. short
// lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_current_peer_state(const nrg_node *node, nrg_batch **batch_out);

// Server: `currentPeerStateLocked`. The encoded peer state comes as a batch of one record.
// short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_current_peer_state_locked(const nrg_node *node, nrg_batch **batch_out);

// Server: `adjustClusterSizeAndQuorum`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_adjust_cluster_size_and_quorum(const nrg_node *node);

// Server: `recalcQuorum`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_recalc_quorum(const nrg_node *node);

// Server: `revertMembershipChange`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_revert_membership_change(const nrg_node *node);

// Server: `sendMembershipChange`. `kind` is `NRG_ENTRY_ADD_PEER` or `NRG_ENTRY_REMOVE_PEER`. Writes
// 1 when it was appended, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `sent_out` is valid for a write.
int32_t nrg_test_send_membership_change(const nrg_node *node,
                                        uint8_t kind,
                                        uint64_t peer_id,
                                        uint32_t *sent_out);

// Server: `expireRescueLocked`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_expire_rescue(const nrg_node *node);

// Server: `pendingSelfRemoval`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `pending_out` is valid for a write.
int32_t nrg_test_pending_self_removal(const nrg_node *node, uint32_t *pending_out);

// Opens a detached node, bootstrapped before unless it is hand-made (`NRG_TEST_NODE_*`), in a
// runtime with `NRG_CLOCK_MANUAL`. may block on disk
//
// Every function of a node works on it. It has no driver: each call settles, which means that
// writes are synced and what they held back is sent; queues are popped and timers fire only in
// turns that are played. Transport and loopback of `config` are ignored. The handle belongs to
// the caller, until `nrg_node_free`.
//
// The caller guarantees:
// `runtime` is a live handle; `config` points to a struct of its own `struct_size` and what it
// names; `node_out` is valid for a write.
int32_t nrg_test_node_open(const nrg_runtime *runtime,
                           const nrg_node_config *config,
                           uint32_t flags,
                           nrg_node **node_out);

// Hands out the whole state of a node as JSON, in a batch of one record. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_node_dump(const nrg_node *node, nrg_batch **batch_out);

// Changes fields of a node by a JSON merge patch, with the names of `nrg_test_node_dump`; its
// invariants are no longer checked. short lock
//
// An unknown name: `NRG_STATUS_NOT_FOUND`. A name that can only be read, or a value that does not
// fit: `NRG_STATUS_INVALID_ARGUMENT`.
//
// The caller guarantees:
// `node` is a live handle; `patch_ptr` is null or valid for reads of `patch_len` bytes.
int32_t nrg_test_node_set(const nrg_node *node, const uint8_t *patch_ptr, size_t patch_len);

// Stops the inputs, timers and commands of a node, as `nrg_loopback_freeze`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_freeze(const nrg_node *node);

// Resumes what `nrg_test_node_freeze` stopped. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_unfreeze(const nrg_node *node);

// Writes how many objects of a kind (`NRG_TEST_OBJECT_*`) a runtime has handed out and not got
// back; with a null runtime, the process for what belongs to no runtime. wait-free
//
// The caller guarantees:
// `runtime` is null or a live handle; `count_out` is valid for a write.
int32_t nrg_test_live_objects(const nrg_runtime *runtime, uint32_t kind, uint64_t *count_out);

// Server: `processAppendEntry`. short lock
//
// `source_kind` is one of `NRG_TEST_ORIGIN_*`; `catchup` is the handle of the catch-up, over
// or not, else 0.
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_process_append_entry(const nrg_node *node,
                                      const uint8_t *frame_ptr,
                                      size_t frame_len,
                                      const uint8_t *reply_ptr,
                                      size_t reply_len,
                                      uint32_t source_kind,
                                      uint64_t catchup);

// Server: `handleAppendEntry`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_handle_append_entry(const nrg_node *node,
                                     const uint8_t *frame_ptr,
                                     size_t frame_len,
                                     const uint8_t *reply_ptr,
                                     size_t reply_len);

// Server: `processAppendEntryResponse`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_process_append_entry_response(const nrg_node *node,
                                               const uint8_t *frame_ptr,
                                               size_t frame_len,
                                               const uint8_t *reply_ptr,
                                               size_t reply_len);

// Server: `handleAppendEntryResponse`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_handle_append_entry_response(const nrg_node *node,
                                              const uint8_t *frame_ptr,
                                              size_t frame_len,
                                              const uint8_t *reply_ptr,
                                              size_t reply_len);

// Server: `handleForwardedProposal`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_handle_forwarded_proposal(const nrg_node *node,
                                           const uint8_t *frame_ptr,
                                           size_t frame_len,
                                           const uint8_t *reply_ptr,
                                           size_t reply_len);

// Server: `handleForwardedRemovePeerProposal`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_handle_forwarded_remove_peer_proposal(const nrg_node *node,
                                                       const uint8_t *frame_ptr,
                                                       size_t frame_len,
                                                       const uint8_t *reply_ptr,
                                                       size_t reply_len);

// Server: `tryFastPathPropose`. Writes 1 when the proposal was left, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes; `left_out`
// is valid for a write.
int32_t nrg_test_try_fast_path_propose(const nrg_node *node,
                                       uint64_t term,
                                       const uint8_t *data_ptr,
                                       size_t data_len,
                                       uint32_t *left_out);

// Server: `tryFastPathProposeMulti`. The data lies as for `nrg_node_propose_batch`. Writes 1 when
// the proposals were left, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `lengths_ptr` is null or valid for reads of `count` values; `left_out` is valid for a write.
int32_t nrg_test_try_fast_path_propose_multi(const nrg_node *node,
                                             uint64_t term,
                                             const uint8_t *data_ptr,
                                             size_t data_len,
                                             const uint32_t *lengths_ptr,
                                             size_t count,
                                             uint32_t *left_out);

// Server: `buildAppendEntry`. The entries lie as for `nrg_node_propose_batch`; the frame comes
// as a batch of one record. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `lengths_ptr` and `types_ptr` are null or valid for reads of `count` values; `batch_out` is
// valid for a write.
int32_t nrg_test_build_append_entry(const nrg_node *node,
                                    const uint8_t *data_ptr,
                                    size_t data_len,
                                    const uint32_t *lengths_ptr,
                                    const uint8_t *types_ptr,
                                    size_t count,
                                    nrg_batch **batch_out);

// Server: `sendAppendEntry`. The entries lie as for `nrg_node_propose_batch`. short lock
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `lengths_ptr` and `types_ptr` are null or valid for reads of `count` values.
int32_t nrg_test_send_append_entry(const nrg_node *node,
                                   const uint8_t *data_ptr,
                                   size_t data_len,
                                   const uint32_t *lengths_ptr,
                                   const uint8_t *types_ptr,
                                   size_t count);

// Server: `sendAppendEntryLocked`. The entries lie as for `nrg_node_propose_batch`. short lock
//
// The caller guarantees:
// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
// `lengths_ptr` and `types_ptr` are null or valid for reads of `count` values.
int32_t nrg_test_send_append_entry_locked(const nrg_node *node,
                                          const uint8_t *data_ptr,
                                          size_t data_len,
                                          const uint32_t *lengths_ptr,
                                          const uint8_t *types_ptr,
                                          size_t count);

// Server: `sendHeartbeat`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_send_heartbeat(const nrg_node *node);

// Server: `sendPeerState`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_send_peer_state(const nrg_node *node);

// Server: `trackResponse`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes;
// `tracked_out` is valid for a write.
int32_t nrg_test_track_response(const nrg_node *node,
                                const uint8_t *frame_ptr,
                                size_t frame_len,
                                uint32_t *tracked_out);

// Server: `tryCommit`. Writes 1 for yes, else 0. short lock
//
// The caller guarantees:
// `node` is a live handle; `committed_out` is valid for a write.
int32_t nrg_test_try_commit(const nrg_node *node, uint64_t index, uint32_t *committed_out);

// Server: `applyCommit`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_apply_commit(const nrg_node *node, uint64_t index);

// Server: `sendRPC`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_send_rpc(const nrg_node *node,
                          const uint8_t *subject_ptr,
                          size_t subject_len,
                          const uint8_t *reply_ptr,
                          size_t reply_len,
                          const uint8_t *payload_ptr,
                          size_t payload_len);

// Server: `sendReply`. short lock
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_send_reply(const nrg_node *node,
                            const uint8_t *subject_ptr,
                            size_t subject_len,
                            const uint8_t *payload_ptr,
                            size_t payload_len);

// Server: `resetInitializing`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_reset_initializing(const nrg_node *node);

// Server: `sendSnapshotToFollower`. Writes the index the snapshot stands for, or 0 when the node
// has stepped down for want of one that can be read. short lock
//
// The caller guarantees:
// `node` is a live handle; `inbox_ptr` is null or valid for reads of `inbox_len` bytes;
// `index_out` is valid for a write.
int32_t nrg_test_send_snapshot_to_follower(const nrg_node *node,
                                           const uint8_t *inbox_ptr,
                                           size_t inbox_len,
                                           uint64_t *index_out);

// Server: `installSnapshot`, of a given snapshot; `peer_state_ptr` is an encoded peer state. Whoever
// drives the node writes the file. may block on disk
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_install_snapshot_core(const nrg_node *node,
                                       uint64_t last_term,
                                       uint64_t last_index,
                                       const uint8_t *peer_state_ptr,
                                       size_t peer_state_len,
                                       const uint8_t *data_ptr,
                                       size_t data_len);

// Server: `loadLastSnapshot`, the unexported one: a batch of two records, the encoded peer state
// and the data. may block on disk
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; the other pointers are valid for a write.
int32_t nrg_test_load_last_snapshot_core(const nrg_node *node,
                                         uint64_t *last_term_out,
                                         uint64_t *last_index_out,
                                         nrg_batch **batch_out);

// Server: `encodeSnapshot`: the bytes of the file as a batch of one record; `peer_state_ptr` is an
// encoded peer state. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length; `batch_out` is
// valid for a write.
int32_t nrg_test_encode_snapshot(const nrg_node *node,
                                 uint64_t last_term,
                                 uint64_t last_index,
                                 const uint8_t *peer_state_ptr,
                                 size_t peer_state_len,
                                 const uint8_t *data_ptr,
                                 size_t data_len,
                                 nrg_batch **batch_out);

// Server: `setupLastSnapshot`. may block on disk
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_setup_last_snapshot(const nrg_node *node);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NRG_TESTING_H */
