#ifndef NRG_TESTING_H
#define NRG_TESTING_H

// Generated from raft-ffi by ./build.sh bindings. Do not edit.

#include "nrg.h"

// Kind of `nrg_test_live_objects`: runtimes.
#define NRG_TEST_OBJECT_RUNTIME 0

// Kind of `nrg_test_live_objects`: nodes.
#define NRG_TEST_OBJECT_NODE 1

// Kind of `nrg_test_live_objects`: batches.
#define NRG_TEST_OBJECT_BATCH 2

// Kind of `nrg_test_live_objects`: checkpoints.
#define NRG_TEST_OBJECT_CHECKPOINT 3

// Kind of `nrg_test_live_objects`: loopback networks.
#define NRG_TEST_OBJECT_LOOPBACK 4

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Writes how many objects of a kind (`NRG_TEST_OBJECT_*`) are alive in this process. wait-free
//
// The caller guarantees:
// `count_out` is valid for a write.
int32_t nrg_test_live_objects(uint32_t kind, uint64_t *count_out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NRG_TESTING_H */
