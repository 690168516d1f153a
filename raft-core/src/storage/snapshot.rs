//! A group's snapshot files: written beside and renamed, read back checked, found again at start.
//!
//! What a write asks for travels with the group's other writes ([`SnapshotOp`]) and is carried out
//! in order, before the log records of the same batch. So the order of an install holds on the
//! disk: the new file is durable, then the old one is gone, then the log is compacted. A crash
//! between them leaves two files or a log that begins too early; both are put right at the start.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::disk::{OpenMode, PathKind, create_dirs, parent_of};
use super::small_file::found;
use super::{Disk, StorageError};
use crate::types::{GroupName, Index};
use crate::wire::{ChecksumKey, PeerState, SnapshotFile, SnapshotName};

/// One change of a group's snapshot files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotOp {
    /// A new snapshot. Its outcome is reported.
    Write(SnapshotWrite),
    /// A file that is not needed any more, by its name within the folder.
    Remove(String),
}

/// A snapshot to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotWrite {
    /// The node's number for it.
    pub id: u64,
    /// What is written.
    pub file: SnapshotFile,
    /// The group cannot go on without it: a failure is final. Otherwise a failed write leaves no
    /// trace, and the group goes on.
    pub required: bool,
}

/// How the writing of a snapshot ended.
#[derive(Clone, Debug)]
pub struct SnapshotOutcome {
    /// [`SnapshotWrite::id`].
    pub id: u64,
    /// Why there is no such file; nothing when it is durable.
    pub error: Option<Arc<StorageError>>,
}

/// The snapshots of a group, to be read. Synchronous, like a log.
pub trait SnapshotReader: Send + Sync + Debug {
    /// Reads and checks one file.
    ///
    /// # Errors
    /// [`StorageError::SnapshotCorrupt`], [`StorageError::Io`].
    fn load(&self, name: SnapshotName) -> Result<SnapshotFile, StorageError>;

    /// Looks which snapshot a start begins from. Changes nothing.
    ///
    /// # Errors
    /// As [`SnapshotReader::load`], for the newest one: an older one is never taken in its place.
    fn find(&self) -> Result<FoundSnapshots, StorageError>;
}

/// What a start finds of snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundSnapshots {
    /// The one that counts: the highest term, then the highest index.
    pub newest: Option<FoundSnapshot>,
    /// Files that mean nothing beside it: older ones, and what an interrupted write left.
    pub stale: Vec<String>,
}

/// A snapshot to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSnapshot {
    /// Its file.
    pub name: SnapshotName,
    /// Its content.
    pub file: SnapshotFile,
    /// The membership in it.
    pub peers: PeerState,
}

/// The snapshots of an opened group.
#[derive(Clone, Debug)]
pub struct GroupSnapshots {
    /// Reads them.
    pub reader: Arc<dyn SnapshotReader>,
    /// What was there at the start.
    pub found: FoundSnapshots,
}

impl GroupSnapshots {
    /// A group that has none, kept in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            reader: Arc::new(MemorySnapshots::default()),
            found: FoundSnapshots::default(),
        }
    }
}

/// The snapshot that a file's content holds under this name.
fn checked(
    content: Bytes,
    key: &ChecksumKey,
    name: SnapshotName,
    path: &Path,
) -> Result<SnapshotFile, StorageError> {
    let corrupt = || StorageError::SnapshotCorrupt {
        path: path.to_path_buf(),
    };
    let file = SnapshotFile::decode(content, key).map_err(|_| corrupt())?;
    let is_legacy = file.last_index == Index::ZERO;
    if is_legacy || (file.last_term, file.last_index) == (name.term, name.index) {
        Ok(file)
    } else {
        Err(corrupt())
    }
}

/// Decides among the files of a folder; `load` reads the one chosen.
fn choose(
    names: impl IntoIterator<Item = String>,
    load: impl FnOnce(SnapshotName) -> Result<SnapshotFile, StorageError>,
    path: &Path,
) -> Result<FoundSnapshots, StorageError> {
    let mut stale = Vec::new();
    let mut snapshots = Vec::new();
    for name in names {
        match SnapshotName::parse(&name) {
            Some(parsed) => snapshots.push(parsed),
            None => stale.push(name),
        }
    }
    let none = |stale| FoundSnapshots {
        newest: None,
        stale,
    };
    let Some(name) = snapshots.iter().copied().max() else {
        return Ok(none(stale));
    };
    let file = load(name)?;
    if file.last_index == Index::ZERO {
        // Written by mistake by an old server. It counts as absent, and nothing stands in for it.
        stale.push(name.to_string());
        return Ok(none(stale));
    }
    let peers = PeerState::decode(&file.peer_state).map_err(|_| StorageError::SnapshotCorrupt {
        path: path.join(name.to_string()),
    })?;
    let older = snapshots.into_iter().filter(|older| *older != name);
    stale.extend(older.map(|older| older.to_string()));
    Ok(FoundSnapshots {
        newest: Some(FoundSnapshot { name, file, peers }),
        stale,
    })
}

/// The folder of a group's snapshots.
#[derive(Clone, Debug)]
pub(super) struct SnapshotDir {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    key: ChecksumKey,
}

/// Why a snapshot was not written.
enum WriteError {
    /// Nothing of it is left.
    Undone(StorageError),
    /// What is on the disk is not known.
    Unknown(StorageError),
}

impl SnapshotDir {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, group: &GroupName) -> Self {
        let key = ChecksumKey::of_group(group);
        Self { disk, dir, key }
    }

    /// Carries out changes in order; durable at return.
    ///
    /// # Errors
    /// A removal, the write of a required snapshot, or one whose remains are not gone for sure.
    pub(super) fn carry_out(
        &self,
        ops: Vec<SnapshotOp>,
    ) -> Result<Vec<SnapshotOutcome>, StorageError> {
        let mut outcomes = Vec::new();
        let mut removed = false;
        for op in ops {
            match op {
                SnapshotOp::Write(write) => {
                    let error = match self.write(&write.file) {
                        Ok(()) => None,
                        Err(WriteError::Undone(error)) if !write.required => Some(Arc::new(error)),
                        Err(WriteError::Undone(error) | WriteError::Unknown(error)) => {
                            return Err(error);
                        }
                    };
                    let id = write.id;
                    outcomes.push(SnapshotOutcome { id, error });
                }
                SnapshotOp::Remove(name) => {
                    self.remove(&self.dir.join(name))?;
                    removed = true;
                }
            }
        }
        if removed {
            self.sync()?;
        }
        Ok(outcomes)
    }

    fn write(&self, file: &SnapshotFile) -> Result<(), WriteError> {
        let path = self.dir.join(name_of(file).to_string());
        let beside = beside(&path);
        let content = file.encode(&self.key);
        let written = self
            .disk
            .open(&beside, OpenMode::Create)
            .and_then(|open| open.write_at(0, &content).and_then(|()| open.sync_all()))
            .and_then(|()| self.disk.rename(&beside, &path))
            .map_err(StorageError::io("write", &path));
        if let Err(error) = written {
            return Err(match self.remove(&beside) {
                Ok(()) => WriteError::Undone(error),
                Err(error) => WriteError::Unknown(error),
            });
        }
        // Whether the file has its name after a crash is open when this fails, and a removal would
        // be no more certain.
        self.sync().map_err(WriteError::Unknown)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        found(self.disk.remove_file(path))
            .map(|_| ())
            .map_err(StorageError::io("remove", path))
    }

    /// Makes durable which files there are.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        let synced = self.disk.sync_dir(&self.dir);
        synced.map_err(StorageError::io("sync", &self.dir))
    }

    /// Makes the folder if it is not there.
    pub(super) fn create(&self) -> Result<(), StorageError> {
        create_dirs(&*self.disk, &self.dir)
            .map_err(|source| StorageError::CreateSnapshots { source })
    }

    /// Removes the folder and all in it.
    pub(super) fn drop_all(&self) -> Result<(), StorageError> {
        found(self.disk.remove_dir_all(&self.dir))
            .map(|_| ())
            .map_err(StorageError::io("remove", &self.dir))
    }

    /// Empties the folder, foreign files included; durable at return.
    pub(super) fn clear(&self) -> Result<(), StorageError> {
        self.drop_all()?;
        let parent = parent_of(&self.dir);
        self.disk
            .sync_dir(parent)
            .map_err(StorageError::io("sync", parent))?;
        self.create()
    }

    fn files(&self) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        for name in found(self.disk.list(&self.dir))?.unwrap_or_default() {
            if self.disk.kind(&self.dir.join(&name))? == Some(PathKind::File) {
                files.push(name);
            }
        }
        Ok(files)
    }
}

impl SnapshotReader for SnapshotDir {
    fn load(&self, name: SnapshotName) -> Result<SnapshotFile, StorageError> {
        let path = self.dir.join(name.to_string());
        let content = self
            .disk
            .read(&path)
            .map_err(StorageError::io("read", &path))?;
        checked(content.into(), &self.key, name, &path)
    }

    fn find(&self) -> Result<FoundSnapshots, StorageError> {
        let files = self.files().map_err(StorageError::io("read", &self.dir))?;
        choose(files, |name| self.load(name), &self.dir)
    }
}

/// The name a snapshot is kept under.
#[must_use]
pub const fn name_of(file: &SnapshotFile) -> SnapshotName {
    SnapshotName {
        term: file.last_term,
        index: file.last_index,
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Snapshots that are kept in memory, for a node without a disk. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemorySnapshots(Arc<Mutex<BTreeMap<String, SnapshotFile>>>);

impl MemorySnapshots {
    /// Does what a disk would; nothing of it fails.
    pub fn carry_out(&self, ops: Vec<SnapshotOp>) -> Vec<SnapshotOutcome> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outcomes = Vec::new();
        for op in ops {
            match op {
                SnapshotOp::Write(SnapshotWrite { id, file, .. }) => {
                    files.insert(name_of(&file).to_string(), file);
                    outcomes.push(SnapshotOutcome { id, error: None });
                }
                SnapshotOp::Remove(name) => {
                    files.remove(&name);
                }
            }
        }
        outcomes
    }

    /// Removes them all.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The names there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.keys().cloned().collect()
    }
}

impl SnapshotReader for MemorySnapshots {
    fn load(&self, name: SnapshotName) -> Result<SnapshotFile, StorageError> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.to_string();
        files.get(&name).cloned().ok_or_else(|| {
            StorageError::io("read", Path::new(&name))(io::ErrorKind::NotFound.into())
        })
    }

    fn find(&self) -> Result<FoundSnapshots, StorageError> {
        choose(self.names(), |name| self.load(name), Path::new(""))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::RealDisk;
    use crate::types::{PeerId, Term};

    struct Folder {
        dir: SnapshotDir,
        root: tempfile::TempDir,
    }

    impl Folder {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let group = GroupName::new("G").unwrap();
            let dir = SnapshotDir::new(Arc::new(RealDisk), root.path().join("snapshots"), &group);
            dir.create().unwrap();
            Self { dir, root }
        }

        fn put(&self, name: &str, content: impl AsRef<[u8]>) {
            fs::write(self.root.path().join("snapshots").join(name), content).unwrap();
        }

        fn names(&self) -> Vec<String> {
            RealDisk.list(&self.root.path().join("snapshots")).unwrap()
        }

        fn found(&self) -> Result<(Option<String>, Vec<String>), StorageError> {
            let found = self.dir.find()?;
            let newest = found.newest.map(|newest| newest.name.to_string());
            Ok((newest, found.stale))
        }
    }

    fn snapshot(term: u64, index: u64) -> SnapshotFile {
        let peers = PeerState {
            cluster_size: 1,
            peers: vec![PeerId::from_server_name("a")],
            domain_ext: 0,
        };
        SnapshotFile {
            last_term: Term(term),
            last_index: Index(index),
            peer_state: peers.encode(),
            data: Bytes::from_static(b"data"),
        }
    }

    fn sealed(file: &SnapshotFile) -> Bytes {
        file.encode(&ChecksumKey::of_text("G"))
    }

    #[test]
    fn what_was_written_is_read_back_and_found() {
        let folder = Folder::new();
        let write = SnapshotOp::Write(SnapshotWrite {
            id: 1,
            file: snapshot(2, 7),
            required: false,
        });

        let outcomes = folder.dir.carry_out(vec![write]).unwrap();

        assert!(matches!(
            &outcomes[..],
            [SnapshotOutcome { id: 1, error: None }]
        ));
        let name = name_of(&snapshot(2, 7));
        assert_eq!(folder.dir.load(name).unwrap(), snapshot(2, 7));
        assert_eq!(folder.found().unwrap(), (Some("snap.2.7".into()), vec![]));
    }

    /// Issue 8101: the remains of an interrupted write are no snapshot.
    #[test]
    fn issue_8101_newest_strict_name_counts_and_everything_else_is_stale() {
        let folder = Folder::new();
        for (term, index) in [(1, 9), (2, 3), (2, 7)] {
            let file = snapshot(term, index);
            folder.put(&name_of(&file).to_string(), sealed(&file));
        }
        folder.put("snap.3.9.tmp", b"");
        folder.put("snap.03.1", b"");
        fs::create_dir(folder.root.path().join("snapshots/snap.9.9")).unwrap();

        let stale = ["snap.03.1", "snap.3.9.tmp", "snap.1.9", "snap.2.3"];
        assert_eq!(
            folder.found().unwrap(),
            (Some("snap.2.7".into()), stale.map(String::from).to_vec())
        );
    }

    /// Issue 7556: a damaged snapshot is no empty state, and no reason to go back to an older one.
    #[test]
    fn issue_7556_damaged_newest_snapshot_is_an_error_and_nothing_changes() {
        let folder = Folder::new();
        folder.put("snap.1.1", sealed(&snapshot(1, 1)));
        let good = sealed(&snapshot(1, 2));
        for cut in [0, 27, good.len() - 1] {
            folder.put("snap.1.2", &good[..cut]);
            let refused = folder.found().unwrap_err().to_string();
            assert!(refused.starts_with("raft: snapshot corrupt: "), "{refused}");
            assert_eq!(folder.names(), ["snap.1.1", "snap.1.2"]);
        }
    }

    #[test]
    fn snapshot_under_a_wrong_name_is_corrupt() {
        let folder = Folder::new();
        folder.put("snap.1.3", sealed(&snapshot(1, 2)));

        assert!(matches!(
            folder.found(),
            Err(StorageError::SnapshotCorrupt { .. })
        ));
    }

    #[test]
    fn snapshot_of_nothing_counts_as_absent_and_nothing_stands_in_for_it() {
        let folder = Folder::new();
        folder.put("snap.1.1", sealed(&snapshot(1, 1)));
        folder.put("snap.2.0", sealed(&snapshot(2, 0)));

        assert_eq!(folder.found().unwrap(), (None, vec!["snap.2.0".into()]));
    }

    #[test]
    fn cleared_folder_is_there_and_empty() {
        let folder = Folder::new();
        folder.put("snap.1.1", b"x");
        folder.put("anything", b"x");

        folder.dir.clear().unwrap();

        assert!(folder.names().is_empty());
    }
}
