//! The node handle and a node's life: bootstrap, open, stop, delete, free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use raft_core::config::NodeConfig;
use raft_core::runtime::{NodeHandle, Runtime, TrafficAccount, Transport};
use raft_core::time::Instant;
use raft_core::types::{GroupName, PeerId};

use crate::constants::{
    NRG_BOOTSTRAP_ALL_PEERS_KNOWN, NRG_NODE_MANAGED, NRG_NODE_OBSERVER, NRG_NODE_RECOVERING,
    NRG_NODE_SCALE_UP, NRG_NODE_TRACK, NRG_TRANSPORT_HOST, NRG_TRANSPORT_LOOPBACK,
    NRG_TRANSPORT_NATS,
};
use crate::convert::{
    handle_free, handle_in, handle_out, known_flags, log_kind, peer_in, peers_in, sized_in, text_in,
};
use crate::guard::{Failure, Outcome, guard, panic_text};
use crate::live::{Counted, Kind, LiveCounts};
use crate::loopback::NrgLoopback;
use crate::runtime::NrgRuntime;
use crate::status::{
    NRG_STATUS_BAD_CONFIG, NRG_STATUS_FAULTED, NRG_STATUS_NO_CONFIG, NRG_STATUS_NULL_ARGUMENT,
    NRG_STATUS_PANIC, NRG_STATUS_UNSUPPORTED,
};
use crate::types::NrgNodeConfig;

/// First released size of `nrg_node_config`.
pub(crate) const NODE_CONFIG_SIZE: usize = 72;

/// One group on one server. The node runs on until it is stopped, also after `nrg_node_free`.
pub struct NrgNode {
    core: NodeHandle,
    /// Knows the wall clock of the node's times; keeps the engine alive.
    runtime: Runtime,
    /// The network it was opened on.
    network: Option<Arc<()>>,
    live: Arc<LiveCounts>,
    _counted: Counted,
}

impl Drop for NrgNode {
    /// Nobody can carry its messages any more.
    fn drop(&mut self) {
        self.core.release_transport();
    }
}

impl NrgNode {
    pub(crate) fn new(runtime: &NrgRuntime, core: NodeHandle, network: Option<Arc<()>>) -> Self {
        Self {
            core,
            network,
            live: Arc::clone(runtime.live()),
            runtime: runtime.core().clone(),
            _counted: Counted::of(runtime.live(), Kind::Node),
        }
    }

    pub(crate) const fn core(&self) -> &NodeHandle {
        &self.core
    }

    pub(crate) const fn live(&self) -> &Arc<LiveCounts> {
        &self.live
    }

    /// Whether the node was opened on this network.
    pub(crate) fn is_on(&self, loopback: &NrgLoopback) -> bool {
        self.network
            .as_ref()
            .is_some_and(|network| Arc::ptr_eq(network, &loopback.identity))
    }

    /// What a call, or the node itself, panicked with.
    pub(crate) fn fault(&self) -> Option<String> {
        self.core.fault().map(|text| format!("panic: {text}"))
    }

    /// Calls the engine. A panic in there is caught there, and what comes back is a stand-in: then
    /// the call fails with the panic.
    pub(crate) fn call<T>(&self, run: impl FnOnce(&NodeHandle) -> T) -> Result<T, Failure> {
        let result = run(&self.core);
        match self.core.fault() {
            None => Ok(result),
            Some(text) => Err(panicked(&text)),
        }
    }

    /// Runs the body of an entry point. A panic poisons the node.
    fn run<T>(&self, body: impl FnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        catch_unwind(AssertUnwindSafe(|| body(self))).unwrap_or_else(|payload| {
            let text = panic_text(payload);
            self.core.fail(&text);
            Err(panicked(&text))
        })
    }

    /// The wall clock of a moment, in nanoseconds of Unix time; 0 for none.
    pub(crate) fn unix_nanos(&self, at: Option<Instant>) -> u64 {
        at.map_or(0, |at| self.runtime.unix_nanos(at))
    }
}

/// Runs the body of an entry point on a node that is still usable. A panic poisons the node.
///
/// # Safety
/// `node` is null or a live handle.
pub(crate) unsafe fn on_node(node: *const NrgNode, body: impl FnOnce(&NrgNode) -> Outcome) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    guard(|| unsafe { in_node(node, body) })
}

/// As [`on_node`], for a body that yields something, inside the guard of its entry point.
///
/// # Safety
/// As [`on_node`].
pub(crate) unsafe fn in_node<T>(
    node: *const NrgNode,
    body: impl FnOnce(&NrgNode) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // SAFETY: the caller's promise is this function's own.
    let node = unsafe { handle_in(node, "node")? };
    if node.core.fault().is_some() {
        return Err(Failure::code(NRG_STATUS_FAULTED));
    }
    node.run(body)
}

/// As [`on_node`], for what is possible with any node, failed or not.
///
/// # Safety
/// As [`on_node`].
pub(crate) unsafe fn on_any_node(
    node: *const NrgNode,
    body: impl FnOnce(&NrgNode) -> Outcome,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    guard(|| unsafe { in_any_node(node, body) })
}

/// As [`on_any_node`], for a body that yields something, inside the guard of its entry point.
///
/// # Safety
/// As [`on_node`].
pub(crate) unsafe fn in_any_node<T>(
    node: *const NrgNode,
    body: impl FnOnce(&NrgNode) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // SAFETY: the caller's promise is this function's own.
    unsafe { handle_in(node, "node")? }.run(body)
}

pub(crate) fn panicked(text: &str) -> Failure {
    Failure::new(NRG_STATUS_PANIC, format!("panic: {text}"))
}

/// Writes the first peer state of a group, so that `nrg_node_open` can start it. may block on disk
///
/// Only the group's name and the store root of `config` are used; a null `config` is
/// `NRG_STATUS_NO_CONFIG`. `peers_ptr` holds the known members, each the eight bytes of an id in
/// memory order. Without `NRG_BOOTSTRAP_ALL_PEERS_KNOWN` the expected size is at least 2 and at
/// least `routes` plus `gateway_urls`, the host's numbers of configured routes and of gateway
/// addresses of other clusters.
///
/// # Safety
/// `config` points to a struct of its own `struct_size` and what it names; `peers_ptr` is valid
/// for reads of `peers_len` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_bootstrap(
    config: *const NrgNodeConfig,
    peers_ptr: *const u64,
    peers_len: usize,
    flags: u32,
    routes: u32,
    gateway_urls: u32,
) -> i32 {
    guard(|| {
        if config.is_null() {
            return Err(Failure::new(NRG_STATUS_NO_CONFIG, "raft: no config given"));
        }
        known_flags(flags, NRG_BOOTSTRAP_ALL_PEERS_KNOWN, "flags")?;
        let all_known = flags & NRG_BOOTSTRAP_ALL_PEERS_KNOWN != 0;
        // SAFETY: the caller's promise is this function's own; the struct is integers and
        // pointers.
        let (config, peers) = unsafe {
            let given = sized_in(config, NODE_CONFIG_SIZE, "config")?;
            (place(&given)?, peers_in(peers_ptr, peers_len, "peers_ptr")?)
        };
        Ok(Runtime::bootstrap(
            &config,
            &peers,
            all_known,
            routes,
            gateway_urls,
        )?)
    })
}

/// Recovers a group from its folder and starts its node. may block on disk
///
/// The handle belongs to the caller, until `nrg_node_free`. The group must have been bootstrapped
/// (`NRG_STATUS_NO_PEER_STATE`), and must not be open already for the same server
/// (`NRG_STATUS_ALREADY_OPEN`).
///
/// # Safety
/// `runtime` is a live handle; `config` points to a struct of its own `struct_size` and what it
/// names; `node_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_open(
    runtime: *const NrgRuntime,
    config: *const NrgNodeConfig,
    node_out: *mut *mut NrgNode,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own; the struct is integers and
        // pointers.
        unsafe {
            handle_out(node_out, "node_out", || {
                let runtime = handle_in(runtime, "runtime")?;
                let given = sized_in(config, NODE_CONFIG_SIZE, "config")?;
                let config = node_config(&given)?;
                if config.token == 0 {
                    return Err(bad("token 0 is the runtime's own"));
                }
                let network = network(&given)?;
                let transport = match network {
                    Some(network) => Transport::Loopback(network.core.clone()),
                    None => Transport::Host(TrafficAccount::default()),
                };
                let core = runtime.core().start(config, transport)?;
                let network = network.map(|network| Arc::clone(&network.identity));
                Ok(NrgNode::new(runtime, core, network))
            })
        }
    })
}

/// Begins to stop the node and returns; the event `NRG_READY_STOPPED` follows. A second call does
/// nothing. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_stop(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_any_node(node, |node| {
            node.core.stop();
            Ok(())
        })
    }
}

/// Stops the node and removes its storage; the event `NRG_READY_STOPPED` follows. may block on
/// disk
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_delete(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_any_node(node, |node| Ok(node.core.delete()?)) }
}

/// Releases the handle; accepts null. A node that still runs goes on, unless the host carries its
/// messages: nobody could take them any more, so it is stopped. With the last owner of a node that
/// has stopped the memory of its log is released. short lock
///
/// # Safety
/// `node` is null, or comes from `nrg_node_open`, was not freed, and is not used by another call
/// now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_free(node: *mut NrgNode) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_free(node) };
        Ok(())
    })
}

/// What a configuration says about the place of a group: its name and its store.
///
/// # Safety
/// The pointers of `given` are null or valid for reads of their lengths.
unsafe fn place(given: &NrgNodeConfig) -> Result<NodeConfig, Failure> {
    // SAFETY: the caller's promise is this function's own.
    let (name, root) = unsafe {
        (
            text_in(given.group_name_ptr, given.group_name_len, "group_name_ptr")?,
            text_in(given.store_root_ptr, given.store_root_len, "store_root_ptr")?,
        )
    };
    if root.is_empty() {
        return Err(bad("store_root is empty"));
    }
    let group = GroupName::new(name).map_err(|error| bad(error.to_string()))?;
    Ok(NodeConfig::new(PeerId::default(), group, root))
}

/// The engine's configuration for the caller's, except the transport.
///
/// # Safety
/// As [`place`].
pub(crate) unsafe fn node_config(given: &NrgNodeConfig) -> Result<NodeConfig, Failure> {
    let flags = NRG_NODE_MANAGED
        | NRG_NODE_OBSERVER
        | NRG_NODE_RECOVERING
        | NRG_NODE_SCALE_UP
        | NRG_NODE_TRACK;
    known_flags(given.flags, flags, "config.flags")?;
    let has = |flag| given.flags & flag != 0;
    // SAFETY: the caller's promise is this function's own.
    let place = unsafe { place(given)? };
    Ok(NodeConfig {
        peer_id: peer_in(given.peer_id, "config.peer_id")?,
        log: log_kind(given.log_kind)
            .ok_or_else(|| bad(format!("log_kind {} is unknown", given.log_kind)))?,
        managed: has(NRG_NODE_MANAGED),
        observer: has(NRG_NODE_OBSERVER),
        recovering: has(NRG_NODE_RECOVERING),
        scale_up: has(NRG_NODE_SCALE_UP),
        track: has(NRG_NODE_TRACK),
        token: given.token,
        ..place
    })
}

/// The network a configuration names; none when the host carries the messages.
///
/// # Safety
/// `given.loopback` is null or a live handle for `'a`.
unsafe fn network<'a>(given: &NrgNodeConfig) -> Result<Option<&'a NrgLoopback>, Failure> {
    match given.transport {
        NRG_TRANSPORT_LOOPBACK if given.loopback.is_null() => Err(Failure::new(
            NRG_STATUS_NULL_ARGUMENT,
            "config.loopback is null",
        )),
        // SAFETY: the caller's promise is this function's own.
        NRG_TRANSPORT_LOOPBACK => unsafe { handle_in(given.loopback, "config.loopback").map(Some) },
        NRG_TRANSPORT_HOST if given.loopback.is_null() => Ok(None),
        NRG_TRANSPORT_HOST => Err(bad("a node on a network is not carried by its host")),
        NRG_TRANSPORT_NATS => {
            let text = "this version does not speak to a NATS server by itself";
            Err(Failure::new(NRG_STATUS_UNSUPPORTED, text))
        }
        other => Err(bad(format!("transport {other} is unknown"))),
    }
}

fn bad(text: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(NRG_STATUS_BAD_CONFIG, text)
}
