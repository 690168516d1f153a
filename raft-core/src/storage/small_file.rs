//! Files small enough to be written whole: beside, synced, renamed.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::disk::OpenMode;
use super::{Disk, DiskFile, StorageError};

/// One small file, replaced as a whole in two steps: [`SmallFile::write`] puts the new content
/// beside it, [`SmallFile::publish`] makes it durable and gives it the name. The caller then syncs
/// the folder. Content written twice before one publication is published once.
#[derive(Debug)]
pub(super) struct SmallFile {
    path: PathBuf,
    beside: PathBuf,
    /// What the file holds, or will hold once published.
    content: Option<Bytes>,
    unpublished: Option<Box<dyn DiskFile>>,
}

impl SmallFile {
    /// A file that holds `content`.
    pub(super) fn new(dir: &Path, name: &str, content: Option<Bytes>) -> Self {
        let (path, beside) = (dir.join(name), dir.join(format!("{name}.tmp")));
        Self {
            path,
            beside,
            content,
            unpublished: None,
        }
    }

    /// Puts `content` beside the file, unless that is what it holds.
    pub(super) fn write(&mut self, disk: &dyn Disk, content: Bytes) -> Result<(), StorageError> {
        if self.content.as_ref() == Some(&content) {
            return Ok(());
        }
        let file = disk
            .open(&self.beside, OpenMode::Create)
            .and_then(|file| file.write_at(0, &content).map(|()| file))
            .map_err(StorageError::io("write", &self.beside))?;
        self.content = Some(content);
        self.unpublished = Some(file);
        Ok(())
    }

    /// Syncs what [`SmallFile::write`] wrote and renames it; returns whether there was anything.
    pub(super) fn publish(&mut self, disk: &dyn Disk) -> Result<bool, StorageError> {
        let Some(file) = self.unpublished.take() else {
            return Ok(false);
        };
        file.sync_data()
            .map_err(StorageError::io("sync", &self.beside))?;
        disk.rename(&self.beside, &self.path)
            .map_err(StorageError::io("publish by a rename", &self.path))?;
        Ok(true)
    }
}

/// The content of a small file; nothing when there is no such file.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Bytes>, StorageError> {
    found(disk.read(path))
        .map(|content| content.map(Bytes::from))
        .map_err(StorageError::io("read", path))
}

/// Turns "not found" into nothing.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
