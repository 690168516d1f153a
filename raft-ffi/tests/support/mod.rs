//! A host in Rust: opens runtimes, networks and nodes through the ABI and pumps their events.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
#![allow(clippy::disallowed_methods, reason = "a host has a clock")]
#![allow(
    clippy::host_endian_bytes,
    reason = "ids are passed as their bytes in memory order"
)]

use std::path::Path;
use std::time::{Duration, Instant};
use std::{mem, ptr, slice};

use natsraft::apply::{nrg_node_apply_take, nrg_node_processed};
use natsraft::batch::{NrgBatch, nrg_batch_free, nrg_batch_items};
use natsraft::constants::*;
use natsraft::lead::{nrg_node_campaign, nrg_node_lead_change_take};
use natsraft::library::nrg_last_error;
use natsraft::loopback::{NrgLoopback, nrg_loopback_free, nrg_loopback_open};
use natsraft::node::{NrgNode, nrg_bootstrap, nrg_node_free, nrg_node_open, nrg_node_stop};
use natsraft::query::nrg_node_status;
use natsraft::runtime::{
    NrgRuntime, nrg_runtime_free, nrg_runtime_open, nrg_runtime_poll, nrg_runtime_set_tuning,
    nrg_runtime_shutdown,
};
use natsraft::status::NRG_STATUS_OK;
use natsraft::types::{NrgNodeConfig, NrgNodeState, NrgReady, NrgRuntimeConfig, NrgTuning};

pub(crate) const GROUP: &str = "G";
const PATIENCE: Duration = Duration::from_secs(60);

/// A runtime with a network, and the nodes opened in it; tokens are places, counted from 1.
pub(crate) struct Host {
    pub(crate) runtime: *mut NrgRuntime,
    pub(crate) network: *mut NrgLoopback,
    pub(crate) nodes: Vec<Member>,
    pub(crate) folder: tempfile::TempDir,
}

/// What the host knows of one node.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) node: *mut NrgNode,
    pub(crate) id: u64,
    pub(crate) lead_term: Option<u64>,
    pub(crate) applied: Vec<Vec<u8>>,
    pub(crate) seen: u32,
}

pub(crate) fn peer(name: &str) -> u64 {
    u64::from_ne_bytes(name.as_bytes().try_into().expect("eight bytes"))
}

pub(crate) fn sized<T>() -> u32 {
    u32::try_from(size_of::<T>()).expect("small")
}

/// All zeros, but for the size field that every sized struct begins with.
pub(crate) fn zeroed<T: Copy>() -> T {
    // SAFETY: structs of the ABI are integers and pointers, which may be zero, and begin with
    // the u32 that is written.
    unsafe {
        let mut value: T = mem::zeroed();
        (&raw mut value).cast::<u32>().write(sized::<T>());
        value
    }
}

pub(crate) fn ok(status: i32) {
    assert_eq!(status, NRG_STATUS_OK, "{}", last_error());
}

pub(crate) fn last_error() -> String {
    let mut text = vec![0; 1024];
    let mut len = 0;
    // SAFETY: a writable buffer and a writable length.
    unsafe { nrg_last_error(text.as_mut_ptr(), text.len(), &raw mut len) };
    text.truncate(len);
    String::from_utf8(text).expect("texts are UTF-8")
}

pub(crate) fn node_config(
    root: &str,
    network: *const NrgLoopback,
    token: u64,
    id: u64,
) -> NrgNodeConfig {
    NrgNodeConfig {
        token,
        peer_id: id,
        group_name_ptr: GROUP.as_ptr(),
        group_name_len: GROUP.len(),
        store_root_ptr: root.as_ptr(),
        store_root_len: root.len(),
        loopback: network,
        log_kind: NRG_LOG_MEMORY,
        transport: NRG_TRANSPORT_LOOPBACK,
        ..zeroed()
    }
}

pub(crate) fn quick_tuning() -> NrgTuning {
    const MILLISECOND: u64 = 1_000_000;
    NrgTuning {
        election_min_ns: 300 * MILLISECOND,
        election_max_ns: 600 * MILLISECOND,
        campaign_min_ns: 10 * MILLISECOND,
        campaign_max_ns: 40 * MILLISECOND,
        heartbeat_ns: 30 * MILLISECOND,
        ..zeroed()
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(zeroed())
    }

    pub(crate) fn with(config: NrgRuntimeConfig) -> Self {
        let (mut runtime, mut network) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: sized structs and writable places.
        unsafe {
            ok(nrg_runtime_open(&raw const config, &raw mut runtime));
            let tuning = quick_tuning();
            ok(nrg_runtime_set_tuning(runtime, &raw const tuning));
            ok(nrg_loopback_open(&raw mut network));
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            runtime,
            network,
            nodes: Vec::new(),
            folder,
        }
    }

    /// Bootstraps and opens a group of these servers.
    pub(crate) fn group(names: &[&str]) -> Self {
        let mut host = Self::new();
        let ids: Vec<u64> = names.iter().map(|name| peer(name)).collect();
        for id in &ids {
            host.open(*id, &ids);
        }
        host
    }

    /// A group of one that leads and has applied its first entry.
    pub(crate) fn lone_leader() -> Self {
        let mut host = Self::group(&["AAAAAAAA"]);
        // SAFETY: a live node.
        ok(unsafe { nrg_node_campaign(host.nodes[0].node, NRG_CAMPAIGN_IMMEDIATELY) });
        host.pump_until("a leader", |nodes| nodes[0].lead_term.is_some());
        host
    }

    pub(crate) fn root(&self, id: u64) -> String {
        self.folder
            .path()
            .join(format!("{id:x}"))
            .to_str()
            .expect("UTF-8")
            .to_owned()
    }

    pub(crate) fn open(&mut self, id: u64, peers: &[u64]) {
        self.open_with(id, peers, |_| ());
    }

    /// Opens a node whose messages this host carries.
    pub(crate) fn open_hosted(&mut self, id: u64, peers: &[u64]) {
        self.open_with(id, peers, |config| {
            config.loopback = ptr::null();
            config.transport = NRG_TRANSPORT_HOST;
        });
    }

    fn open_with(&mut self, id: u64, peers: &[u64], change: impl FnOnce(&mut NrgNodeConfig)) {
        let root = self.root(id);
        let token = self.nodes.len() as u64 + 1;
        let mut config = node_config(&root, self.network, token, id);
        change(&mut config);
        let known = Path::new(&root).join(GROUP).join("peers.idx").exists();
        let mut node = ptr::null_mut();
        // SAFETY: live handles, sized structs, an array of its length, a writable place.
        unsafe {
            if !known {
                let flags = NRG_BOOTSTRAP_ALL_PEERS_KNOWN;
                let (array, len) = (peers.as_ptr(), peers.len());
                ok(nrg_bootstrap(&raw const config, array, len, flags, 0, 0));
            }
            ok(nrg_node_open(
                self.runtime,
                &raw const config,
                &raw mut node,
            ));
        }
        self.nodes.push(Member {
            node,
            id,
            lead_term: None,
            applied: Vec::new(),
            seen: 0,
        });
    }

    /// One poll of a few milliseconds, and whatever it announces.
    pub(crate) fn pump(&mut self) {
        let mut events = [NrgReady::default(); 8];
        let mut count = 0;
        // SAFETY: a live runtime, an array of its length, a writable place.
        ok(unsafe { nrg_runtime_poll(self.runtime, 5, events.as_mut_ptr(), 8, &raw mut count) });
        for event in events.iter().take(count).filter(|event| event.token != 0) {
            let at = usize::try_from(event.token - 1).expect("a small token");
            let member = &mut self.nodes[at];
            member.seen |= event.ready_mask;
            if event.ready_mask & NRG_READY_APPLY != 0 {
                member.apply();
            }
            if event.ready_mask & NRG_READY_LEADER != 0 {
                member.notice_lead();
            }
        }
    }

    pub(crate) fn pump_until(&mut self, what: &str, done: impl Fn(&[Member]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(&self.nodes) {
            assert!(Instant::now() < end, "no {what} in time: {:?}", self.nodes);
            self.pump();
        }
    }

    pub(crate) fn pump_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.pump();
        }
    }
}

impl Drop for Host {
    /// The order of the guide: nodes, network, runtime.
    fn drop(&mut self) {
        let nodes: Vec<_> = self.nodes.iter().map(|member| member.node).collect();
        // SAFETY: live handles or null, each freed once.
        unsafe {
            for node in &nodes {
                if !node.is_null() {
                    nrg_node_stop(*node);
                }
            }
            for node in nodes {
                nrg_node_free(node);
            }
            nrg_loopback_free(self.network);
            if !self.runtime.is_null() {
                nrg_runtime_shutdown(self.runtime);
            }
            nrg_runtime_free(self.runtime);
        }
    }
}

impl Member {
    pub(crate) fn apply(&mut self) {
        loop {
            let mut batch = ptr::null_mut();
            // SAFETY: a live node and a writable place.
            ok(unsafe { nrg_node_apply_take(self.node, 100, 1 << 20, &raw mut batch) });
            let Some(records) = entries(batch) else {
                return;
            };
            for (index, entry_type, flags, data) in records {
                if entry_type == NRG_ENTRY_NORMAL && flags & !NRG_ITEM_FIRST_OF_INDEX == 0 {
                    self.applied.push(data);
                }
                if index > 0 {
                    let (mut count, mut bytes) = (0, 0);
                    // SAFETY: a live node and writable places.
                    ok(unsafe {
                        nrg_node_processed(self.node, index, index, &raw mut count, &raw mut bytes)
                    });
                }
            }
        }
    }

    pub(crate) fn notice_lead(&mut self) {
        let (mut present, mut is_leader, mut term) = (0, 0, 0);
        // SAFETY: a live node and writable places.
        ok(unsafe {
            nrg_node_lead_change_take(
                self.node,
                &raw mut present,
                &raw mut is_leader,
                &raw mut term,
            )
        });
        if present != 0 {
            self.lead_term = (is_leader != 0).then_some(term);
        }
    }

    pub(crate) fn state(&self) -> NrgNodeState {
        let mut state: NrgNodeState = zeroed();
        // SAFETY: a live node and a sized struct.
        ok(unsafe { nrg_node_status(self.node, &raw mut state) });
        state
    }
}

/// Index, type, flags and data of one record.
pub(crate) type Record = (u64, u32, u32, Vec<u8>);

/// The records of a batch; frees the batch. `None` for no batch.
pub(crate) fn entries(batch: *mut NrgBatch) -> Option<Vec<Record>> {
    if batch.is_null() {
        return None;
    }
    let mut count = 0;
    // SAFETY: a live batch; its records and their data live until it is freed below.
    unsafe {
        let items = nrg_batch_items(batch, &raw mut count);
        let items = if count == 0 {
            &[]
        } else {
            slice::from_raw_parts(items, count)
        };
        let records = items.iter().map(|item| {
            let data = match item.data_len {
                0 => Vec::new(),
                len => slice::from_raw_parts(item.data_ptr, len).to_vec(),
            };
            (item.index, item.entry_type, item.flags, data)
        });
        let records = records.collect();
        ok(nrg_batch_free(batch));
        Some(records)
    }
}
