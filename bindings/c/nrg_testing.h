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

// Flag of `nrg_test_node_open`: a hand-made node without subscriptions.
#define NRG_TEST_NODE_NO_TRANSPORT 2

// Kind of `nrg_test_node_deliver`: an append entry.
#define NRG_TEST_DELIVER_APPEND_ENTRY 0

// Kind of `nrg_test_node_deliver`: the answer to an append entry.
#define NRG_TEST_DELIVER_RESPONSE 1

// Kind of `nrg_test_node_deliver`: a vote request.
#define NRG_TEST_DELIVER_VOTE_REQUEST 2

// Kind of `nrg_test_node_deliver`: a vote.
#define NRG_TEST_DELIVER_VOTE_RESPONSE 3

// Origin of an append entry: the group's subject.
#define NRG_TEST_ORIGIN_LIVE 0

// Origin of an append entry: a catch-up, whose handle is given.
#define NRG_TEST_ORIGIN_CATCHUP 1

// Origin of an append entry: the node's own log.
#define NRG_TEST_ORIGIN_REPLAY 2

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

// Kind of `nrg_test_live_objects`: detached nodes, of the process.
#define NRG_TEST_OBJECT_TEST_NODE 6

// `nrg_abi_layout`: `nrg_test_message`.
#define NRG_TEST_STRUCT_MESSAGE 1001

// A node without a driver. Each call settles: writes are synced, what they held back is sent to
// the tap, answers are delivered. Any thread may call; one call runs at a time.
typedef struct nrg_test_node nrg_test_node;

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

// Makes a node fail in the way `kind` says (`NRG_TEST_FAULT_*`). short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_inject_fault(const nrg_node *node, uint32_t kind);

// Hands out the whole state of a live node as JSON, as `nrg_test_node_dump`. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_live_dump(const nrg_node *node, nrg_batch **batch_out);

// Changes fields of a live node, as `nrg_test_node_set`; its invariants are no longer checked.
// short lock
//
// The caller guarantees:
// `node` is a live handle; `patch_ptr` is null or valid for reads of `patch_len` bytes.
int32_t nrg_test_live_set(const nrg_node *node, const uint8_t *patch_ptr, size_t patch_len);

// Calls a method of a live node, as `nrg_test_node_call`; what needs hands around the node, such
// as playing turns, is `NRG_STATUS_NOT_FOUND`. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length; `batch_out` is
// valid for a write.
int32_t nrg_test_live_call(const nrg_node *node,
                           const uint8_t *name_ptr,
                           size_t name_len,
                           const uint8_t *args_ptr,
                           size_t args_len,
                           nrg_batch **batch_out);

// Stops the inputs, timers and commands of a live node, as `nrg_loopback_freeze`. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_freeze(const nrg_node *node);

// Resumes what `nrg_test_node_freeze` stopped. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_unfreeze(const nrg_node *node);

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

// Opens a detached node, bootstrapped before unless it is hand-made (`NRG_TEST_NODE_*`).
// Transport, loopback and token of `config` are ignored; a null `tuning` is the production
// timing. may block on disk
//
// The handle belongs to the caller, until `nrg_test_node_free`.
//
// The caller guarantees:
// `config` points to a struct of its own `struct_size` and what it names; `tuning` is null or
// points to a struct of its own `struct_size`; `node_out` is valid for a write.
int32_t nrg_test_node_open(const nrg_node_config *config,
                           const nrg_tuning *tuning,
                           uint32_t flags,
                           nrg_test_node **node_out);

// Drops the node and releases the handle; accepts null. Its files stay. may block on disk
//
// The caller guarantees:
// `node` is null, or comes from `nrg_test_node_open`, was not freed, and is not used by another
// call now or later.
int32_t nrg_test_node_free(nrg_test_node *node);

// Hands out the whole state of the node as JSON, in a batch of one record. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_node_dump(const nrg_test_node *node, nrg_batch **batch_out);

// Changes fields of the node by a JSON merge patch, with the names of `nrg_test_node_dump`.
// short lock
//
// An unknown name: `NRG_STATUS_NOT_FOUND`. A name that can only be read, or a value that does not
// fit: `NRG_STATUS_INVALID_ARGUMENT`.
//
// The caller guarantees:
// `node` is a live handle; `patch_ptr` is null or valid for reads of `patch_len` bytes.
int32_t nrg_test_node_set(const nrg_test_node *node, const uint8_t *patch_ptr, size_t patch_len);

// Calls a method of the node by the reference's name in snake case, with a JSON array of
// arguments; its result comes as JSON, in a batch of one record. may block on disk
//
// An unknown method: `NRG_STATUS_NOT_FOUND`. An error of the method is this call's status. The
// batch belongs to the caller, until `nrg_batch_free`.
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length; `batch_out` is
// valid for a write.
int32_t nrg_test_node_call(const nrg_test_node *node,
                           const uint8_t *name_ptr,
                           size_t name_len,
                           const uint8_t *args_ptr,
                           size_t args_len,
                           nrg_batch **batch_out);

// Delivers a message as it comes from the wire. short lock
//
// `kind` is one of `NRG_TEST_DELIVER_*`. For an append entry `source_kind` is one of
// `NRG_TEST_ORIGIN_*` and `catchup` the handle of the catch-up; else both are 0. `reply_ptr` is
// the subject for an answer.
//
// The caller guarantees:
// `node` is a live handle; each pointer is null or valid for reads of its length.
int32_t nrg_test_node_deliver(const nrg_test_node *node,
                              uint32_t kind,
                              uint32_t source_kind,
                              uint64_t catchup,
                              const uint8_t *frame_ptr,
                              size_t frame_len,
                              const uint8_t *reply_ptr,
                              size_t reply_len);

// Takes what the node has sent, in order, as a batch of messages. short lock
//
// The batch belongs to the caller, until `nrg_batch_free`; null when nothing was sent.
//
// The caller guarantees:
// `node` is a live handle; `batch_out` is valid for a write.
int32_t nrg_test_node_sent_take(const nrg_test_node *node, nrg_batch **batch_out);

// Holds back the node's syncs (`hold` not 0), and with them what rests on them, or lets them
// pass (0). short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_hold_sync(const nrg_test_node *node, uint32_t hold);

// Moves the node's time; of its timers only that of a quorum rescue fires. short lock
//
// The caller guarantees:
// `node` is a live handle.
int32_t nrg_test_node_advance(const nrg_test_node *node, uint64_t by_ns);

// Writes how many objects of a kind (`NRG_TEST_OBJECT_*`) a runtime has handed out and not got
// back; with a null runtime, the process for what belongs to no runtime. wait-free
//
// The caller guarantees:
// `runtime` is null or a live handle; `count_out` is valid for a write.
int32_t nrg_test_live_objects(const nrg_runtime *runtime, uint32_t kind, uint64_t *count_out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NRG_TESTING_H */
