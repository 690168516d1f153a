//! The log of a memory group: gone after a restart, durable at once until then.

use bytes::Bytes;

use super::span::{Kept, Span};
use super::{LoadError, Log, LogKind, LogState, LogWrite, StorageError, WriteSeq};
use crate::types::Index;

impl Kept for Bytes {
    fn frame_len(&self) -> usize {
        self.len()
    }
}

/// A log that keeps its frames in memory and never asks for a write.
#[derive(Debug)]
pub struct MemoryLog {
    frames: Span<Bytes>,
    closed: bool,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frames: Span::new(LogKind::Memory),
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
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Log for MemoryLog {
    fn kind(&self) -> LogKind {
        LogKind::Memory
    }

    fn state(&self) -> LogState {
        self.frames.state()
    }

    fn append(&mut self, index: Index, _seq: WriteSeq, frame: Bytes) -> Result<(), StorageError> {
        self.check_open()?;
        self.frames.check(index, frame.len())?;
        self.frames.push(frame);
        Ok(())
    }

    fn load(&self, index: Index) -> Result<Bytes, LoadError> {
        if self.closed {
            return Err(LoadError::Closed);
        }
        self.frames.get(index).cloned()
    }

    fn truncate(&mut self, last: Index, _seq: WriteSeq) -> Result<(), StorageError> {
        self.check_open()?;
        self.frames.truncate(last);
        Ok(())
    }

    fn compact(&mut self, first: Index, _seq: WriteSeq) -> Result<(), StorageError> {
        self.check_open()?;
        self.frames.compact(first);
        Ok(())
    }

    fn take_writes(&mut self) -> Vec<LogWrite> {
        Vec::new()
    }

    fn handle_written(&mut self, _seq: WriteSeq) {}

    fn close(&mut self) {
        self.frames = Span::new(LogKind::Memory);
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::conformance::{self, Subject};

    struct Memory(MemoryLog);

    impl Subject for Memory {
        fn log(&mut self) -> &mut dyn Log {
            &mut self.0
        }

        fn settle(&mut self) {}
    }

    #[test]
    fn memory_log_conforms() {
        conformance::check(&mut || Memory(MemoryLog::new()));
    }
}
