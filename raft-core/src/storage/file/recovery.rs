//! Reading a log file after whatever ended its last use. Changes nothing: it decides what is there.
//!
//! A file that an interrupted write left behind and a file that rotted can both end in a bad
//! record; the first is cut, the second refused. What tells them apart:
//! - A record (or the mark) says what was durable when it was written. When something durable is
//!   missing, the file is damaged.
//! - A place in the file is written once, after it held zeros. So of an interrupted write each
//!   sector is there or reads as zeros. A bad record without such a sector is damaged.

use std::path::Path;

use super::record::{
    FILE_HEADER_AT, FILE_HEADER_LEN, FileHeader, GroupKey, Kind, MARK_AT, MARK_LEN, Mark,
    RECORD_ALIGN, RECORD_HEADER_LEN, RECORDS_AT, RecordHeader, SECTOR, VERSION, record_len,
};
use super::{Place, checked_payload};
use crate::storage::span::{FRAME_LEN_MAX, Span};
use crate::storage::{DiskFile, LogKind, StorageError, WriteSeq};

const READ_BYTES: usize = 1 << 20;

/// What a log file holds.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) places: Span<Place>,
    pub(super) last_seq: WriteSeq,
    /// Where the records end.
    pub(super) end: u64,
    /// Where the remains of an interrupted write end: `end` when there are none.
    pub(super) torn_end: u64,
    pub(super) file_len: u64,
    pub(super) mark: Mark,
}

/// Reads the whole file.
pub(super) fn recover(
    file: &dyn DiskFile,
    path: &Path,
    key: GroupKey,
) -> Result<Recovered, StorageError> {
    let len = file.len().map_err(StorageError::io("read", path))?;
    let window = Window {
        file,
        path,
        len,
        start: 0,
        bytes: Vec::new(),
    };
    Scan { window, path, key }.run()
}

struct Scan<'a> {
    window: Window<'a>,
    path: &'a Path,
    key: GroupKey,
}

/// What stands at an offset.
enum Found {
    Record(RecordHeader),
    /// No good record. A bad one would take up the bytes up to `end`.
    Bad {
        end: u64,
    },
}

impl Scan<'_> {
    fn run(mut self) -> Result<Recovered, StorageError> {
        self.check_file_header()?;
        let mark = self.read_mark()?;
        let len = self.window.len;
        let mut places = Span::new(LogKind::File);
        let mut last_seq = WriteSeq::ZERO;
        let mut durable = mark.durable;
        let mut at = RECORDS_AT;
        let bad_end = loop {
            let header = match self.record_at(at)? {
                Found::Record(header) => header,
                Found::Bad { end } => break end,
            };
            if header.seq <= last_seq {
                return Err(self.damaged(at, "a record is older than the one before it"));
            }
            if header.durable > last_seq {
                return Err(self.damaged(at, "synced records before this one are missing"));
            }
            if !replay(&mut places, &header, at) {
                return Err(self.damaged(at, "an entry does not follow the one before it"));
            }
            last_seq = header.seq;
            at += record_len(u64::from(header.len));
        };
        let torn_end = self.end_of_content(at)?;
        if torn_end > at {
            durable = durable.max(self.durable_after(at)?);
        }
        if durable > last_seq {
            return Err(self.damaged(at, "synced records are missing"));
        }
        if torn_end > at && !self.looks_torn(at, bad_end)? {
            return Err(self.damaged(at, "a record is not what was written"));
        }
        Ok(Recovered {
            places,
            last_seq,
            end: at,
            torn_end,
            file_len: len,
            mark,
        })
    }

    fn check_file_header(&mut self) -> Result<(), StorageError> {
        let header = FileHeader::decode(self.window.read(FILE_HEADER_AT, FILE_HEADER_LEN)?);
        let Some(header) = header else {
            return Err(self.damaged(FILE_HEADER_AT, "the file header is not what was written"));
        };
        if header.version > VERSION {
            let path = self.path.to_path_buf();
            return Err(StorageError::Version {
                path,
                have: header.version,
                max: VERSION,
            });
        }
        if header.key != self.key {
            return Err(self.damaged(FILE_HEADER_AT, "the log belongs to another group"));
        }
        Ok(())
    }

    fn read_mark(&mut self) -> Result<Mark, StorageError> {
        let mark = Mark::decode(self.window.read(MARK_AT, MARK_LEN)?, self.key);
        let Some(mark) = mark else {
            return Err(self.damaged(MARK_AT, "the mark is not what was written"));
        };
        if self.window.len < mark.file_len {
            return Err(self.damaged(self.window.len, "the file is shorter than it was"));
        }
        Ok(mark)
    }

    fn record_at(&mut self, at: u64) -> Result<Found, StorageError> {
        let key = self.key;
        let bytes = self.window.read(at, RECORD_HEADER_LEN)?;
        let Some(header) = RecordHeader::decode(bytes, key, at) else {
            return Ok(Found::Bad {
                end: at + RECORD_HEADER_LEN as u64,
            });
        };
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        if len > FRAME_LEN_MAX {
            return Ok(Found::Bad {
                end: at + RECORD_HEADER_LEN as u64,
            });
        }
        let bytes = self.window.read(at, RECORD_HEADER_LEN + len)?;
        if checked_payload(bytes, &header).is_none() {
            // Without the padding: its zeros are no sign of a lost sector.
            return Ok(Found::Bad {
                end: at + (RECORD_HEADER_LEN + len) as u64,
            });
        }
        Ok(Found::Record(header))
    }

    /// The end of the last byte from `at` on that is not zero; `at` when all are.
    fn end_of_content(&mut self, mut at: u64) -> Result<u64, StorageError> {
        let mut end = at;
        while at < self.window.len {
            let bytes = self.window.read(at, READ_BYTES)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += bytes.len() as u64;
        }
        Ok(end)
    }

    /// The latest write that good records behind the bad one at `at` know to have been synced.
    fn durable_after(&mut self, at: u64) -> Result<WriteSeq, StorageError> {
        let mut durable = WriteSeq::ZERO;
        let mut at = at + RECORD_ALIGN as u64;
        while at < self.window.len {
            match self.record_at(at)? {
                Found::Record(header) => {
                    durable = durable.max(header.durable);
                    at += record_len(u64::from(header.len));
                }
                Found::Bad { .. } => at += RECORD_ALIGN as u64,
            }
        }
        Ok(durable)
    }

    /// Whether a sector that the bad record in `at..end` touches is missing or reads as zeros.
    fn looks_torn(&mut self, mut at: u64, end: u64) -> Result<bool, StorageError> {
        while at < end {
            if at >= self.window.len {
                return Ok(true);
            }
            let sector_end = (at + 1).next_multiple_of(SECTOR);
            let len = usize::try_from(sector_end - at).unwrap_or_default();
            if self.window.read(at, len)?.iter().all(|byte| *byte == 0) {
                return Ok(true);
            }
            at = sector_end;
        }
        Ok(false)
    }

    fn damaged(&self, offset: u64, what: &'static str) -> StorageError {
        StorageError::Damaged {
            path: self.path.to_path_buf(),
            offset,
            what,
        }
    }
}

/// Does to `places` what the record did to the log; whether it could.
fn replay(places: &mut Span<Place>, header: &RecordHeader, at: u64) -> bool {
    match header.kind {
        Kind::Append => {
            let fits = places.check(header.index, 0).is_ok();
            if fits {
                places.push(Place {
                    offset: at,
                    len: header.len,
                });
            }
            fits
        }
        Kind::Truncate => places.truncate(header.index),
        Kind::Compact => places.compact(header.index),
    }
}

/// A part of the file in memory, moved along as it is read.
struct Window<'a> {
    file: &'a dyn DiskFile,
    path: &'a Path,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `len` bytes from `at` on, fewer where the file ends.
    fn read(&mut self, at: u64, len: usize) -> Result<&[u8], StorageError> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = len.min(left);
        if at < self.start || at + len as u64 > self.start + self.bytes.len() as u64 {
            self.start = at;
            self.bytes.resize(len.max(READ_BYTES).min(left), 0);
            let have = self
                .file
                .read_at(at, &mut self.bytes)
                .map_err(StorageError::io("read", self.path))?;
            self.bytes.truncate(have);
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..len).unwrap_or(rest))
    }
}
