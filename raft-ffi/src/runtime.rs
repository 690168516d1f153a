//! The runtime: its life, the poll that all its nodes share, and what the host tells it.

use std::sync::Arc;
use std::time::Duration;

use raft_core::config::{SyncPolicy, Timing, TimingBuilder};
use raft_core::runtime::{ClockKind, Ready, Runtime, RuntimeConfig};

use crate::batch::NrgBatch;
use crate::constants::{
    NRG_CLOCK_MANUAL, NRG_CLOCK_SYSTEM, NRG_SYNC_ALWAYS, NRG_SYNC_INTERVAL, NRG_SYNC_NEVER,
    NRG_TIMEOUT_INFINITE,
};
use crate::convert::{
    self, handle_free, handle_in, handle_or_null_out, handle_out, null, peer_in, records_out,
    sized_in, sized_out, values_out, write_out,
};
use crate::guard::{Failure, guard};
use crate::live::{Counted, Kind, LiveCounts};
use crate::status::{NRG_STATUS_BAD_CONFIG, NRG_STATUS_INVALID_ARGUMENT};
use crate::types::{NrgMetrics, NrgReady, NrgRuntimeConfig, NrgTuning};

/// Most events one poll returns, however large the caller's array is.
const POLL_MAX: usize = 256;

/// First released size of each sized struct of this file.
const RUNTIME_CONFIG_SIZE: usize = 40;
pub(crate) const TUNING_SIZE: usize = 96;
const METRICS_SIZE: usize = 144;

/// An engine: shard threads, timers, stores. Nodes opened in it keep it alive after
/// `nrg_runtime_free`.
pub struct NrgRuntime {
    core: Runtime,
    live: Arc<LiveCounts>,
    _counted: Counted,
}

impl NrgRuntime {
    pub(crate) const fn core(&self) -> &Runtime {
        &self.core
    }

    /// What the host holds of this runtime.
    pub(crate) const fn live(&self) -> &Arc<LiveCounts> {
        &self.live
    }
}

/// Starts an engine. Several in one process are independent. may block on disk
///
/// The handle belongs to the caller, until `nrg_runtime_free`.
///
/// # Safety
/// `config` points to a struct of its own `struct_size`; `runtime_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_open(
    config: *const NrgRuntimeConfig,
    runtime_out: *mut *mut NrgRuntime,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own; the struct is integers.
        unsafe {
            handle_out(runtime_out, "runtime_out", || {
                let config = sized_in(config, RUNTIME_CONFIG_SIZE, "config")?;
                let core = Runtime::open(runtime_config(&config)?)?;
                let live = Arc::new(LiveCounts::default());
                Ok(NrgRuntime {
                    core,
                    live,
                    _counted: Counted::global(Kind::Runtime),
                })
            })
        }
    })
}

/// Waits until nodes are ready, and says which: token and reasons of each, once.
///
/// At most `events_cap` records (and no more than 256) go to `events_ptr`, their number to
/// `count_out`; the rest comes with the next poll. A record is a hint: the take it announces
/// returns everything there is, possibly nothing. 0 records mean that the time is over or
/// `nrg_runtime_wake` was called. `timeout_ms` 0 does not wait, `NRG_TIMEOUT_INFINITE` waits for
/// ever. After `nrg_runtime_shutdown`: `NRG_STATUS_SHUTDOWN`, for ever. short lock, waits
///
/// # Safety
/// `runtime` is a live handle; `events_ptr` is valid for writes of `events_cap` records;
/// `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_poll(
    runtime: *const NrgRuntime,
    timeout_ms: u32,
    events_ptr: *mut NrgReady,
    events_cap: usize,
    count_out: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let runtime = unsafe { handle_in(runtime, "runtime")? };
        if count_out.is_null() {
            return Err(null("count_out"));
        }
        if events_cap == 0 || events_ptr.is_null() {
            return Err(Failure::new(
                NRG_STATUS_INVALID_ARGUMENT,
                "no room for a single event",
            ));
        }
        let timeout = (timeout_ms != NRG_TIMEOUT_INFINITE)
            .then(|| Duration::from_millis(u64::from(timeout_ms)));
        let mut ready = [Ready::default(); POLL_MAX];
        let room = ready.split_at_mut(events_cap.min(POLL_MAX)).0;
        let count = runtime.core.poll_ready(timeout, room)?;
        let room = room.split_at(count).0;
        let events = room.iter().map(|event| NrgReady {
            token: event.token,
            ready_mask: event.mask,
            reserved0: 0,
        });
        // SAFETY: `count` is at most `events_cap`, and the caller promises room for that many.
        unsafe {
            values_out(events, events_ptr, "events_ptr")?;
            write_out(count_out, count, "count_out")
        }
    })
}

/// Makes a blocked `nrg_runtime_poll`, or the next one, return without records. short lock
///
/// # Safety
/// `runtime` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_wake(runtime: *const NrgRuntime) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_in(runtime, "runtime")? }.core.wake();
        Ok(())
    })
}

/// Changes the timers and intervals of this runtime; those armed already run out as they are.
/// short lock
///
/// # Safety
/// `runtime` is a live handle; `tuning` points to a struct of its own `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_set_tuning(
    runtime: *const NrgRuntime,
    tuning: *const NrgTuning,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own; the struct is integers.
        let (runtime, tuning) = unsafe {
            (
                handle_in(runtime, "runtime")?,
                sized_in(tuning, TUNING_SIZE, "tuning")?,
            )
        };
        runtime.core.set_timing(timing(&tuning)?);
        Ok(())
    })
}

/// Tells whether a server is known and online (`online` not 0): a leader hands its lead over only
/// to such a one. Servers never told about count as online on loopback, and as offline where the
/// host carries the messages. short lock
///
/// `peer_id`: the eight bytes of its id in memory order, not 0.
///
/// # Safety
/// `runtime` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_set_peer_online(
    runtime: *const NrgRuntime,
    peer_id: u64,
    online: u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let runtime = unsafe { handle_in(runtime, "runtime")? };
        runtime
            .core
            .set_peer_online(peer_in(peer_id, "peer_id")?, online != 0);
        Ok(())
    })
}

/// Tells whether a way to other servers exists (`ready` not 0): before the first one a node does
/// not campaign. Until it is told, so it is on loopback, and not where the host carries the
/// messages. short lock
///
/// # Safety
/// `runtime` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_set_routing_ready(
    runtime: *const NrgRuntime,
    ready: u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_in(runtime, "runtime")? }
            .core
            .set_routing_ready(ready != 0);
        Ok(())
    })
}

/// Tells whether the server may store nothing more in logs of a kind, `NRG_LOG_FILE` or
/// `NRG_LOG_MEMORY` (`exhausted` not 0). Nodes opened with `NRG_NODE_TRACK` take no entries then
/// and start no campaign; they go on giving votes. Never so before it is told. short lock
///
/// # Safety
/// `runtime` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_set_resource_state(
    runtime: *const NrgRuntime,
    log_kind: u32,
    exhausted: u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let runtime = unsafe { handle_in(runtime, "runtime")? };
        let Some(kind) = convert::log_kind(log_kind) else {
            let text = format!("log_kind {log_kind} is unknown");
            return Err(Failure::new(NRG_STATUS_INVALID_ARGUMENT, text));
        };
        runtime.core.set_resources_exhausted(kind, exhausted != 0);
        Ok(())
    })
}

/// Takes at most `max_items` log records, oldest first, as a batch of log records. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`; null when there are none.
///
/// # Safety
/// `runtime` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_log_take(
    runtime: *const NrgRuntime,
    max_items: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                let runtime = handle_in(runtime, "runtime")?;
                let records = runtime.core.take_logs(max_items);
                Ok((!records.is_empty())
                    .then(|| NrgBatch::logs(records, Counted::of(&runtime.live, Kind::Batch))))
            })
        }
    })
}

/// Writes the counters of the runtime. short lock
///
/// # Safety
/// `runtime` is a live handle; `metrics_out` points to a struct of its own `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_metrics(
    runtime: *const NrgRuntime,
    metrics_out: *mut NrgMetrics,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let counted = unsafe { handle_in(runtime, "runtime")? }.core.metrics();
        let metrics = NrgMetrics {
            struct_size: 0,
            reserved0: 0,
            groups: counted.groups,
            leaders: counted.leaders,
            commits: counted.commits,
            applied: counted.applied,
            syncs: counted.syncs,
            sync_nanos: counted.sync_nanos_total,
            proposals_not_leader: counted.refused.not_leader,
            proposals_backlog: counted.refused.backlog,
            proposals_unfit: counted.refused.unfit,
            proposals_closed: counted.refused.closed,
            proposals_dropped: counted.proposals_dropped,
            messages_sent: counted.messages_sent,
            leader_changes: counted.leader_changes,
            messages_malformed: counted.messages_malformed,
            poll_wakes: counted.poll_wakes,
            log_records_dropped: counted.log_records_dropped,
            sync_times_dropped: counted.sync_times_dropped,
        };
        // SAFETY: the caller's promise is this function's own; the struct has no padding.
        unsafe { sized_out(metrics_out, &metrics, METRICS_SIZE, "metrics_out") }
    })
}

/// Takes how long single syncs took, in nanoseconds, oldest first: what a histogram is made of.
/// short lock
///
/// Writes at most `times_cap` of them and their number; each is told once.
///
/// # Safety
/// `runtime` is a live handle; `times_ptr` is null or valid for writes of `times_cap` numbers;
/// `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_sync_times_take(
    runtime: *const NrgRuntime,
    times_ptr: *mut u64,
    times_cap: usize,
    count_out: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let runtime = handle_in(runtime, "runtime")?;
            if count_out.is_null() {
                return Err(null("count_out"));
            }
            if times_ptr.is_null() && times_cap > 0 {
                return Err(null("times_ptr"));
            }
            let times = runtime.core.take_sync_times(times_cap);
            records_out(&times, times_ptr, times_cap, count_out)
        }
    })
}

/// Stops all nodes that still run, and every poll: it answers `NRG_STATUS_SHUTDOWN` from then on.
/// Does not wait; a second call does nothing. short lock
///
/// # Safety
/// `runtime` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_shutdown(runtime: *const NrgRuntime) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_in(runtime, "runtime")? }.core.shutdown();
        Ok(())
    })
}

/// Shuts the runtime down if that was not done, and releases the handle; accepts null. Does not
/// wait for the threads: they end by themselves. short lock
///
/// # Safety
/// `runtime` is null, or comes from `nrg_runtime_open`, was not freed, and is not used by another
/// call now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_runtime_free(runtime: *mut NrgRuntime) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        if let Some(runtime) = unsafe { handle_free(runtime) } {
            runtime.core.shutdown();
        }
        Ok(())
    })
}

/// The engine's configuration for the caller's.
fn runtime_config(given: &NrgRuntimeConfig) -> Result<RuntimeConfig, Failure> {
    let sync = match given.sync_policy {
        NRG_SYNC_ALWAYS => SyncPolicy::Always,
        NRG_SYNC_INTERVAL if given.sync_interval_ns != 0 => {
            SyncPolicy::Interval(Duration::from_nanos(given.sync_interval_ns))
        }
        NRG_SYNC_INTERVAL => return Err(bad("sync_interval_ns is 0")),
        NRG_SYNC_NEVER => SyncPolicy::Never,
        other => return Err(bad(format!("sync_policy {other} is unknown"))),
    };
    let clock = match given.clock {
        NRG_CLOCK_SYSTEM => ClockKind::System,
        NRG_CLOCK_MANUAL => ClockKind::Manual,
        other => return Err(bad(format!("clock {other} is unknown"))),
    };
    let mut config = RuntimeConfig::builder().sync(sync).clock(clock);
    if given.shards != 0 {
        config = config.shards(given.shards as usize);
    }
    if given.seed != 0 {
        config = config.seed(given.seed);
    }
    if given.poll_spin_ns != 0 {
        config = config.poll_spin(Duration::from_nanos(given.poll_spin_ns));
    }
    if given.backlog_bytes_max != 0 {
        config = config.backlog_bytes_max(given.backlog_bytes_max);
    }
    Ok(config.build()?)
}

/// The engine's timing for the caller's: what is 0 there keeps its production value.
pub(crate) fn timing(given: &NrgTuning) -> Result<Timing, Failure> {
    type Set = fn(TimingBuilder, Duration) -> TimingBuilder;
    let given: [(u64, Set); 11] = [
        (given.election_min_ns, TimingBuilder::election_min),
        (given.election_max_ns, TimingBuilder::election_max),
        (given.campaign_min_ns, TimingBuilder::campaign_min),
        (given.campaign_max_ns, TimingBuilder::campaign_max),
        (given.heartbeat_ns, TimingBuilder::heartbeat),
        (
            given.lost_quorum_interval_ns,
            TimingBuilder::lost_quorum_interval,
        ),
        (given.lost_quorum_check_ns, TimingBuilder::lost_quorum_check),
        (
            given.lost_quorum_signal_ns,
            TimingBuilder::lost_quorum_signal,
        ),
        (given.observer_interval_ns, TimingBuilder::observer_interval),
        (
            given.peer_remove_timeout_ns,
            TimingBuilder::peer_remove_timeout,
        ),
        (given.rescue_timeout_ns, TimingBuilder::rescue_timeout),
    ];
    let set = given.into_iter().filter(|(nanos, _)| *nanos != 0);
    let timing = set.fold(Timing::builder(), |timing, (nanos, set)| {
        set(timing, Duration::from_nanos(nanos))
    });
    Ok(timing.build()?)
}

fn bad(text: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(NRG_STATUS_BAD_CONFIG, text)
}
