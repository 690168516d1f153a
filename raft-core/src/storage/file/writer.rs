//! The I/O side of a log file: turns gathered writes into as few system calls as it can.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LogWrite;
use super::record::{GroupKey, MARK_AT, Mark, RECORD_ALIGN, RECORDS_AT, RecordHeader};
use crate::storage::{DiskFile, StorageError, WriteSeq};

/// Records are gathered up to this size and written with one call.
const BATCH_BYTES: usize = 1 << 20;
/// A frame from this size on is not copied into the batch: it is written by a call of its own.
const DIRECT_BYTES: usize = 64 << 10;
/// A batch buffer larger than this is given back after use: there are many groups.
const BUFFER_KEPT_BYTES: usize = 64 << 10;
/// The file grows ahead of its records by about its own size within these bounds, in zeros that
/// are really written: a sync then has no new length or block to record, which took a third to
/// two thirds off its time (docs/storage.md).
const GROW_BYTES_MIN: u64 = 16 << 10;
const GROW_BYTES_MAX: u64 = 1 << 20;
const PAGE: u64 = 4096;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Carries out [`LogWrite`]s, in order, on one file.
#[derive(Debug)]
pub(in crate::storage) struct LogWriter {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    key: GroupKey,
    /// Where the next record goes.
    end: u64,
    /// The file's length: `end` and the zeros behind it.
    allocated: u64,
    /// The file's length as the mark in the file has it.
    marked: u64,
    /// The last record written.
    written: WriteSeq,
    /// The last record synced.
    durable: WriteSeq,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// A writer that continues a file at `end`, everything before which is durable.
    pub(super) fn new(
        file: Arc<dyn DiskFile>,
        path: PathBuf,
        key: GroupKey,
        end: u64,
        mark: Mark,
    ) -> Self {
        Self {
            file,
            path,
            key,
            end,
            allocated: mark.file_len,
            marked: mark.file_len,
            written: mark.durable,
            durable: mark.durable,
            buffer: Vec::new(),
        }
    }

    /// Writes the records, without syncing them.
    pub(in crate::storage) fn write(&mut self, writes: &[LogWrite]) -> Result<(), StorageError> {
        let Some(first) = writes.first() else {
            return Ok(());
        };
        assert_eq!(
            first.offset, self.end,
            "log writes are carried out in order, none left out"
        );
        self.buffer.clear();
        for write in writes {
            self.gather(write)?;
        }
        self.flush()?;
        self.grow()?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(())
    }

    /// Makes durable what was written.
    pub(in crate::storage) fn sync(&mut self) -> Result<(), StorageError> {
        if self.durable == self.written {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(StorageError::io("sync", &self.path))?;
        self.durable = self.written;
        // Only after the sync that made the new length durable, so that a file shorter than its
        // mark is damage. The mark itself goes out with the next sync: it is a witness, and
        // nothing waits for it.
        if self.marked != self.allocated {
            let mark = Mark {
                durable: self.durable,
                file_len: self.allocated,
            };
            self.file
                .write_at(MARK_AT, &mark.encode(self.key))
                .map_err(StorageError::io("write the mark of", &self.path))?;
            self.marked = self.allocated;
        }
        Ok(())
    }

    pub(in crate::storage) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one record to the batch, sending out what is ready.
    fn gather(&mut self, write: &LogWrite) -> Result<(), StorageError> {
        let (kind, index, payload) = (write.kind(), write.index, write.payload());
        let header = RecordHeader {
            seq: write.seq,
            durable: self.durable,
            index,
            // Cannot fail: the log refuses frames of more than 32 MiB.
            len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload_crc: crc32fast::hash(payload),
            kind,
        };
        let place = self.end + self.buffer.len() as u64;
        debug_assert_eq!(
            place, write.offset,
            "a record goes where the log said it would"
        );
        debug_assert!(
            write.seq > self.written,
            "records are written in their order"
        );
        self.buffer
            .extend_from_slice(&header.encode(self.key, place));
        if payload.len() >= DIRECT_BYTES {
            self.flush()?;
            self.put(payload)?;
        } else {
            self.buffer.extend_from_slice(payload);
        }
        let padding = payload.len().next_multiple_of(RECORD_ALIGN) - payload.len();
        self.buffer.extend(std::iter::repeat_n(0, padding));
        self.written = write.seq;
        if self.buffer.len() >= BATCH_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file
            .write_at(self.end, bytes)
            .map_err(StorageError::io("write records to", &self.path))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes zeros ahead once the records have used up the ones before.
    fn grow(&mut self) -> Result<(), StorageError> {
        if self.end <= self.allocated {
            return Ok(());
        }
        let ahead = self.end.clamp(GROW_BYTES_MIN, GROW_BYTES_MAX);
        let goal = (self.end + ahead).next_multiple_of(PAGE);
        let mut at = self.end;
        while at < goal {
            let rest = usize::try_from(goal - at).unwrap_or(usize::MAX);
            let zeros = ZEROS.get(..rest).unwrap_or(&ZEROS);
            self.file
                .write_at(at, zeros)
                .map_err(StorageError::io("grow", &self.path))?;
            at += zeros.len() as u64;
        }
        self.allocated = goal;
        Ok(())
    }
}

const _: () = assert!(RECORDS_AT < GROW_BYTES_MIN);
