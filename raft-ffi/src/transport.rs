//! The host's transport: commands out, messages in. The way in and out of every message, so
//! failures here are codes without a text where the code says it all.

use std::ops::Range;

use bytes::Bytes;
use raft_core::node::SubscriptionId;
use raft_core::runtime::{Command, Inbound, OutboundBatch, TrafficAccount};

use crate::batch::{NrgBatch, records_of, start_of};
use crate::constants::{
    NRG_ACCOUNT_SYSTEM, NRG_OUTBOUND_PUBLISH, NRG_OUTBOUND_RESET, NRG_OUTBOUND_SUBSCRIBE,
    NRG_OUTBOUND_UNSUBSCRIBE,
};
use crate::convert::{
    copy_out, handle_or_null_out, known_flags, null, slice_in, text_in, write_out,
};
use crate::guard::{Failure, guard};
use crate::live::{Counted, Kind};
use crate::node::{NrgNode, in_any_node, on_any_node, on_node};
use crate::status::{NRG_STATUS_BAD_CONFIG, NRG_STATUS_INVALID_ARGUMENT, NRG_STATUS_INVALID_UTF8};
use crate::types::{NrgInbound, NrgOutbound};

/// Takes commands for the host's transport, oldest first, as a batch of commands. short lock
///
/// At most `max_items` and about `max_bytes`, one at least. Carry them out in their order: a
/// subscription has to exist before the message that names its inbox, and what a node publishes
/// has to reach each receiver in the order it was published. After `NRG_READY_OUTBOUND` take until
/// nothing is left; the engine's queue has no bound of its own. A node that has stopped or failed
/// still has its last commands.
///
/// The batch belongs to the caller, until `nrg_batch_free`; null when there are none. Free it when
/// its commands are carried out: with `NRG_CLOCK_MANUAL` time waits for that. A node whose messages
/// something else carries: `NRG_STATUS_INVALID_ARGUMENT`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_outbound_take(
    node: *const NrgNode,
    max_items: usize,
    max_bytes: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                in_any_node(node, |node| {
                    let taken = node.core().take_outbound(max_items, max_bytes)?;
                    Ok(taken.map(|batch| {
                        NrgBatch::outbound(batch, Counted::of(node.live(), Kind::Batch))
                    }))
                })
            })
        }
    })
}

/// The records of a batch of commands and their number; null and 0 for null and for a batch of
/// another kind. wait-free
///
/// They belong to the batch: nothing may be written to them, and they end with it.
///
/// # Safety
/// `batch` is null or a live handle; `count_out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_batch_outbound(
    batch: *const NrgBatch,
    count_out: *mut usize,
) -> *const NrgOutbound {
    // SAFETY: the caller's promise is this function's own.
    unsafe { records_of(batch, count_out, NrgBatch::outbound_records) }
}

/// Hands over messages that the host heard on the node's subscriptions, in the order it heard
/// them: all or none. short lock
///
/// The texts and payloads lie packed behind `data_ptr`; each record says where its own are. They
/// are copied once. A range outside `data_len`: `NRG_STATUS_INVALID_ARGUMENT`; a reply that is not
/// UTF-8: `NRG_STATUS_INVALID_UTF8`. Messages of a subscription that was ended meanwhile, or never
/// existed, are dropped. A node that has stopped: `NRG_STATUS_CLOSED`. Does not wait for a frozen
/// node.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `records_ptr` is null or valid for reads of `count` records.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_deliver_batch(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
    records_ptr: *const NrgInbound,
    count: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let data = slice_in(data_ptr, data_len, "data_ptr")?;
            let records = slice_in(records_ptr, count, "records_ptr")?;
            // Everything is checked before anything is taken.
            for record in records {
                checked(record, data)?;
            }
            let packed = Bytes::copy_from_slice(data);
            let messages = records.iter().filter_map(|record| {
                let (reply, payload) = checked(record, data).ok()?;
                Some(Inbound {
                    subscription: SubscriptionId(record.subscription),
                    reply,
                    payload: packed.slice(payload),
                })
            });
            Ok(node.core().deliver(messages)?)
        })
    }
}

/// The parts of one record: its reply, and where its payload lies.
fn checked<'a>(record: &NrgInbound, data: &'a [u8]) -> Result<(&'a str, Range<usize>), Failure> {
    let reply = range(record.reply_offset, record.reply_len, data)?;
    let payload = range(record.payload_offset, record.payload_len, data)?;
    let reply = data.get(reply).unwrap_or_default();
    let reply = std::str::from_utf8(reply).map_err(|_| Failure::code(NRG_STATUS_INVALID_UTF8))?;
    Ok((reply, payload))
}

fn range(offset: u32, len: u32, data: &[u8]) -> Result<Range<usize>, Failure> {
    let start = offset as usize;
    start
        .checked_add(len as usize)
        .filter(|end| *end <= data.len())
        .map(|end| start..end)
        .ok_or(Failure::code(NRG_STATUS_INVALID_ARGUMENT))
}

/// Reports that a subscribe command could not be carried out. Without one of its permanent
/// subscriptions the node would be deaf: it closes, with `NRG_STATUS_NO_TRANSPORT` as its write
/// error. Otherwise the catch-up or the leadership that needed it ends. An id of a subscription
/// that is no more is ignored. Does not wait for a frozen node. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_subscribe_failed(node: *const NrgNode, subscription: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let id = SubscriptionId(subscription);
            Ok(node.call(|core| core.subscribe_failed(id))??)
        })
    }
}

/// Has the node subscribe anew, with new inboxes: what the transport had is lost. A reset command
/// comes first. What arrives on the old subscriptions is dropped from now on. Does not wait for a
/// frozen node; a stopped one does nothing. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_transport_reset(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| Ok(node.call(|core| core.reset_transport())??)) }
}

/// Tells which account the group's traffic uses. Another one than before has the node subscribe
/// anew, as `nrg_node_transport_reset`; the same one does nothing. A node begins in the system
/// account, called `$SYS`. short lock
///
/// `name_ptr`: the account's name, UTF-8, not empty. `flags`: `NRG_ACCOUNT_SYSTEM` or 0.
///
/// # Safety
/// `node` is a live handle; `name_ptr` is null or valid for reads of `name_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_set_traffic_account(
    node: *const NrgNode,
    name_ptr: *const u8,
    name_len: usize,
    flags: u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let name = text_in(name_ptr, name_len, "name_ptr")?;
            known_flags(flags, NRG_ACCOUNT_SYSTEM, "flags")?;
            if name.is_empty() {
                return Err(Failure::new(
                    NRG_STATUS_BAD_CONFIG,
                    "the account has no name",
                ));
            }
            let account = TrafficAccount {
                name: name.into(),
                is_system: flags & NRG_ACCOUNT_SYSTEM != 0,
            };
            Ok(node.call(|core| core.set_traffic_account(account))??)
        })
    }
}

/// Writes the name of the account the group's traffic uses, UTF-8, not terminated, and whether it
/// is the system account. short lock
///
/// `needed_len_out` receives the name's length, also when the buffer is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`). On loopback it counts as the system account.
///
/// # Safety
/// `node` is a live handle; `buf_ptr` is null or valid for writes of `buf_len` bytes; the other
/// pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_traffic_account(
    node: *const NrgNode,
    is_system_out: *mut u32,
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_any_node(node, |node| {
            if is_system_out.is_null() {
                return Err(null("is_system_out"));
            }
            let account = node.core().traffic_account();
            copy_out(account.name.as_bytes(), buf_ptr, buf_len, needed_len_out)?;
            write_out(is_system_out, u32::from(account.is_system), "is_system_out")
        })
    }
}

/// The records of taken commands, pointing into them.
pub(crate) fn outbound_records(batch: &OutboundBatch) -> Vec<NrgOutbound> {
    batch.commands().iter().map(outbound_record).collect()
}

fn outbound_record(command: &Command) -> NrgOutbound {
    let record = |kind, subscription, subject: &str| NrgOutbound {
        subscription,
        subject_ptr: start_of(subject.as_bytes()),
        subject_len: subject.len(),
        reply_ptr: std::ptr::null(),
        reply_len: 0,
        payload_ptr: std::ptr::null(),
        payload_len: 0,
        kind,
        flags: 0,
    };
    match command {
        Command::Publish {
            subject,
            reply,
            payload,
        } => {
            let reply = reply.as_ref().map_or("", |reply| reply.as_str());
            NrgOutbound {
                reply_ptr: start_of(reply.as_bytes()),
                reply_len: reply.len(),
                payload_ptr: start_of(payload),
                payload_len: payload.len(),
                ..record(NRG_OUTBOUND_PUBLISH, 0, subject.as_str())
            }
        }
        Command::Subscribe { id, subject } => {
            record(NRG_OUTBOUND_SUBSCRIBE, id.0, subject.as_str())
        }
        Command::Unsubscribe { id, subject } => {
            record(NRG_OUTBOUND_UNSUBSCRIBE, id.0, subject.as_str())
        }
        Command::Reset { account } => NrgOutbound {
            flags: if account.is_system {
                NRG_ACCOUNT_SYSTEM
            } else {
                0
            },
            ..record(NRG_OUTBOUND_RESET, 0, &account.name)
        },
    }
}
