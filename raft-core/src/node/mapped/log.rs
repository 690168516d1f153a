//! The log of a node, past the protocol: stored to, cut and broken by a test.
use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use super::{CallError, Mapped, Node, decoded};
use crate::storage::{
    LoadError, Log, LogKind, LogState, LogWrite, MemoryLog, StorageError, WriteSeq,
};
use crate::types::{Index, Term};
use crate::wire::AppendEntry;

impl Node {
    fn fail_truncate_named(&mut self) {
        let log = std::mem::replace(&mut self.log, Box::new(MemoryLog::new()));
        self.log = Box::new(FailsToTruncate(log));
    }

    /// The server cuts below the commit too; a node only does so when a test tells it to.
    fn cut_named(&mut self, term: Term, last: Index) -> bool {
        self.commit = self.commit.min(last);
        self.processed = self.processed.min(last);
        self.applied = self.applied.min(last);
        self.truncate_wal(term, last, self.id)
    }
}

/// The log, past the protocol.
impl Mapped<'_> {
    /// Server: `loadEntry`. The stored frame.
    ///
    /// # Errors
    /// An entry that is not there or cannot be read.
    pub fn load_entry(&mut self, index: Index) -> Result<Bytes, CallError> {
        match self.0.load_entry(index) {
            Ok(Some(entry)) => Ok(entry.into_frame()),
            Ok(None) => Err(CallError::Failed(format!("no entry at {index}"))),
            Err(error) => Err(CallError::Failed(error.to_string())),
        }
    }

    /// Server: `storeToWAL`.
    ///
    /// # Errors
    /// Bytes that are no append entry, and what the log refuses.
    pub fn store_to_wal(&mut self, frame: Bytes) -> Result<(), CallError> {
        let ae = decoded(AppendEntry::decode(frame))?;
        let stored = self
            .past_the_rules()
            .store_to_wal(ae.head.term, ae.into_frame());
        stored.map_err(|error| CallError::Failed(error.to_string()))
    }

    /// Server: `truncateWAL`; below the commit too, as there. Whether the log was cut.
    pub fn truncate_wal(&mut self, term: Term, last: Index) -> bool {
        self.past_the_rules().cut_named(term, last)
    }

    /// Server: `resetWAL`.
    pub fn reset_wal(&mut self) {
        self.past_the_rules().cut_named(Term::ZERO, Index::ZERO);
    }

    /// Server: `cachePendingEntry`.
    ///
    /// # Errors
    /// Bytes that are no append entry.
    pub fn cache_pending_entry(&mut self, frame: Bytes) -> Result<(), CallError> {
        let ae = decoded(AppendEntry::decode(frame))?;
        self.past_the_rules().cache_pending_entry(ae);
        Ok(())
    }

    /// Cuts the log itself to `last`; the node does not know.
    ///
    /// # Errors
    /// What the log says.
    pub fn wal_truncate(&mut self, last: Index) -> Result<(), CallError> {
        let node = self.past_the_rules();
        let seq = node.durability.issue();
        Ok(node.log.truncate(last, seq)?)
    }

    /// Compacts the log itself below `first`; the node does not know.
    ///
    /// # Errors
    /// What the log says.
    pub fn wal_compact(&mut self, first: Index) -> Result<(), CallError> {
        let node = self.past_the_rules();
        let seq = node.durability.issue();
        Ok(node.log.compact(first, seq)?)
    }

    /// Appends any bytes to the log itself; the node does not know. Their index.
    ///
    /// # Errors
    /// What the log says.
    pub fn wal_store(&mut self, frame: Bytes) -> Result<Index, CallError> {
        let node = self.past_the_rules();
        let (index, seq) = (node.log.state().last.next(), node.durability.issue());
        node.log.append(index, seq, frame)?;
        Ok(index)
    }

    /// The log cannot be cut from now on.
    pub fn wal_fail_truncate(&mut self) {
        self.past_the_rules().fail_truncate_named();
    }
}

/// A log that can do everything but be cut.
struct FailsToTruncate(Box<dyn Log>);

impl Log for FailsToTruncate {
    fn kind(&self) -> LogKind {
        self.0.kind()
    }

    fn state(&self) -> LogState {
        self.0.state()
    }

    fn append(&mut self, index: Index, seq: WriteSeq, frame: Bytes) -> Result<(), StorageError> {
        self.0.append(index, seq, frame)
    }

    fn load(&self, index: Index) -> Result<Bytes, LoadError> {
        self.0.load(index)
    }

    fn truncate(&mut self, _: Index, _: WriteSeq) -> Result<(), StorageError> {
        Err(StorageError::Io {
            operation: "truncate",
            path: PathBuf::new(),
            source: io::Error::other("test: truncate always fails"),
        })
    }

    fn compact(&mut self, first: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.0.compact(first, seq)
    }

    fn take_writes(&mut self) -> Vec<LogWrite> {
        self.0.take_writes()
    }

    fn handle_written(&mut self, seq: WriteSeq) {
        self.0.handle_written(seq);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
