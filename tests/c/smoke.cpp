// Uses the C ABI from C++17: the header compiles, the layout holds, and one node lives through its
// whole life. Exit code 0 if everything is as nrg.h says.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "layout.h"

namespace {

using Clock = std::chrono::steady_clock;

void require(bool fact, const char *text, int line) {
    if (!fact) {
        std::fprintf(stderr, "smoke.cpp:%d: not so: %s\n", line, text);
        std::exit(1);
    }
}

#define REQUIRE(fact) require((fact), #fact, __LINE__)
#define OK(call) require((call) == NRG_STATUS_OK, #call, __LINE__)

// Releases a handle by its own function.
template <auto release> struct Release {
    template <class Handle> void operator()(Handle *handle) const { OK(release(handle)); }
};

using Runtime = std::unique_ptr<nrg_runtime, Release<nrg_runtime_free>>;
using Node = std::unique_ptr<nrg_node, Release<nrg_node_free>>;
using Network = std::unique_ptr<nrg_loopback, Release<nrg_loopback_free>>;
using Batch = std::unique_ptr<nrg_batch, Release<nrg_batch_free>>;

struct Seen {
    std::uint64_t leads_term = 0;
    std::string applied;
    bool stopped = false;
};

void apply(const Node &node, Seen &seen) {
    nrg_batch *taken = nullptr;
    OK(nrg_node_apply_take(node.get(), 16, 1 << 16, &taken));
    for (Batch batch(taken); batch; batch.reset(taken)) {
        std::size_t count = 0;
        const nrg_batch_item *items = nrg_batch_items(batch.get(), &count);
        for (std::size_t at = 0; at < count; at++) {
            if (items[at].index == 0) {
                continue;
            }
            if (items[at].entry_type == NRG_ENTRY_NORMAL && items[at].data_len > 0) {
                seen.applied.append(reinterpret_cast<const char *>(items[at].data_ptr),
                                    items[at].data_len);
            }
            std::uint64_t entries = 0, bytes = 0;
            OK(nrg_node_processed(node.get(), items[at].index, items[at].index, &entries, &bytes));
        }
        OK(nrg_node_apply_take(node.get(), 16, 1 << 16, &taken));
    }
}

template <class Done>
void pump(const Runtime &runtime, const Node &node, Seen &seen, Done done) {
    for (auto end = Clock::now() + std::chrono::minutes(1); !done();) {
        REQUIRE(Clock::now() < end);
        nrg_ready ready[4];
        std::size_t count = 0;
        OK(nrg_runtime_poll(runtime.get(), 20, ready, 4, &count));
        for (std::size_t at = 0; at < count; at++) {
            if (ready[at].token == 0) {
                continue;
            }
            REQUIRE(ready[at].token == 1);
            apply(node, seen);
            std::uint32_t present = 0, is_leader = 0;
            std::uint64_t term = 0;
            OK(nrg_node_lead_change_take(node.get(), &present, &is_leader, &term));
            if (present != 0) {
                seen.leads_term = is_leader != 0 ? term : 0;
            }
            seen.stopped = seen.stopped || (ready[at].ready_mask & NRG_READY_STOPPED) != 0;
        }
    }
}

} // namespace

int main() {
    const auto moment = std::to_string(Clock::now().time_since_epoch().count());
    const auto folder = std::filesystem::temp_directory_path() / ("nrg-smoke-cpp-" + moment);
    const std::string root = folder.string(), group = "SMOKE", name = "AAAAAAAA";
    std::uint64_t id = 0;
    std::memcpy(&id, name.data(), sizeof id);

    nrg_runtime_config runtime_config{};
    runtime_config.struct_size = sizeof runtime_config;
    nrg_runtime *opened = nullptr;
    OK(nrg_runtime_open(&runtime_config, &opened));
    Runtime runtime(opened);
    nrg_loopback *made = nullptr;
    OK(nrg_loopback_open(&made));
    Network network(made);

    nrg_node_config config{};
    config.struct_size = sizeof config;
    config.token = 1;
    config.peer_id = id;
    config.group_name_ptr = reinterpret_cast<const std::uint8_t *>(group.data());
    config.group_name_len = group.size();
    config.store_root_ptr = reinterpret_cast<const std::uint8_t *>(root.data());
    config.store_root_len = root.size();
    config.loopback = network.get();
    config.log_kind = NRG_LOG_MEMORY;
    config.transport = NRG_TRANSPORT_LOOPBACK;
    OK(nrg_bootstrap(&config, &id, 1, NRG_BOOTSTRAP_ALL_PEERS_KNOWN, 0, 0));
    nrg_node *started = nullptr;
    OK(nrg_node_open(runtime.get(), &config, &started));
    Node node(started);
    // The node keeps the network: its handle may go first.
    network.reset();

    Seen seen;
    OK(nrg_node_campaign(node.get(), NRG_CAMPAIGN_IMMEDIATELY));
    pump(runtime, node, seen, [&] { return seen.leads_term != 0; });
    const std::string text = "hello from C++";
    OK(nrg_node_propose(node.get(), seen.leads_term,
                        reinterpret_cast<const std::uint8_t *>(text.data()), text.size()));
    pump(runtime, node, seen, [&] { return seen.applied == text; });
    OK(nrg_node_stop(node.get()));
    pump(runtime, node, seen, [&] { return seen.stopped; });
    node.reset();
    OK(nrg_runtime_shutdown(runtime.get()));
    runtime.reset();
    std::filesystem::remove_all(folder);
    std::printf("smoke.cpp: passed\n");
    return 0;
}
