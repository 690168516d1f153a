#ifndef NRG_H
#define NRG_H

// Generated from raft-ffi by ./build.sh bindings. Do not edit.

#include <stddef.h>
#include <stdint.h>

// Major version of the ABI: a library with another one can not be used.
#define NRG_ABI_MAJOR 1

// Minor version of the ABI: raised by every addition.
#define NRG_ABI_MINOR 0

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

// This node does not lead, or leads in another term.
#define NRG_STATUS_NOT_LEADER 200

// This node leads already.
#define NRG_STATUS_ALREADY_LEADER 201

// The node is closed, or its engine met a panic.
#define NRG_STATUS_CLOSED 202

// The runtime has been shut down; a poll answers this once and for ever.
#define NRG_STATUS_SHUTDOWN 203

// A step down names more than one preferred leader.
#define NRG_STATUS_TOO_MANY_PREFS 204

// A poll is already running on this runtime.
#define NRG_STATUS_BUSY 205

// A node of this server and group is already open.
#define NRG_STATUS_ALREADY_OPEN 206

// The operation is not part of this build.
#define NRG_STATUS_UNSUPPORTED 207

// Waiting has ended without the awaited state.
#define NRG_STATUS_TIMED_OUT 208

// Subscribing on a closed transport.
#define NRG_STATUS_NO_TRANSPORT 209

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

// The engine panicked; the node that did it is unusable.
#define NRG_STATUS_PANIC 900

// The engine met a state that it does not know.
#define NRG_STATUS_INTERNAL 901

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NRG_H */
