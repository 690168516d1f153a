//! The log of a file group: one append-only file of checked records.
//!
//! [`FileLog`] is the node's side: it knows where each entry stands, keeps the newest frames in
//! memory, and lists what has to be written. `LogWriter` is the other side,
//! wherever it is allowed to wait. Neither writes a place in the file twice: a truncation or
//! compaction is a record too. Bytes: `docs/storage.md`.

mod record;
mod recovery;
mod writer;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use self::record::{
    FILE_HEADER_AT, FileHeader, GroupKey, Kind, MARK_AT, Mark, RECORD_HEADER_LEN, RECORDS_AT,
    RecordHeader, VERSION, record_len,
};
use self::recovery::{Recovered, recover};
pub(super) use self::writer::LogWriter;
use super::disk::OpenMode;
use super::span::{FRAME_LEN_MAX, Kept, Span};
use super::{Disk, DiskFile, LoadError, Log, LogKind, LogState, StorageError, WriteSeq};
use crate::types::{GroupName, Index};

/// Frames kept in memory after they were written, so that followers a little behind and the
/// commit that follows an append need no read.
const CACHE_BYTES_MAX: usize = 8 << 20;
/// What one read of older entries takes in: they are mostly wanted in order.
const READ_AHEAD_BYTES: usize = 16 << 10;

const _: () = assert!(FRAME_LEN_MAX < u32::MAX as usize);

/// One write a log file waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWrite {
    /// Which call asked for it.
    pub(super) seq: WriteSeq,
    /// Where in the file the record goes.
    offset: u64,
    index: Index,
    change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Append(Bytes),
    Truncate,
    Compact,
}

impl LogWrite {
    /// The call of [`Log`] that this write carries out.
    #[must_use]
    pub const fn seq(&self) -> WriteSeq {
        self.seq
    }

    /// How many bytes the file takes for it.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        record_len(self.payload().len() as u64)
    }

    const fn kind(&self) -> Kind {
        match self.change {
            Change::Append(_) => Kind::Append,
            Change::Truncate => Kind::Truncate,
            Change::Compact => Kind::Compact,
        }
    }

    fn payload(&self) -> &[u8] {
        match &self.change {
            Change::Append(frame) => frame,
            Change::Truncate | Change::Compact => &[],
        }
    }
}

/// Where an entry's record stands in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    len: u32,
}

impl Kept for Place {
    fn frame_len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }
}

/// A log in a file.
#[derive(Debug)]
pub struct FileLog {
    file: Arc<dyn DiskFile>,
    key: GroupKey,
    places: Span<Place>,
    /// The frames of the newest entries, the last one's last. Those not yet written are always
    /// among them.
    tail: VecDeque<Bytes>,
    tail_bytes: usize,
    /// Where the next record goes.
    end: u64,
    last_seq: WriteSeq,
    pending: Vec<LogWrite>,
    /// The batches on their way to the file: their last write, and where they end.
    taken: VecDeque<(WriteSeq, u64)>,
    /// Everything before this offset can be read from the file.
    written_end: u64,
    ahead: RefCell<ReadAhead>,
    closed: bool,
}

/// Bytes of the file read beyond the entry that was asked for.
#[derive(Debug, Default)]
struct ReadAhead {
    start: u64,
    bytes: Vec<u8>,
}

impl FileLog {
    fn new(file: Arc<dyn DiskFile>, key: GroupKey, recovered: Recovered) -> Self {
        Self {
            file,
            key,
            places: recovered.places,
            tail: VecDeque::new(),
            tail_bytes: 0,
            end: recovered.end,
            last_seq: recovered.last_seq,
            pending: Vec::new(),
            taken: VecDeque::new(),
            written_end: recovered.end,
            ahead: RefCell::default(),
            closed: false,
        }
    }

    const fn check_open(&self) -> Result<(), StorageError> {
        if self.closed {
            Err(StorageError::Closed)
        } else {
            Ok(())
        }
    }

    fn enqueue(&mut self, seq: WriteSeq, index: Index, change: Change) {
        assert!(
            seq > self.last_seq,
            "the order of writes rises: recovery rests on it"
        );
        let write = LogWrite {
            seq,
            offset: self.end,
            index,
            change,
        };
        self.last_seq = seq;
        self.end += write.file_bytes();
        self.pending.push(write);
    }

    /// How many of the oldest entries have no frame in memory.
    fn on_disk_only(&self) -> usize {
        self.places.len() - self.tail.len()
    }

    /// Drops frames of entries that are gone, `newest` ones from the end and then, from the front,
    /// those there is no entry for.
    fn drop_frames(&mut self, newest: u64) {
        for _ in 0..newest {
            let Some(frame) = self.tail.pop_back() else {
                break;
            };
            self.tail_bytes -= frame.len();
        }
        while self.tail.len() > self.places.len() {
            self.drop_oldest_frame();
        }
    }

    fn drop_oldest_frame(&mut self) {
        if let Some(frame) = self.tail.pop_front() {
            self.tail_bytes -= frame.len();
        }
    }

    fn read(&self, index: Index, place: Place) -> Result<Bytes, LoadError> {
        let len = RECORD_HEADER_LEN + place.frame_len();
        if len >= READ_AHEAD_BYTES {
            let mut bytes = vec![0; len];
            let have = self
                .file
                .read_at(place.offset, &mut bytes)
                .map_err(io_error(index))?;
            bytes.truncate(have);
            self.frame_in(&bytes, index, place)
                .ok_or(LoadError::Damaged { index })?;
            return Ok(Bytes::from(bytes).slice(RECORD_HEADER_LEN..));
        }
        let mut ahead = self.ahead.borrow_mut();
        if ahead.get(place.offset, len).is_none() {
            let left = usize::try_from(self.written_end - place.offset).unwrap_or(usize::MAX);
            ahead
                .fill(self.file.as_ref(), place.offset, left.min(READ_AHEAD_BYTES))
                .map_err(io_error(index))?;
        }
        let frame = ahead
            .get(place.offset, len)
            .and_then(|bytes| self.frame_in(bytes, index, place))
            .map(Bytes::copy_from_slice)
            .ok_or(LoadError::Damaged { index })?;
        if index == self.places.state().last {
            // Whoever reads through has come to the end.
            *ahead = ReadAhead::default();
        }
        Ok(frame)
    }

    /// The payload in `record`, if that is the one written for this entry.
    fn frame_in<'a>(&self, record: &'a [u8], index: Index, place: Place) -> Option<&'a [u8]> {
        let header = RecordHeader::decode(record, self.key, place.offset)?;
        let right = header.kind == Kind::Append && header.index == index && header.len == place.len;
        right.then(|| checked_payload(record, &header)).flatten()
    }
}

impl ReadAhead {
    fn get(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..)?.get(..len)
    }

    fn fill(&mut self, file: &dyn DiskFile, at: u64, len: usize) -> io::Result<()> {
        self.start = at;
        self.bytes.resize(len, 0);
        let have = file.read_at(at, &mut self.bytes);
        self.bytes.truncate(*have.as_ref().unwrap_or(&0));
        have.map(|_| ())
    }
}

impl Log for FileLog {
    fn kind(&self) -> LogKind {
        LogKind::File
    }

    fn state(&self) -> LogState {
        self.places.state()
    }

    fn append(&mut self, index: Index, seq: WriteSeq, frame: Bytes) -> Result<(), StorageError> {
        self.check_open()?;
        self.places.check(index, frame.len())?;
        // Cannot fail: the check above allows no more than 32 MiB.
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.places.push(Place {
            offset: self.end,
            len,
        });
        self.tail_bytes += frame.len();
        self.tail.push_back(frame.clone());
        self.enqueue(seq, index, Change::Append(frame));
        Ok(())
    }

    fn load(&self, index: Index) -> Result<Bytes, LoadError> {
        if self.closed {
            return Err(LoadError::Closed);
        }
        let place = *self.places.get(index)?;
        let position = usize::try_from(index.since(self.places.state().first)).ok();
        let frame = position
            .and_then(|position| position.checked_sub(self.on_disk_only()))
            .and_then(|in_tail| self.tail.get(in_tail));
        match frame {
            Some(frame) => Ok(frame.clone()),
            None => self.read(index, place),
        }
    }

    fn truncate(&mut self, last: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.check_open()?;
        let before = self.places.state().last;
        if self.places.truncate(last) {
            self.drop_frames(before.since(last));
            self.enqueue(seq, last, Change::Truncate);
        }
        Ok(())
    }

    fn compact(&mut self, first: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.check_open()?;
        if self.places.compact(first) {
            self.drop_frames(0);
            self.enqueue(seq, first, Change::Compact);
        }
        Ok(())
    }

    fn take_writes(&mut self) -> Vec<LogWrite> {
        if let Some(last) = self.pending.last() {
            self.taken.push_back((last.seq, self.end));
        }
        std::mem::take(&mut self.pending)
    }

    fn handle_written(&mut self, seq: WriteSeq) {
        while let Some((_, end)) = self.taken.pop_front_if(|(last, _)| *last <= seq) {
            self.written_end = end;
        }
        while self.tail_bytes > CACHE_BYTES_MAX {
            let oldest = self.places.at(self.on_disk_only());
            if oldest.is_none_or(|place| place.offset >= self.written_end) {
                break;
            }
            self.drop_oldest_frame();
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.tail.clear();
        self.tail_bytes = 0;
        self.ahead.take();
    }
}

fn io_error(index: Index) -> impl FnOnce(io::Error) -> LoadError {
    move |source| LoadError::Io { index, source }
}

/// The payload in the bytes of a record, if it is whole and what was written.
fn checked_payload<'a>(record: &'a [u8], header: &RecordHeader) -> Option<&'a [u8]> {
    let len = usize::try_from(header.len).ok()?;
    let payload = record.get(RECORD_HEADER_LEN..)?.get(..len)?;
    (crc32fast::hash(payload) == header.payload_crc).then_some(payload)
}

/// A log file that was read and not yet changed.
#[derive(Debug)]
pub(super) struct LogFile {
    file: Arc<dyn DiskFile>,
    key: GroupKey,
    recovered: Recovered,
}

impl LogFile {
    /// Writes an empty log file; syncing the folder and naming it for good is the caller's.
    pub(super) fn create(disk: &dyn Disk, path: &Path, group: &GroupName) -> io::Result<()> {
        let key = GroupKey::of(group);
        let file = disk.open(path, OpenMode::Create)?;
        file.set_len(RECORDS_AT)?;
        file.write_at(
            FILE_HEADER_AT,
            &FileHeader {
                key,
                version: VERSION,
            }
            .encode(),
        )?;
        let mark = Mark {
            durable: WriteSeq::ZERO,
            file_len: RECORDS_AT,
        };
        file.write_at(MARK_AT, &mark.encode(key))?;
        file.sync_all()
    }

    /// Reads the file at `path`.
    pub(super) fn read(
        disk: &dyn Disk,
        path: &Path,
        group: &GroupName,
    ) -> Result<Self, StorageError> {
        let key = GroupKey::of(group);
        let file = disk
            .open(path, OpenMode::Write)
            .map_err(StorageError::io("open", path))?;
        let file = Arc::from(file);
        let recovered = recover(&*file, path, key)?;
        Ok(Self {
            file,
            key,
            recovered,
        })
    }

    /// How many entries the file holds.
    pub(super) fn entries(&self) -> u64 {
        self.recovered.places.state().messages
    }

    /// The last write in the file.
    pub(super) const fn last_seq(&self) -> WriteSeq {
        self.recovered.last_seq
    }

    /// How many bytes an interrupted write left.
    pub(super) const fn torn_bytes(&self) -> u64 {
        self.recovered.torn_end - self.recovered.end
    }

    /// Cuts what is torn, makes the rest durable, and gives out the two sides of the log.
    ///
    /// What was read may be in the system's memory only, left there by a process that was killed.
    /// The node is about to speak for it, so it is synced first.
    pub(super) fn begin(mut self, path: &Path) -> Result<(FileLog, LogWriter), StorageError> {
        let recovered = &mut self.recovered;
        let cut = recovered.torn_end > recovered.end;
        let file_len = if cut {
            recovered.end
        } else {
            recovered.file_len
        };
        let mark = Mark {
            durable: recovered.last_seq,
            file_len,
        };
        self.file
            .sync_all()
            .map_err(StorageError::io("sync", path))?;
        if mark != recovered.mark {
            self.file
                .write_at(MARK_AT, &mark.encode(self.key))
                .and_then(|()| self.file.sync_all())
                .map_err(StorageError::io("write the mark of", path))?;
        }
        if cut {
            // After the mark: it must never say more than there is.
            self.file
                .set_len(recovered.end)
                .and_then(|()| self.file.sync_all())
                .map_err(StorageError::io("cut the torn end of", path))?;
        }
        let end = recovered.end;
        let writer = LogWriter::new(Arc::clone(&self.file), path.into(), self.key, end, mark);
        Ok((FileLog::new(self.file, self.key, self.recovered), writer))
    }
}

#[cfg(test)]
mod tests;
