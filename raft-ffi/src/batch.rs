//! Batches: what a take hands out, as fixed-size records over memory the engine shares.

use std::ptr;

use raft_core::node::Committed;
use raft_core::runtime::{LastSnapshot, LogRecord, OutboundBatch};
use raft_core::wire::{AppendEntry, EntryRef};

use crate::constants::{
    NRG_ENTRY_CATCHUP, NRG_ENTRY_NORMAL, NRG_ENTRY_SNAPSHOT, NRG_ITEM_CATCHUP, NRG_ITEM_EMPTY,
    NRG_ITEM_FIRST_OF_INDEX, NRG_ITEM_NIL_GUARD, NRG_LOG_DEBUG, NRG_LOG_ERROR, NRG_LOG_INFO,
    NRG_LOG_WARN,
};
use crate::convert::{handle_free, handle_in, write_out};
use crate::guard::guard;
use crate::live::Counted;
use crate::transport::outbound_records;
use crate::types::{NrgBatchItem, NrgLogRecord, NrgOutbound};

/// What a take handed out. All its records and what they point to live until `nrg_batch_free`.
pub struct NrgBatch {
    records: Records,
    /// Owns the memory the records point into; never changed after the records were made.
    _kept: Kept,
    _counted: Counted,
}

/// The records, by the kind of take they come from.
enum Records {
    Items(Vec<NrgBatchItem>),
    Logs(Vec<NrgLogRecord>),
    Outbound(Vec<NrgOutbound>),
    #[cfg(feature = "testing")]
    Messages(Vec<crate::testing::types::NrgTestMessage>),
}

/// What the records point into.
#[expect(dead_code, reason = "held for its memory, never read")]
enum Kept {
    Committed(Vec<Committed>),
    Logs(Vec<LogRecord>),
    Outbound(OutboundBatch),
    Snapshot(LastSnapshot),
    LogEntries(Vec<AppendEntry>),
    #[cfg(feature = "testing")]
    Bytes(Vec<bytes::Bytes>),
    #[cfg(feature = "testing")]
    Messages(Vec<raft_core::runtime::Message>),
}

// SAFETY: the pointers in the records lead into memory that `_kept` owns or shares and that
// nobody writes to; the records themselves are only read after they were made.
unsafe impl Send for NrgBatch {}
// SAFETY: as above.
unsafe impl Sync for NrgBatch {}

impl NrgBatch {
    /// A batch of apply-queue items.
    pub(crate) fn committed(kept: Vec<Committed>, counted: Counted) -> Self {
        let mut items = Vec::with_capacity(kept.iter().map(records_for).sum());
        for committed in &kept {
            push_committed(committed, &mut items);
        }
        Self {
            records: Records::Items(items),
            _kept: Kept::Committed(kept),
            _counted: counted,
        }
    }

    /// A batch of plain byte strings; the index of each record is its place, from 0.
    #[cfg(feature = "testing")]
    pub(crate) fn bytes(kept: Vec<bytes::Bytes>, counted: Counted) -> Self {
        let items = (0..)
            .zip(&kept)
            .map(|(at, data)| item(at, data, NRG_ENTRY_NORMAL, 0))
            .collect();
        Self {
            records: Records::Items(items),
            _kept: Kept::Bytes(kept),
            _counted: counted,
        }
    }

    /// A batch of log records.
    pub(crate) fn logs(kept: Vec<LogRecord>, counted: Counted) -> Self {
        let records = kept.iter().map(log_record).collect();
        Self {
            records: Records::Logs(records),
            _kept: Kept::Logs(kept),
            _counted: counted,
        }
    }

    /// A snapshot: one record, the index it covers and the data.
    pub(crate) fn snapshot(kept: LastSnapshot, counted: Counted) -> Self {
        let record = item(kept.index.0, &kept.data, NRG_ENTRY_SNAPSHOT, 0);
        Self {
            records: Records::Items(vec![record]),
            _kept: Kept::Snapshot(kept),
            _counted: counted,
        }
    }

    /// A batch of entries of the log, of every type.
    pub(crate) fn log_entries(kept: Vec<AppendEntry>, counted: Counted) -> Self {
        let records_of = |entry: &AppendEntry| entry.entries().count().max(1);
        let mut items = Vec::with_capacity(kept.iter().map(records_of).sum());
        for entry in &kept {
            push_index(entry.index().0, entry.entries(), &mut items);
        }
        Self {
            records: Records::Items(items),
            _kept: Kept::LogEntries(kept),
            _counted: counted,
        }
    }

    /// A batch of commands for the host's transport.
    pub(crate) fn outbound(kept: OutboundBatch, counted: Counted) -> Self {
        Self {
            records: Records::Outbound(outbound_records(&kept)),
            _kept: Kept::Outbound(kept),
            _counted: counted,
        }
    }

    /// A batch of messages.
    #[cfg(feature = "testing")]
    pub(crate) fn messages(kept: Vec<raft_core::runtime::Message>, counted: Counted) -> Self {
        let records = kept
            .iter()
            .map(crate::testing::types::NrgTestMessage::of)
            .collect();
        Self {
            records: Records::Messages(records),
            _kept: Kept::Messages(kept),
            _counted: counted,
        }
    }

    fn items(&self) -> &[NrgBatchItem] {
        if let Records::Items(items) = &self.records {
            items
        } else {
            &[]
        }
    }

    fn log_records(&self) -> &[NrgLogRecord] {
        if let Records::Logs(records) = &self.records {
            records
        } else {
            &[]
        }
    }

    /// The commands; none in a batch of another kind.
    pub(crate) fn outbound_records(&self) -> &[NrgOutbound] {
        if let Records::Outbound(records) = &self.records {
            records
        } else {
            &[]
        }
    }

    /// The messages; none in a batch of another kind.
    #[cfg(feature = "testing")]
    pub(crate) fn message_records(&self) -> &[crate::testing::types::NrgTestMessage] {
        if let Records::Messages(records) = &self.records {
            records
        } else {
            &[]
        }
    }
}

/// The start of some bytes as the ABI shows it: null when there are none.
pub(crate) fn start_of(bytes: &[u8]) -> *const u8 {
    if bytes.is_empty() {
        ptr::null()
    } else {
        bytes.as_ptr()
    }
}

fn item(index: u64, data: &[u8], entry_type: u32, flags: u32) -> NrgBatchItem {
    NrgBatchItem {
        index,
        data_ptr: start_of(data),
        data_len: data.len(),
        entry_type,
        flags,
    }
}

/// How many records [`push_committed`] makes of an item, so that a batch is one allocation.
fn records_for(committed: &Committed) -> usize {
    match committed {
        Committed::NilGuard | Committed::CatchupStarted => 1,
        Committed::Entries(entries) => entries.entries().count().max(1),
    }
}

/// The records of one item of the apply queue: one for each entry, one for an index without.
fn push_committed(committed: &Committed, items: &mut Vec<NrgBatchItem>) {
    let entries = match committed {
        Committed::NilGuard => {
            return items.push(item(0, &[], NRG_ENTRY_NORMAL, NRG_ITEM_NIL_GUARD));
        }
        Committed::CatchupStarted => {
            return items.push(item(0, &[], NRG_ENTRY_CATCHUP, NRG_ITEM_CATCHUP));
        }
        Committed::Entries(entries) => entries,
    };
    push_index(entries.index.0, entries.entries(), items);
}

fn push_index<'a>(
    index: u64,
    entries: impl Iterator<Item = EntryRef<'a>>,
    items: &mut Vec<NrgBatchItem>,
) {
    let mut flags = NRG_ITEM_FIRST_OF_INDEX;
    for entry in entries {
        items.push(item(index, entry.data, u32::from(entry.kind.code()), flags));
        flags = 0;
    }
    if flags != 0 {
        items.push(item(index, &[], NRG_ENTRY_NORMAL, flags | NRG_ITEM_EMPTY));
    }
}

fn log_record(record: &LogRecord) -> NrgLogRecord {
    use raft_core::node::LogLevel;

    let group = record.group.as_ref().map_or("", |group| group.as_str());
    NrgLogRecord {
        unix_nanos: record.unix_nanos,
        token: record.token,
        term: record.term.0,
        index: record.index.0,
        group_name_ptr: start_of(group.as_bytes()),
        group_name_len: group.len(),
        text_ptr: start_of(record.text.as_bytes()),
        text_len: record.text.len(),
        level: match record.level {
            LogLevel::Error => NRG_LOG_ERROR,
            LogLevel::Warn => NRG_LOG_WARN,
            LogLevel::Info => NRG_LOG_INFO,
            LogLevel::Debug => NRG_LOG_DEBUG,
        },
        reserved0: 0,
    }
}

/// The records of a batch and their number; null and 0 for null and for a batch of another kind.
/// wait-free
///
/// They belong to the batch: nothing may be written to them, and they end with it.
///
/// # Safety
/// `batch` is null or a live handle; `count_out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_batch_items(
    batch: *const NrgBatch,
    count_out: *mut usize,
) -> *const NrgBatchItem {
    // SAFETY: the caller's promise is this function's own.
    unsafe { records_of(batch, count_out, NrgBatch::items) }
}

/// The records of a batch of log records; null and 0 for null and for a batch of another kind.
/// wait-free
///
/// They belong to the batch: nothing may be written to them, and they end with it.
///
/// # Safety
/// `batch` is null or a live handle; `count_out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_batch_log_records(
    batch: *const NrgBatch,
    count_out: *mut usize,
) -> *const NrgLogRecord {
    // SAFETY: the caller's promise is this function's own.
    unsafe { records_of(batch, count_out, NrgBatch::log_records) }
}

/// Releases a batch with everything its records point to; accepts null. wait-free
///
/// # Safety
/// `batch` is null, or comes from a take, was not freed, and is not used now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_batch_free(batch: *mut NrgBatch) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_free(batch) };
        Ok(())
    })
}

/// One kind of records of a batch, for the getters that answer no status.
///
/// # Safety
/// As [`nrg_batch_items`].
pub(crate) unsafe fn records_of<R>(
    batch: *const NrgBatch,
    count_out: *mut usize,
    pick: impl FnOnce(&NrgBatch) -> &[R],
) -> *const R {
    let mut found: *const R = ptr::null();
    // The status says only whether there was a batch, which the null answer says too.
    let _ = guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            write_out(count_out, 0, "count_out")?;
            let records = pick(handle_in(batch, "batch")?);
            write_out(count_out, records.len(), "count_out")?;
            if !records.is_empty() {
                found = records.as_ptr();
            }
        }
        Ok(())
    });
    found
}
