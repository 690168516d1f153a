// Uses the C ABI as a C host does: two runtimes, three nodes on loopback in one of them. Elects,
// proposes, applies, hands the lead over, makes snapshots, restarts from the files, and tries wrong
// arguments.
// Exit code 0 if everything is as nrg.h says.

#define _XOPEN_SOURCE 700

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"

enum { NODES = 3, EVENTS = 8 };

#define MILLISECOND UINT64_C(1000000)

#define EXPECT(call, status) expect((call), (status), #call, __LINE__)
#define OK(call) EXPECT(call, NRG_STATUS_OK)
#define REQUIRE(fact) require((fact) != 0, #fact, __LINE__)

// What the program knows of one node.
typedef struct {
    nrg_node *node;
    uint64_t id;
    uint64_t leads_term;
    uint64_t last_index;
    uint64_t digest;
    unsigned entries;
    unsigned guards;
    int stopped;
} member;

// One runtime with its nodes; tokens are places in the list, counted from 1.
typedef struct {
    nrg_runtime *runtime;
    nrg_loopback *network;
    member members[NODES];
    size_t count;
} world;

static void require(int fact, const char *text, int line) {
    if (!fact) {
        fprintf(stderr, "smoke.c:%d: not so: %s\n", line, text);
        exit(1);
    }
}

static void expect(int32_t status, int32_t wanted, const char *text, int line) {
    if (status == wanted) {
        return;
    }
    char name[64] = "?", error[512] = "";
    size_t len = 0;
    (void)nrg_status_name(status, (uint8_t *)name, sizeof name - 1, &len);
    (void)nrg_last_error((uint8_t *)error, sizeof error - 1, &len);
    fprintf(stderr, "smoke.c:%d: %s: %s instead of %d (%s)\n", line, text, name, wanted, error);
    exit(1);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t peer(const char *name) {
    uint64_t id;
    memcpy(&id, name, sizeof id);
    return id;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw) {
    (void)stat, (void)kind, (void)ftw;
    return remove(path);
}

// The applying half of a host: takes until the queue is empty, reports once for each batch.
static void apply(member *self) {
    for (;;) {
        nrg_batch *batch = NULL;
        OK(nrg_node_apply_take(self->node, 64, 1 << 20, &batch));
        if (!batch) {
            return;
        }
        size_t count = 0, none = 1;
        const nrg_batch_item *items = nrg_batch_items(batch, &count);
        REQUIRE(items && count > 0);
        REQUIRE(!nrg_batch_log_records(batch, &none) && none == 0);
        uint64_t reached = 0;
        for (size_t at = 0; at < count; at++) {
            const nrg_batch_item *item = &items[at];
            if (item->flags & NRG_ITEM_NIL_GUARD) {
                self->guards++;
            }
            if (item->index == 0) {
                continue;
            }
            REQUIRE(!(item->flags & NRG_ITEM_FIRST_OF_INDEX) || item->index > self->last_index);
            reached = self->last_index = item->index;
            if (item->flags & NRG_ITEM_EMPTY || item->entry_type != NRG_ENTRY_NORMAL) {
                continue;
            }
            self->entries++;
            for (size_t byte = 0; byte < item->data_len; byte++) {
                self->digest = (self->digest ^ item->data_ptr[byte]) * UINT64_C(0x100000001b3);
            }
        }
        OK(nrg_batch_free(batch));
        if (reached) {
            uint64_t entries = 0, bytes = 0;
            OK(nrg_node_processed(self->node, reached, reached, &entries, &bytes));
            REQUIRE(entries > 0);
        }
    }
}

static void notice_lead(member *self) {
    uint32_t present = 0, is_leader = 0;
    uint64_t term = 0;
    OK(nrg_node_lead_change_take(self->node, &present, &is_leader, &term));
    if (present) {
        self->leads_term = is_leader ? term : 0;
    }
}

// One poll, and whatever it announces.
static void pump_once(world *self) {
    nrg_ready ready[EVENTS];
    size_t count = 0;
    OK(nrg_runtime_poll(self->runtime, 20, ready, EVENTS, &count));
    REQUIRE(count <= EVENTS);
    for (size_t at = 0; at < count; at++) {
        if (ready[at].token == 0) {
            continue;
        }
        REQUIRE(ready[at].token <= self->count);
        member *found = &self->members[ready[at].token - 1];
        REQUIRE(!(ready[at].ready_mask & NRG_READY_FAULT));
        if (ready[at].ready_mask & NRG_READY_APPLY) {
            apply(found);
        }
        if (ready[at].ready_mask & NRG_READY_LEADER) {
            notice_lead(found);
        }
        if (ready[at].ready_mask & NRG_READY_STOPPED) {
            found->stopped = 1;
        }
    }
}

typedef int (*question)(const world *);

static void pump_until(world *self, question done, const char *what, int line) {
    for (uint64_t end = now_ms() + 60000; !done(self); pump_once(self)) {
        require(now_ms() < end, what, line);
    }
}

#define UNTIL(self, done) pump_until((self), (done), #done, __LINE__)

static member *leader_of(world *self) {
    for (size_t at = 0; at < self->count; at++) {
        if (self->members[at].leads_term) {
            return &self->members[at];
        }
    }
    return NULL;
}

static int led(const world *self) {
    for (size_t at = 0; at < self->count; at++) {
        if (self->members[at].leads_term) {
            return 1;
        }
    }
    return 0;
}

static int all_stopped(const world *self) {
    for (size_t at = 0; at < self->count; at++) {
        if (!self->members[at].stopped) {
            return 0;
        }
    }
    return 1;
}

// Whether each member has answered the leader since it was opened.
static int all_heard(const world *self) {
    const member *leader = NULL;
    for (size_t at = 0; at < self->count; at++) {
        leader = self->members[at].leads_term ? &self->members[at] : leader;
    }
    nrg_node_state state = {.struct_size = sizeof state};
    OK(nrg_node_status(leader->node, &state));
    for (size_t at = 0; at < self->count; at++) {
        uint64_t heard = 0;
        OK(nrg_node_last_heard(leader->node, self->members[at].id, &heard));
        if (&self->members[at] != leader && heard < state.created_unix_nanos) {
            return 0;
        }
    }
    return 1;
}

static unsigned wanted_entries;

static int all_applied(const world *self) {
    for (size_t at = 0; at < self->count; at++) {
        if (self->members[at].entries < wanted_entries) {
            return 0;
        }
    }
    return 1;
}

static void open_runtime(world *self) {
    nrg_runtime_config config = {.struct_size = sizeof config, .shards = 1};
    OK(nrg_runtime_open(&config, &self->runtime));
    // Times that a busy machine does not overrun, valgrind included.
    nrg_tuning tuning = {.struct_size = sizeof tuning,
                         .election_min_ns = 3000 * MILLISECOND,
                         .election_max_ns = 5000 * MILLISECOND,
                         .campaign_min_ns = 20 * MILLISECOND,
                         .campaign_max_ns = 60 * MILLISECOND,
                         .heartbeat_ns = 400 * MILLISECOND};
    OK(nrg_runtime_set_tuning(self->runtime, &tuning));
    OK(nrg_loopback_open(&self->network));
}

static nrg_node_config config_of(const world *self, size_t at, const char *root) {
    nrg_node_config config = {.struct_size = sizeof config,
                              .token = at + 1,
                              .peer_id = self->members[at].id,
                              .group_name_ptr = (const uint8_t *)"SMOKE",
                              .group_name_len = 5,
                              .store_root_ptr = (const uint8_t *)root,
                              .store_root_len = strlen(root),
                              .loopback = self->network,
                              .log_kind = NRG_LOG_FILE,
                              .transport = NRG_TRANSPORT_LOOPBACK};
    return config;
}

static void open_nodes(world *self, const char *folder, int first_time) {
    static const char *const names[NODES] = {"AAAAAAAA", "BBBBBBBB", "CCCCCCCC"};
    uint64_t peers[NODES];
    for (size_t at = 0; at < self->count; at++) {
        peers[at] = peer(names[at]);
    }
    for (size_t at = 0; at < self->count; at++) {
        char root[512];
        snprintf(root, sizeof root, "%s/%s", folder, names[at]);
        self->members[at] = (member){.id = peers[at]};
        nrg_node_config config = config_of(self, at, root);
        nrg_node *node = NULL;
        if (first_time) {
            EXPECT(nrg_node_open(self->runtime, &config, &node), NRG_STATUS_NO_PEER_STATE);
            REQUIRE(node == NULL);
            OK(nrg_bootstrap(&config, peers, self->count, NRG_BOOTSTRAP_ALL_PEERS_KNOWN, 0, 0));
        }
        OK(nrg_node_open(self->runtime, &config, &self->members[at].node));
        EXPECT(nrg_node_open(self->runtime, &config, &node), NRG_STATUS_ALREADY_OPEN);
    }
}

static void stop_nodes(world *self) {
    for (size_t at = 0; at < self->count; at++) {
        OK(nrg_node_stop(self->members[at].node));
        OK(nrg_node_stop(self->members[at].node));
    }
    UNTIL(self, all_stopped);
    for (size_t at = 0; at < self->count; at++) {
        EXPECT(nrg_node_propose(self->members[at].node, 1, NULL, 0), NRG_STATUS_CLOSED);
        nrg_node_state state = {.struct_size = sizeof state};
        OK(nrg_node_status(self->members[at].node, &state));
        REQUIRE(state.role == NRG_ROLE_CLOSED);
        OK(nrg_node_free(self->members[at].node));
        self->members[at].node = NULL;
    }
}

static void close_runtime(world *self) {
    nrg_ready ready[1];
    size_t count = 7;
    OK(nrg_runtime_shutdown(self->runtime));
    EXPECT(nrg_runtime_poll(self->runtime, 0, ready, 1, &count), NRG_STATUS_SHUTDOWN);
    EXPECT(nrg_runtime_poll(self->runtime, NRG_TIMEOUT_INFINITE, ready, 1, &count),
           NRG_STATUS_SHUTDOWN);
    REQUIRE(count == 7);
    OK(nrg_loopback_free(self->network));
    OK(nrg_runtime_free(self->runtime));
}

static void propose_one(const member *leader, const char *text) {
    OK(nrg_node_propose(leader->node, leader->leads_term, (const uint8_t *)text, strlen(text)));
    wanted_entries++;
}

static void require_equal(const world *self) {
    for (size_t at = 1; at < self->count; at++) {
        REQUIRE(self->members[at].digest == self->members[0].digest);
        REQUIRE(self->members[at].entries == self->members[0].entries);
    }
}

// Single entries, a batch, and one that a follower forwards.
static void replicate(world *self) {
    member *leader = leader_of(self);
    member *follower = leader == self->members ? leader + 1 : self->members;
    propose_one(leader, "one");
    propose_one(leader, "");

    static const uint8_t packed[] = "twothreefour";
    static const uint32_t lengths[] = {3, 5, 4};
    static const uint8_t types[] = {NRG_ENTRY_NORMAL, NRG_ENTRY_NORMAL, NRG_ENTRY_NORMAL};
    OK(nrg_node_propose_batch(leader->node, leader->leads_term, packed, 12, lengths, NULL, 3));
    OK(nrg_node_propose_batch(leader->node, leader->leads_term, packed, 12, lengths, types, 3));
    wanted_entries += 6;
    EXPECT(nrg_node_propose_batch(leader->node, 1, packed, 11, lengths, NULL, 3),
           NRG_STATUS_INVALID_ARGUMENT);
    EXPECT(nrg_node_propose(follower->node, leader->leads_term, packed, 3), NRG_STATUS_NOT_LEADER);
    EXPECT(nrg_node_propose(leader->node, leader->leads_term + 1, packed, 3),
           NRG_STATUS_NOT_LEADER);

    OK(nrg_node_forward_proposal(follower->node, packed, 3));
    wanted_entries++;
    UNTIL(self, all_applied);
    require_equal(self);
}

static void look(world *self) {
    UNTIL(self, all_heard);
    member *leader = leader_of(self);
    nrg_node_state state = {.struct_size = sizeof state};
    OK(nrg_node_status(leader->node, &state));
    REQUIRE(state.role == NRG_ROLE_LEADER && state.flags & NRG_NODE_IS_LEADER);
    REQUIRE(state.leader == leader->id && state.term == leader->leads_term);
    REQUIRE(state.commit == leader->last_index && state.applied == state.commit);
    REQUIRE(state.cluster_size == NODES && state.quorum == 2);
    REQUIRE(state.leader_since_unix_nanos >= state.created_unix_nanos);

    // A caller with an older, shorter struct gets no byte beyond it.
    nrg_node_state guarded;
    memset(&guarded, 0xa5, sizeof guarded);
    guarded.struct_size = sizeof guarded - 1;
    EXPECT(nrg_node_status(leader->node, &guarded), NRG_STATUS_STRUCT_TOO_SMALL);
    REQUIRE(guarded.role == 0xa5a5a5a5);

    nrg_peer peers[NODES + 1];
    size_t count = 0;
    EXPECT(nrg_node_peers(leader->node, peers, 1, &count), NRG_STATUS_BUFFER_TOO_SMALL);
    REQUIRE(count == NODES);
    OK(nrg_node_peers(leader->node, peers, NODES + 1, &count));
    REQUIRE(count == NODES);
    for (size_t at = 0; at < count; at++) {
        REQUIRE(peers[at].id == self->members[at].id);
        REQUIRE(peers[at].flags & NRG_PEER_VOTING);
    }

    uint32_t healthy = 0;
    OK(nrg_node_check_health(leader->node, &healthy));
    REQUIRE(healthy == 1);
    int32_t code = -1;
    size_t needed = 1;
    OK(nrg_node_write_error(leader->node, &code, NULL, 0, &needed));
    REQUIRE(code == NRG_STATUS_OK && needed == 0);

    nrg_metrics metrics = {.struct_size = sizeof metrics};
    OK(nrg_runtime_metrics(self->runtime, &metrics));
    REQUIRE(metrics.groups == NODES && metrics.leaders == 1 && metrics.syncs > 0);
    uint64_t times[4];
    OK(nrg_runtime_sync_times_take(self->runtime, times, 4, &count));
    REQUIRE(count > 0 && count <= 4 && times[0] > 0);
    nrg_batch *problem = NULL;
    OK(nrg_node_last_problem(leader->node, &problem));
    OK(nrg_batch_free(problem));
    EXPECT(nrg_node_campaign(leader->node, 0), NRG_STATUS_ALREADY_LEADER);
    EXPECT(nrg_node_apply_pause(leader->node), NRG_STATUS_ALREADY_LEADER);
    EXPECT(nrg_node_adjust_cluster_size(leader->node, 5, NRG_ADJUST_BOOT),
           NRG_STATUS_ADJUST_BOOT_CLUSTER);
    EXPECT(nrg_node_campaign(leader->node, 2), NRG_STATUS_INVALID_ARGUMENT);
}

// The leader hands over; later it misses an entry and catches up.
static void hand_over(world *self) {
    member *old = leader_of(self);
    member *next = old == self->members ? old + 1 : self->members;
    uint64_t preferred[2] = {next->id, old->id};
    EXPECT(nrg_node_step_down(old->node, preferred, 2), NRG_STATUS_TOO_MANY_PREFS);
    EXPECT(nrg_node_step_down(next->node, preferred, 1), NRG_STATUS_NOT_LEADER);
    OK(nrg_runtime_set_peer_online(self->runtime, next->id, 1));
    OK(nrg_node_step_down(old->node, preferred, 1));
    notice_lead(old);
    REQUIRE(old->leads_term == 0);
    UNTIL(self, led);
    REQUIRE(leader_of(self) == next);

    OK(nrg_loopback_freeze(self->network, old->node, 1));
    propose_one(next, "while one sleeps");
    for (uint64_t end = now_ms() + 60000; next->entries < wanted_entries; pump_once(self)) {
        REQUIRE(now_ms() < end);
    }
    REQUIRE(old->entries < wanted_entries);
    OK(nrg_loopback_freeze(self->network, old->node, 0));
    UNTIL(self, all_applied);

    OK(nrg_loopback_set_partition(self->network, old->id, 1));
    propose_one(next, "while one is away");
    for (uint64_t end = now_ms() + 60000; next->entries < wanted_entries; pump_once(self)) {
        REQUIRE(now_ms() < end);
    }
    OK(nrg_loopback_set_partition(self->network, old->id, 0));
    UNTIL(self, all_applied);
    require_equal(self);
}

// One checkpoint is read and installed, one overtaken, one outlives its node's stop.
static void take_checkpoints(world *self) {
    const nrg_node *node = self->members[0].node;
    nrg_checkpoint *first = NULL, *second = NULL;
    nrg_batch *batch = NULL;
    uint64_t freed = 0;
    EXPECT(nrg_node_snapshot_load(node, &batch), NRG_STATUS_NO_SNAPSHOT);
    REQUIRE(!batch);
    OK(nrg_checkpoint_open(node, 0, &first));
    EXPECT(nrg_checkpoint_open(node, 0, &second), NRG_STATUS_SNAPSHOT_IN_PROGRESS);
    REQUIRE(!second);
    EXPECT(nrg_checkpoint_load_last(first, &batch), NRG_STATUS_NO_SNAPSHOT);

    // The log from its beginning, an index at a time.
    uint64_t next = 0;
    for (;;) {
        size_t count = 0;
        OK(nrg_checkpoint_entries_take(first, next, 1, 1 << 20, &batch));
        if (!batch) {
            break;
        }
        const nrg_batch_item *items = nrg_batch_items(batch, &count);
        REQUIRE(items && count > 0 && items[0].index == (next ? next : 1));
        next = items[0].index + 1;
        OK(nrg_batch_free(batch));
    }
    REQUIRE(next == self->members[0].last_index + 1);

    OK(nrg_checkpoint_install(first, (const uint8_t *)"state", 5, &freed));
    REQUIRE(freed > 0);
    EXPECT(nrg_checkpoint_install(first, NULL, 0, &freed), NRG_STATUS_SNAPSHOT_ABORTED);
    OK(nrg_checkpoint_abort(first));
    OK(nrg_checkpoint_free(first));
    OK(nrg_node_snapshot_load(node, &batch));
    size_t count = 0;
    const nrg_batch_item *items = nrg_batch_items(batch, &count);
    REQUIRE(count == 1 && items->index + 1 == next && items->entry_type == NRG_ENTRY_SNAPSHOT);
    REQUIRE(items->data_len == 5 && memcmp(items->data_ptr, "state", 5) == 0);
    OK(nrg_batch_free(batch));

    propose_one(&self->members[0], "after");
    UNTIL(self, all_applied);
    OK(nrg_checkpoint_open(node, 0, &first));
    OK(nrg_checkpoint_open(node, 1, &second));
    EXPECT(nrg_checkpoint_entries_take(first, 0, 1, 1, &batch), NRG_STATUS_SNAPSHOT_ABORTED);
    OK(nrg_checkpoint_free(first));
    OK(nrg_node_stop(node));
    UNTIL(self, all_stopped);
    EXPECT(nrg_checkpoint_install(second, (const uint8_t *)"late", 4, &freed), NRG_STATUS_CLOSED);
    OK(nrg_node_free(self->members[0].node));
    EXPECT(nrg_checkpoint_load_last(second, &batch), NRG_STATUS_CLOSED);
    OK(nrg_checkpoint_free(second));
    OK(nrg_checkpoint_free(NULL));
}

// What was installed comes first after a restart, then what was proposed since.
static void restart_from_snapshot(world *self, const char *folder) {
    open_nodes(self, folder, 0);
    nrg_batch *batch = NULL;
    for (uint64_t end = now_ms() + 60000; !batch;) {
        REQUIRE(now_ms() < end);
        OK(nrg_node_apply_take(self->members[0].node, 1, 1 << 20, &batch));
    }
    size_t count = 0;
    const nrg_batch_item *items = nrg_batch_items(batch, &count);
    REQUIRE(count > 0 && items->entry_type == NRG_ENTRY_SNAPSHOT && items->data_len == 5);
    uint64_t reached = items->index, entries = 0, bytes = 0;
    OK(nrg_batch_free(batch));
    OK(nrg_node_processed(self->members[0].node, reached, reached, &entries, &bytes));
    OK(nrg_node_campaign(self->members[0].node, NRG_CAMPAIGN_IMMEDIATELY));
    wanted_entries = 1;
    UNTIL(self, all_applied);
}

static void read_logs(world *self) {
    size_t total = 0;
    for (;;) {
        nrg_batch *batch = NULL;
        OK(nrg_runtime_log_take(self->runtime, 16, &batch));
        if (!batch) {
            break;
        }
        size_t count = 0, none = 1;
        const nrg_log_record *records = nrg_batch_log_records(batch, &count);
        REQUIRE(records && count > 0 && count <= 16);
        REQUIRE(!nrg_batch_items(batch, &none) && none == 0);
        for (size_t at = 0; at < count; at++) {
            REQUIRE(records[at].level >= NRG_LOG_ERROR && records[at].level <= NRG_LOG_DEBUG);
            REQUIRE(records[at].text_len > 0 && records[at].unix_nanos > 0);
        }
        total += count;
        OK(nrg_batch_free(batch));
    }
    REQUIRE(total > 0);
}

static void refuse_wrong_arguments(world *self, const char *folder) {
    nrg_runtime *runtime = self->runtime;
    nrg_runtime_config config = {.struct_size = sizeof config};
    EXPECT(nrg_runtime_open(NULL, &runtime), NRG_STATUS_NULL_ARGUMENT);
    REQUIRE(runtime == NULL);
    EXPECT(nrg_runtime_open(&config, NULL), NRG_STATUS_NULL_ARGUMENT);
    config.struct_size = 8;
    EXPECT(nrg_runtime_open(&config, &runtime), NRG_STATUS_STRUCT_TOO_SMALL);
    config.struct_size = sizeof config;
    config.shards = 65;
    EXPECT(nrg_runtime_open(&config, &runtime), NRG_STATUS_BAD_CONFIG);

    nrg_node *node = NULL;
    char root[512];
    snprintf(root, sizeof root, "%s/wrong", folder);
    nrg_node_config good = config_of(self, 0, root), bad = good;
    EXPECT(nrg_bootstrap(NULL, NULL, 0, 0, 0, 0), NRG_STATUS_NO_CONFIG);
    EXPECT(nrg_bootstrap(&good, NULL, 1, 0, 0, 0), NRG_STATUS_NULL_ARGUMENT);
    bad.group_name_ptr = (const uint8_t *)"a.b";
    bad.group_name_len = 3;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_BAD_CONFIG);
    bad.group_name_ptr = (const uint8_t *)"\xff\xfe";
    bad.group_name_len = 2;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_INVALID_UTF8);
    bad = good;
    bad.token = 0;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_BAD_CONFIG);
    bad = good;
    bad.peer_id = 0;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_BAD_PEER_ID);
    bad = good;
    bad.flags = 32;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_INVALID_ARGUMENT);
    bad = good;
    bad.loopback = NULL;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_NULL_ARGUMENT);
    bad.transport = NRG_TRANSPORT_NATS;
    EXPECT(nrg_node_open(self->runtime, &bad, &node), NRG_STATUS_UNSUPPORTED);
    REQUIRE(node == NULL);

    nrg_ready ready[1];
    size_t count = 3;
    EXPECT(nrg_runtime_poll(NULL, 0, ready, 1, &count), NRG_STATUS_NULL_ARGUMENT);
    EXPECT(nrg_runtime_poll(self->runtime, 0, ready, 0, &count), NRG_STATUS_INVALID_ARGUMENT);
    EXPECT(nrg_runtime_poll(self->runtime, 0, ready, 1, NULL), NRG_STATUS_NULL_ARGUMENT);
    REQUIRE(count == 3);
    EXPECT(nrg_node_propose(NULL, 1, NULL, 0), NRG_STATUS_NULL_ARGUMENT);
    EXPECT(nrg_node_stop(NULL), NRG_STATUS_NULL_ARGUMENT);
    OK(nrg_node_free(NULL));
    OK(nrg_batch_free(NULL));
    OK(nrg_loopback_free(NULL));
    OK(nrg_runtime_free(NULL));

    nrg_tuning tuning = {.struct_size = sizeof tuning,
                         .election_min_ns = 2,
                         .election_max_ns = 1};
    EXPECT(nrg_runtime_set_tuning(self->runtime, &tuning), NRG_STATUS_BAD_CONFIG);
}

static void know_the_library(void) {
    REQUIRE(nrg_abi_version() == ((uint32_t)NRG_ABI_MAJOR << 16 | NRG_ABI_MINOR));
    uint8_t text[256];
    size_t needed = 0;
    EXPECT(nrg_build_info(NULL, 0, &needed), NRG_STATUS_BUFFER_TOO_SMALL);
    REQUIRE(needed > 0 && needed < sizeof text);
    OK(nrg_build_info(text, sizeof text, &needed));
    printf("%.*s\n", (int)needed, (const char *)text);
    OK(nrg_status_name(NRG_STATUS_NOT_LEADER, text, sizeof text, &needed));
    REQUIRE(needed == 21 && memcmp(text, "NRG_STATUS_NOT_LEADER", needed) == 0);

    static const struct { uint32_t id; size_t size, fields; } structs[] = {
        {NRG_STRUCT_RUNTIME_CONFIG, sizeof(nrg_runtime_config), 8},
        {NRG_STRUCT_TUNING, sizeof(nrg_tuning), 13},
        {NRG_STRUCT_READY, sizeof(nrg_ready), 3},
        {NRG_STRUCT_METRICS, sizeof(nrg_metrics), 19},
        {NRG_STRUCT_NODE_CONFIG, sizeof(nrg_node_config), 11},
        {NRG_STRUCT_NODE_STATE, sizeof(nrg_node_state), 26},
        {NRG_STRUCT_PEER, sizeof(nrg_peer), 5},
        {NRG_STRUCT_BATCH_ITEM, sizeof(nrg_batch_item), 5},
        {NRG_STRUCT_LOG_RECORD, sizeof(nrg_log_record), 10},
        {NRG_STRUCT_PROPOSAL_OUTCOME, sizeof(nrg_proposal_outcome), 4},
        {NRG_STRUCT_OUTBOUND, sizeof(nrg_outbound), 9},
        {NRG_STRUCT_INBOUND, sizeof(nrg_inbound), 5},
    };
    for (size_t at = 0; at < sizeof structs / sizeof *structs; at++) {
        uint32_t offsets[32];
        size_t count = 0, size = 0, align = 0;
        OK(nrg_abi_layout(structs[at].id, offsets, 32, &count, &size, &align));
        REQUIRE(count == structs[at].fields && size == structs[at].size && align == 8);
        REQUIRE(offsets[0] == 0 && offsets[count - 1] < size);
    }
}

int main(void) {
    const char *temporary = getenv("TMPDIR");
    char folder[256], lone_folder[300];
    snprintf(folder, sizeof folder, "%s/nrg-smoke-XXXXXX", temporary ? temporary : P_tmpdir);
    REQUIRE(mkdtemp(folder));
    snprintf(lone_folder, sizeof lone_folder, "%s/lone", folder);
    know_the_library();

    world group = {.count = NODES}, lone = {.count = 1};
    open_runtime(&group);
    open_runtime(&lone);
    open_nodes(&lone, lone_folder, 1);
    OK(nrg_node_campaign(lone.members[0].node, NRG_CAMPAIGN_IMMEDIATELY));
    open_nodes(&group, folder, 1);
    OK(nrg_node_campaign(group.members[1].node, NRG_CAMPAIGN_IMMEDIATELY));
    UNTIL(&group, led);
    refuse_wrong_arguments(&group, folder);
    EXPECT(nrg_loopback_freeze(lone.network, group.members[0].node, 1),
           NRG_STATUS_INVALID_ARGUMENT);
    replicate(&group);
    look(&group);
    hand_over(&group);
    read_logs(&group);
    uint64_t digest = group.members[0].digest;
    stop_nodes(&group);

    // Everything is still there after a restart, and ends with one nil guard.
    open_nodes(&group, folder, 0);
    OK(nrg_node_campaign(group.members[2].node, NRG_CAMPAIGN_IMMEDIATELY));
    UNTIL(&group, led);
    UNTIL(&group, all_applied);
    require_equal(&group);
    REQUIRE(group.members[0].digest == digest && group.members[0].entries == wanted_entries);
    for (size_t at = 0; at < NODES; at++) {
        REQUIRE(group.members[at].guards == 1);
    }
    stop_nodes(&group);
    close_runtime(&group);

    // The other runtime has not noticed.
    UNTIL(&lone, led);
    wanted_entries = 0;
    propose_one(&lone.members[0], "alone");
    UNTIL(&lone, all_applied);
    take_checkpoints(&lone);
    restart_from_snapshot(&lone, lone_folder);
    OK(nrg_node_delete(lone.members[0].node));
    stop_nodes(&lone);
    close_runtime(&lone);
    REQUIRE(access(lone_folder, F_OK) == 0);
    REQUIRE(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    printf("smoke.c: passed\n");
    return 0;
}
