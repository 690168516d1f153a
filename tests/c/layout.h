// The layout of every struct of nrg.h, as the host's compiler sees it. C11 and C++17.

#ifndef NRG_TESTS_LAYOUT_H
#define NRG_TESTS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "nrg.h"

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

#define SIZE(type, size) static_assert(sizeof(type) == (size), #type " has its size")
#define FIELD(type, field, at) static_assert(offsetof(type, field) == (at), #type "." #field)

SIZE(nrg_runtime_config, 48);
FIELD(nrg_runtime_config, struct_size, 0);
FIELD(nrg_runtime_config, shards, 4);
FIELD(nrg_runtime_config, sync_policy, 8);
FIELD(nrg_runtime_config, clock, 12);
FIELD(nrg_runtime_config, sync_interval_ns, 16);
FIELD(nrg_runtime_config, seed, 24);
FIELD(nrg_runtime_config, poll_spin_ns, 32);
FIELD(nrg_runtime_config, backlog_bytes_max, 40);

SIZE(nrg_tuning, 96);
FIELD(nrg_tuning, struct_size, 0);
FIELD(nrg_tuning, reserved0, 4);
FIELD(nrg_tuning, election_min_ns, 8);
FIELD(nrg_tuning, election_max_ns, 16);
FIELD(nrg_tuning, campaign_min_ns, 24);
FIELD(nrg_tuning, campaign_max_ns, 32);
FIELD(nrg_tuning, heartbeat_ns, 40);
FIELD(nrg_tuning, lost_quorum_interval_ns, 48);
FIELD(nrg_tuning, lost_quorum_check_ns, 56);
FIELD(nrg_tuning, lost_quorum_signal_ns, 64);
FIELD(nrg_tuning, observer_interval_ns, 72);
FIELD(nrg_tuning, peer_remove_timeout_ns, 80);
FIELD(nrg_tuning, rescue_timeout_ns, 88);

SIZE(nrg_ready, 16);
FIELD(nrg_ready, token, 0);
FIELD(nrg_ready, ready_mask, 8);
FIELD(nrg_ready, reserved0, 12);

SIZE(nrg_metrics, 144);
FIELD(nrg_metrics, struct_size, 0);
FIELD(nrg_metrics, reserved0, 4);
FIELD(nrg_metrics, groups, 8);
FIELD(nrg_metrics, leaders, 16);
FIELD(nrg_metrics, commits, 24);
FIELD(nrg_metrics, applied, 32);
FIELD(nrg_metrics, syncs, 40);
FIELD(nrg_metrics, sync_nanos, 48);
FIELD(nrg_metrics, proposals_not_leader, 56);
FIELD(nrg_metrics, proposals_backlog, 64);
FIELD(nrg_metrics, proposals_unfit, 72);
FIELD(nrg_metrics, proposals_closed, 80);
FIELD(nrg_metrics, proposals_dropped, 88);
FIELD(nrg_metrics, messages_sent, 96);
FIELD(nrg_metrics, leader_changes, 104);
FIELD(nrg_metrics, messages_malformed, 112);
FIELD(nrg_metrics, poll_wakes, 120);
FIELD(nrg_metrics, log_records_dropped, 128);
FIELD(nrg_metrics, sync_times_dropped, 136);

SIZE(nrg_node_config, 72);
FIELD(nrg_node_config, struct_size, 0);
FIELD(nrg_node_config, flags, 4);
FIELD(nrg_node_config, token, 8);
FIELD(nrg_node_config, peer_id, 16);
FIELD(nrg_node_config, group_name_ptr, 24);
FIELD(nrg_node_config, group_name_len, 32);
FIELD(nrg_node_config, store_root_ptr, 40);
FIELD(nrg_node_config, store_root_len, 48);
FIELD(nrg_node_config, loopback, 56);
FIELD(nrg_node_config, log_kind, 64);
FIELD(nrg_node_config, transport, 68);

SIZE(nrg_node_state, 168);
FIELD(nrg_node_state, struct_size, 0);
FIELD(nrg_node_state, role, 4);
FIELD(nrg_node_state, flags, 8);
FIELD(nrg_node_state, sync_policy, 12);
FIELD(nrg_node_state, leader, 16);
FIELD(nrg_node_state, leader_since_unix_nanos, 24);
FIELD(nrg_node_state, vote, 32);
FIELD(nrg_node_state, term, 40);
FIELD(nrg_node_state, last_term, 48);
FIELD(nrg_node_state, first_index, 56);
FIELD(nrg_node_state, last_index, 64);
FIELD(nrg_node_state, durable, 72);
FIELD(nrg_node_state, commit, 80);
FIELD(nrg_node_state, processed, 88);
FIELD(nrg_node_state, applied, 96);
FIELD(nrg_node_state, entries, 104);
FIELD(nrg_node_state, bytes, 112);
FIELD(nrg_node_state, overrun_count, 120);
FIELD(nrg_node_state, created_unix_nanos, 128);
FIELD(nrg_node_state, sync_interval_ns, 136);
FIELD(nrg_node_state, cluster_size, 144);
FIELD(nrg_node_state, quorum, 148);
FIELD(nrg_node_state, proposal_queue_len, 152);
FIELD(nrg_node_state, entry_queue_len, 156);
FIELD(nrg_node_state, response_queue_len, 160);
FIELD(nrg_node_state, apply_queue_len, 164);

SIZE(nrg_peer, 32);
FIELD(nrg_peer, id, 0);
FIELD(nrg_peer, last_heard_unix_nanos, 8);
FIELD(nrg_peer, lag, 16);
FIELD(nrg_peer, flags, 24);
FIELD(nrg_peer, reserved0, 28);

SIZE(nrg_batch_item, 32);
FIELD(nrg_batch_item, index, 0);
FIELD(nrg_batch_item, data_ptr, 8);
FIELD(nrg_batch_item, data_len, 16);
FIELD(nrg_batch_item, entry_type, 24);
FIELD(nrg_batch_item, flags, 28);

SIZE(nrg_log_record, 72);
FIELD(nrg_log_record, unix_nanos, 0);
FIELD(nrg_log_record, token, 8);
FIELD(nrg_log_record, term, 16);
FIELD(nrg_log_record, index, 24);
FIELD(nrg_log_record, group_name_ptr, 32);
FIELD(nrg_log_record, group_name_len, 40);
FIELD(nrg_log_record, text_ptr, 48);
FIELD(nrg_log_record, text_len, 56);
FIELD(nrg_log_record, level, 64);
FIELD(nrg_log_record, reserved0, 68);

SIZE(nrg_proposal_outcome, 24);
FIELD(nrg_proposal_outcome, tag, 0);
FIELD(nrg_proposal_outcome, index, 8);
FIELD(nrg_proposal_outcome, status, 16);
FIELD(nrg_proposal_outcome, reserved0, 20);

SIZE(nrg_outbound, 64);
FIELD(nrg_outbound, subscription, 0);
FIELD(nrg_outbound, subject_ptr, 8);
FIELD(nrg_outbound, subject_len, 16);
FIELD(nrg_outbound, reply_ptr, 24);
FIELD(nrg_outbound, reply_len, 32);
FIELD(nrg_outbound, payload_ptr, 40);
FIELD(nrg_outbound, payload_len, 48);
FIELD(nrg_outbound, kind, 56);
FIELD(nrg_outbound, flags, 60);

SIZE(nrg_inbound, 24);
FIELD(nrg_inbound, subscription, 0);
FIELD(nrg_inbound, reply_offset, 8);
FIELD(nrg_inbound, reply_len, 12);
FIELD(nrg_inbound, payload_offset, 16);
FIELD(nrg_inbound, payload_len, 20);

#endif
