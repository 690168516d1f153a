//! One group's folder: making it, opening it, carrying out its writes, deleting it.
//!
//! ```text
//! <dir>/tav.idx      term and vote, in the server's format
//! <dir>/peers.idx    peer state, in the server's format
//! <dir>/snapshots/   snapshots, in the server's format
//! <dir>/log/1.log    the log of a file group, in our own
//! ```

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{DirLock, OpenMode, PathKind, create_dirs, parent_of};
use super::file::{LogFile, LogWrite, LogWriter};
use super::memory::MemoryLog;
use super::small_file::{self, SmallFile, found};
use super::snapshot::{
    FoundSnapshots, GroupSnapshots, SnapshotDir, SnapshotOp, SnapshotOutcome, SnapshotReader,
};
use super::{Disk, Log, LogKind, StorageError, WriteSeq};
use crate::types::{GroupName, Term};
use crate::wire::{PeerState, TermVote};

const TERM_VOTE: &str = "tav.idx";
const PEERS: &str = "peers.idx";
const SNAPSHOTS: &str = "snapshots";
const LOG: &str = "log";
/// The only file of a log so far; the number leaves room for more.
const LOG_FILE: &str = "1.log";
const LOG_FILE_BESIDE: &str = "1.log.tmp";
/// What a bootstrap makes and removes to see that it may.
const PROBE: &str = "_test_probe";

/// Which group to open, where, with which log.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The group's own folder.
    pub dir: PathBuf,
    /// The group. Its log file is bound to the name.
    pub group: GroupName,
    /// Where the log is kept.
    pub kind: LogKind,
}

/// What opening a group found in its log file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// How many entries the log holds.
    pub entries: u64,
    /// How many bytes at the end were cut, as an interrupted write left them. None of them had
    /// been synced.
    pub cut_bytes: u64,
}

/// An open group.
pub struct OpenedGroup {
    /// The node's side of the log.
    pub log: Box<dyn Log>,
    /// The side that writes.
    pub store: GroupStore,
    /// Term and vote as last saved; zero and none when nothing was.
    pub term_vote: TermVote,
    /// The peers to start with: those of the snapshot, or else as last saved; nothing when there
    /// are neither.
    pub peer_state: Option<PeerState>,
    /// The snapshots: the one to start from, and how to read later ones.
    pub snapshots: GroupSnapshots,
    /// The last write the log file knows of. The node continues to count after it.
    pub last_seq: WriteSeq,
    /// What the log file looked like.
    pub report: RecoveryReport,
}

/// Opens a bootstrapped group.
///
/// Reads and decides first: when that fails, nothing on the disk has changed. All that it returns
/// is durable, whatever a process that was killed had left unsynced.
///
/// What an interrupted install has left is only reported ([`FoundSnapshots`]): the node removes it
/// once it knows that it can start.
///
/// A memory group loses its snapshots here (behaviour.md 3.5, step 6): they say nothing without
/// the log that followed them.
///
/// # Errors
/// [`StorageError::NoPeerState`] when there is no folder, [`StorageError::NotADirectory`],
/// [`StorageError::InUse`] while somebody else has it open, [`StorageError::CorruptPeers`],
/// [`StorageError::SnapshotCorrupt`] of the newest snapshot, [`StorageError::Damaged`] and
/// [`StorageError::Version`] of the log file, [`StorageError::CreateSnapshots`],
/// [`StorageError::Io`].
pub fn open_group(disk: Arc<dyn Disk>, config: &StoreConfig) -> Result<OpenedGroup, StorageError> {
    let dir = config.dir.as_path();
    match disk.kind(dir).map_err(StorageError::io("open", dir))? {
        Some(PathKind::Dir) => {}
        Some(PathKind::File) => return Err(StorageError::NotADirectory),
        None => return Err(StorageError::NoPeerState),
    }
    let lock = lock_group(&*disk, dir)?;
    let peers_content = small_file::read(&*disk, &dir.join(PEERS))?;
    let snapshot_dir = SnapshotDir::new(Arc::clone(&disk), dir.join(SNAPSHOTS), &config.group);
    let found_snapshots = match config.kind {
        LogKind::Memory => FoundSnapshots::default(),
        LogKind::File => snapshot_dir.find()?,
    };
    let in_snapshot = found_snapshots.newest.as_ref().map(|found| &found.peers);
    let peer_state = match in_snapshot.filter(|peers| !peers.peers.is_empty()) {
        Some(peers) => Some(peers.clone()),
        None => peers_content.as_deref().map(decode_peers).transpose()?,
    };
    let term_vote_content = small_file::read(&*disk, &dir.join(TERM_VOTE))?;
    let term_vote = decode_term_vote(term_vote_content.as_deref());
    let log_path = dir.join(LOG).join(LOG_FILE);
    let found_log = match config.kind {
        LogKind::Memory => None,
        LogKind::File => find_log(&*disk, &log_path, &config.group)?,
    };

    let (mut report, mut last_seq) = (RecoveryReport::default(), WriteSeq::ZERO);
    let (log, log_writer): (Box<dyn Log>, _) = match config.kind {
        LogKind::Memory => {
            snapshot_dir.drop_all()?;
            (Box::new(MemoryLog::new()), None)
        }
        LogKind::File => {
            let found_log = match found_log {
                Some(found_log) => found_log,
                None => create_log(&*disk, dir, &config.group)?,
            };
            last_seq = found_log.last_seq();
            report.entries = found_log.entries();
            report.cut_bytes = found_log.torn_bytes();
            let (log, writer) = found_log.begin(&log_path)?;
            sync_dir(&*disk, &dir.join(LOG))?;
            (Box::new(log), Some(writer))
        }
    };
    snapshot_dir.create()?;
    snapshot_dir.sync()?;
    sync_dir(&*disk, dir)?;
    let snapshots = GroupSnapshots {
        reader: Arc::new(snapshot_dir.clone()),
        found: found_snapshots,
    };
    let store = GroupStore {
        term_vote: SmallFile::new(dir, TERM_VOTE, term_vote_content),
        peers: SmallFile::new(dir, PEERS, peers_content),
        snapshots: snapshot_dir,
        resets: false,
        dir: dir.into(),
        log: log_writer,
        state: StoreState::Good,
        lock: Some(lock),
        disk,
    };
    Ok(OpenedGroup {
        log,
        store,
        term_vote,
        peer_state,
        snapshots,
        last_seq,
        report,
    })
}

/// Makes a group's folder and saves its first peers (behaviour.md 3.2, steps 4 and 5), durable at
/// return. A group that is there already gets these peers and keeps the rest.
///
/// # Errors
/// [`StorageError::CreateDirectory`], [`StorageError::NotADirectory`],
/// [`StorageError::NotWritable`], [`StorageError::InUse`] while the group is open,
/// [`StorageError::Io`].
pub fn bootstrap(disk: &dyn Disk, dir: &Path, peers: &PeerState) -> Result<(), StorageError> {
    if disk.kind(dir).map_err(StorageError::io("open", dir))? == Some(PathKind::File) {
        return Err(StorageError::NotADirectory);
    }
    create_dirs(disk, dir).map_err(|source| StorageError::CreateDirectory { source })?;
    let _lock = lock_group(disk, dir)?;
    probe(disk, &dir.join(PROBE)).map_err(|source| StorageError::NotWritable { source })?;
    let mut file = SmallFile::new(dir, PEERS, None);
    file.write(disk, peers.encode())?;
    file.publish(disk)?;
    sync_dir(disk, dir)
}

/// The peers saved in a group's folder; nothing when there are none.
///
/// # Errors
/// [`StorageError::CorruptPeers`], [`StorageError::Io`].
pub fn read_peer_state(disk: &dyn Disk, dir: &Path) -> Result<Option<PeerState>, StorageError> {
    small_file::read(disk, &dir.join(PEERS))?
        .as_deref()
        .map(decode_peers)
        .transpose()
}

/// The term and vote saved in a group's folder; zero and none when there are none.
///
/// Differs from the server: a file that is there and cannot be read is an error. To take it for
/// "no vote" could give a second vote in one term.
///
/// # Errors
/// [`StorageError::Io`].
pub fn read_term_vote(disk: &dyn Disk, dir: &Path) -> Result<TermVote, StorageError> {
    let content = small_file::read(disk, &dir.join(TERM_VOTE))?;
    Ok(decode_term_vote(content.as_deref()))
}

/// Term zero says nothing, whatever the vote beside it.
fn decode_term_vote(content: Option<&[u8]>) -> TermVote {
    let saved = content.map(TermVote::decode).unwrap_or_default();
    if saved.term == Term::ZERO {
        TermVote::default()
    } else {
        saved
    }
}

fn found_dir(disk: &dyn Disk, dir: &Path) -> bool {
    matches!(disk.kind(dir), Ok(Some(PathKind::Dir)))
}

/// Two writers on one group would overwrite each other's records and votes.
fn lock_group(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn DirLock>, StorageError> {
    disk.lock_dir(dir).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StorageError::InUse { path: dir.into() },
        _ => StorageError::io("lock", dir)(error),
    })
}

fn decode_peers(content: &[u8]) -> Result<PeerState, StorageError> {
    PeerState::decode(content).map_err(|_| StorageError::CorruptPeers)
}

fn probe(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    drop(disk.open(path, OpenMode::Create)?);
    disk.remove_file(path)
}

fn find_log(
    disk: &dyn Disk,
    path: &Path,
    group: &GroupName,
) -> Result<Option<LogFile>, StorageError> {
    let exists = disk
        .kind(path)
        .map_err(StorageError::io("open", path))?
        .is_some();
    exists.then(|| LogFile::read(disk, path, group)).transpose()
}

/// Makes an empty log file, complete before it has its name.
fn create_log(disk: &dyn Disk, dir: &Path, group: &GroupName) -> Result<LogFile, StorageError> {
    let log_dir = dir.join(LOG);
    let (path, beside) = (log_dir.join(LOG_FILE), log_dir.join(LOG_FILE_BESIDE));
    create_dirs(disk, &log_dir)
        .and_then(|()| LogFile::create(disk, &beside, group))
        .and_then(|()| disk.rename(&beside, &path))
        .map_err(StorageError::io("create", &path))?;
    LogFile::read(disk, &path, group)
}

fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    disk.sync_dir(dir).map_err(StorageError::io("sync", dir))
}

/// What a group wants written, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupWrites {
    /// The last write of the group that these cover.
    pub upto: WriteSeq,
    /// Term and vote, if they changed.
    pub term_vote: Option<TermVote>,
    /// The peers, if they changed.
    pub peers: Option<PeerState>,
    /// Changes of the snapshot files, in order, before those of the log.
    pub snapshots: Vec<SnapshotOp>,
    /// What the log gave out, in the order it did.
    pub log: Vec<LogWrite>,
    /// All snapshot files go, once the log is synced.
    pub drop_snapshots: bool,
}

impl GroupWrites {
    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.term_vote.is_none()
            && self.peers.is_none()
            && self.snapshots.is_empty()
            && self.log.is_empty()
            && !self.drop_snapshots
    }
}

/// The side of an open group that writes. Used by one thread at a time; every call may block.
///
/// After a write or sync that failed nothing is known of what is on the disk, so each later one
/// fails too.
#[derive(Debug)]
pub struct GroupStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    term_vote: SmallFile,
    peers: SmallFile,
    snapshots: SnapshotDir,
    /// The next sync drops the snapshots behind a log that was made new.
    resets: bool,
    log: Option<LogWriter>,
    state: StoreState,
    /// Keeps others out while the group is open.
    lock: Option<Box<dyn DirLock>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreState {
    Good,
    Failed,
    Closed,
}

impl GroupStore {
    /// Writes, without making anything durable but snapshots; how writing those went.
    ///
    /// # Errors
    /// [`StorageError::Io`]; [`StorageError::Failed`] after an earlier error,
    /// [`StorageError::Closed`] after a deletion.
    pub fn write(&mut self, writes: GroupWrites) -> Result<Vec<SnapshotOutcome>, StorageError> {
        self.guarded(|store| {
            let outcomes = store.snapshots.carry_out(writes.snapshots)?;
            store.resets |= writes.drop_snapshots;
            if let Some(term_vote) = writes.term_vote {
                store.term_vote.write(&*store.disk, term_vote.encode())?;
            }
            if let Some(peers) = writes.peers {
                store.peers.write(&*store.disk, peers.encode())?;
            }
            if let Some(log) = &mut store.log {
                log.write(&writes.log)?;
            }
            Ok(outcomes)
        })
    }

    /// Makes durable what was written: term, vote and peers always, the log if `log`.
    ///
    /// # Errors
    /// As [`GroupStore::write`].
    pub fn sync(&mut self, log: bool) -> Result<(), StorageError> {
        self.guarded(|store| {
            let term_vote = store.term_vote.publish(&*store.disk)?;
            let peers = store.peers.publish(&*store.disk)?;
            if term_vote || peers {
                sync_dir(&*store.disk, &store.dir)?;
            }
            let resets = std::mem::take(&mut store.resets);
            if let Some(writer) = store.log.as_mut().filter(|_| log || resets) {
                writer.sync()?;
            }
            // A log that begins behind a snapshot must not outlive it.
            if resets {
                store.snapshots.clear()?;
            }
            Ok(())
        })
    }

    /// Ends the use of the group: what was written is synced, the files are closed, and the folder
    /// may be opened again, however long this value is kept. Does nothing the second time.
    ///
    /// # Errors
    /// As [`GroupStore::write`], from the sync; the group is closed all the same.
    pub fn close(&mut self) -> Result<(), StorageError> {
        let synced = match self.state {
            StoreState::Good => self.sync(true),
            StoreState::Failed | StoreState::Closed => Ok(()),
        };
        self.state = StoreState::Closed;
        self.log = None;
        self.lock = None;
        synced
    }

    /// Removes the group's folder, after an error or a close too. Once begun, a crash leaves either the whole
    /// group or a hidden folder that means nothing.
    ///
    /// # Errors
    /// [`StorageError::Io`]; [`StorageError::InUse`] when it was closed and somebody opened it.
    pub fn delete(&mut self) -> Result<(), StorageError> {
        if self.lock.is_none() && found_dir(&*self.disk, &self.dir) {
            self.lock = Some(lock_group(&*self.disk, &self.dir)?);
        }
        self.state = StoreState::Closed;
        self.log = None;
        let mut hidden = OsString::from(".");
        hidden.push(self.dir.file_name().unwrap_or_default());
        let doomed = self.dir.with_file_name(hidden);
        let parent = parent_of(&self.dir);
        found(self.disk.remove_dir_all(&doomed))
            .and_then(|_| found(self.disk.rename(&self.dir, &doomed)))
            .and_then(|_| self.disk.sync_dir(parent))
            .and_then(|()| found(self.disk.remove_dir_all(&doomed)))
            .map(|_| self.lock = None)
            .map_err(StorageError::io("delete", &self.dir))
    }

    /// Where the log is, for messages; nothing for a memory group.
    #[must_use]
    pub fn log_path(&self) -> Option<&Path> {
        self.log.as_ref().map(LogWriter::path)
    }

    fn guarded<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match self.state {
            StoreState::Good => {}
            StoreState::Failed => return Err(StorageError::Failed),
            StoreState::Closed => return Err(StorageError::Closed),
        }
        // Set first, so that a panic on the way leaves it set.
        self.state = StoreState::Failed;
        let done = act(self)?;
        self.state = StoreState::Good;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;

    use super::*;
    use crate::storage::RealDisk;
    use crate::types::{Index, PeerId};
    use crate::wire::{ChecksumKey, SnapshotFile};

    fn peers(cluster_size: u32) -> PeerState {
        PeerState {
            cluster_size,
            peers: vec![PeerId::from_server_name("a")],
            domain_ext: 0,
        }
    }

    fn config(dir: &Path, kind: LogKind) -> StoreConfig {
        StoreConfig {
            dir: dir.into(),
            group: GroupName::new("G").unwrap(),
            kind,
        }
    }

    fn open(dir: &Path, kind: LogKind) -> Result<OpenedGroup, StorageError> {
        open_group(Arc::new(RealDisk), &config(dir, kind))
    }

    fn names(dir: &Path) -> Vec<String> {
        RealDisk.list(dir).unwrap()
    }

    #[test]
    fn bootstrap_makes_the_folder_and_saves_the_peers() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b/G");

        bootstrap(&RealDisk, &dir, &peers(3)).unwrap();

        assert_eq!(names(&dir), ["peers.idx"]);
        assert_eq!(read_peer_state(&RealDisk, &dir).unwrap(), Some(peers(3)));
        assert_eq!(
            read_term_vote(&RealDisk, &dir).unwrap(),
            TermVote::default()
        );
    }

    #[test]
    fn open_group_is_refused_to_others_until_it_is_closed() {
        let root = tempfile::tempdir().unwrap();
        bootstrap(&RealDisk, root.path(), &peers(1)).unwrap();
        let mut first = open(root.path(), LogKind::File).unwrap();

        let second = open(root.path(), LogKind::File).err().unwrap();
        let again = bootstrap(&RealDisk, root.path(), &peers(3)).unwrap_err();

        assert!(matches!(second, StorageError::InUse { .. }), "{second}");
        assert!(matches!(again, StorageError::InUse { .. }), "{again}");
        assert_eq!(
            read_peer_state(&RealDisk, root.path()).unwrap(),
            Some(peers(1))
        );

        first.store.close().unwrap();

        assert!(open(root.path(), LogKind::File).is_ok());
        let late = first.store.write(GroupWrites::default()).unwrap_err();
        assert!(matches!(late, StorageError::Closed), "{late}");
    }

    #[test]
    fn bootstrap_refuses_what_is_no_folder_in_the_words_of_the_server() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        fs::write(&file, b"x").unwrap();

        let itself = bootstrap(&RealDisk, &file, &peers(3)).unwrap_err();
        let below = bootstrap(&RealDisk, &file.join("G"), &peers(3)).unwrap_err();

        assert_eq!(
            itself.to_string(),
            "raft: storage directory is not a directory"
        );
        assert!(below.to_string().starts_with("could not open "), "{below}");
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[test]
    fn opening_a_folder_that_is_not_there_finds_no_peers_and_makes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("G");

        let refused = open(&dir, LogKind::File).err().unwrap();

        assert_eq!(refused.to_string(), "raft: no peerstate");
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn corrupt_peers_are_refused_and_nothing_changes() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(PEERS), [3, 0, 0, 0, 2]).unwrap();

        let refused = open(root.path(), LogKind::File).err().unwrap();

        assert_eq!(refused.to_string(), "raft: corrupt peer state");
        assert_eq!(names(root.path()), [PEERS]);
    }

    #[test]
    fn a_folder_without_peers_opens_and_says_so() {
        let root = tempfile::tempdir().unwrap();

        let group = open(root.path(), LogKind::File).unwrap();

        assert_eq!(group.peer_state, None);
        assert_eq!(names(root.path()), ["log", "snapshots"]);
    }

    #[test]
    fn term_and_vote_are_read_as_far_as_the_file_goes() {
        let root = tempfile::tempdir().unwrap();
        let mut bytes = 7_u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"S1S2S3S4 and more");
        let vote = PeerId::from_text(b"S1S2S3S4").unwrap();
        let read = |content: &[u8]| {
            fs::write(root.path().join(TERM_VOTE), content).unwrap();
            open(root.path(), LogKind::Memory).unwrap().term_vote
        };

        assert_eq!(read(&bytes[..7]), TermVote::default());
        assert_eq!(
            read(&bytes[..15]),
            TermVote {
                term: Term(7),
                vote: None
            }
        );
        assert_eq!(
            read(&bytes[..16]),
            TermVote {
                term: Term(7),
                vote: Some(vote)
            }
        );
        assert_eq!(
            read(&bytes),
            TermVote {
                term: Term(7),
                vote: Some(vote)
            }
        );
        bytes[0] = 0;
        assert_eq!(read(&bytes[..16]), TermVote::default());
    }

    #[test]
    fn a_memory_group_loses_its_snapshots_and_a_file_group_keeps_them() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = root.path().join(SNAPSHOTS);
        fs::create_dir(&snapshots).unwrap();
        let snapshot = SnapshotFile {
            last_term: Term(1),
            last_index: Index(2),
            peer_state: peers(1).encode(),
            data: Bytes::new(),
        };
        let content = snapshot.encode(&ChecksumKey::of_text("G"));
        fs::write(snapshots.join("snap.1.2"), content).unwrap();

        drop(open(root.path(), LogKind::File).unwrap());
        assert_eq!(names(&snapshots), ["snap.1.2"]);

        drop(open(root.path(), LogKind::Memory).unwrap());
        assert!(names(&snapshots).is_empty());
    }

    #[test]
    fn term_vote_and_peers_are_back_after_a_sync() {
        let root = tempfile::tempdir().unwrap();
        let vote = Some(PeerId::from_server_name("a"));
        let term_vote = TermVote {
            term: Term(9),
            vote,
        };
        let mut group = open(root.path(), LogKind::Memory).unwrap();
        let writes = GroupWrites {
            upto: WriteSeq(2),
            term_vote: Some(term_vote),
            peers: Some(peers(5)),
            ..GroupWrites::default()
        };

        group.store.write(writes.clone()).unwrap();
        assert_eq!(
            read_term_vote(&RealDisk, root.path()).unwrap(),
            TermVote::default()
        );
        group.store.sync(false).unwrap();

        assert_eq!(read_term_vote(&RealDisk, root.path()).unwrap(), term_vote);
        assert_eq!(
            read_peer_state(&RealDisk, root.path()).unwrap(),
            Some(peers(5))
        );
        assert_eq!(names(root.path()), [PEERS, SNAPSHOTS, TERM_VOTE]);
        // The same again touches nothing: not even a file beside.
        group.store.write(writes).unwrap();
        assert_eq!(names(root.path()), [PEERS, SNAPSHOTS, TERM_VOTE]);
    }

    /// The file holds A, B waits beside it, then A is wanted again: A has to win.
    #[test]
    fn content_equal_to_the_file_but_not_to_what_waits_is_written() {
        let root = tempfile::tempdir().unwrap();
        let mut group = open(root.path(), LogKind::Memory).unwrap();
        let peers_write = |size| GroupWrites {
            peers: Some(peers(size)),
            ..GroupWrites::default()
        };
        group.store.write(peers_write(3)).unwrap();
        group.store.sync(true).unwrap();

        group.store.write(peers_write(5)).unwrap();
        group.store.write(peers_write(3)).unwrap();
        group.store.sync(true).unwrap();

        assert_eq!(
            read_peer_state(&RealDisk, root.path()).unwrap(),
            Some(peers(3))
        );
    }

    #[test]
    fn a_deleted_group_is_gone_and_takes_no_more() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("G");
        bootstrap(&RealDisk, &dir, &peers(1)).unwrap();
        fs::create_dir_all(root.path().join(".G/left over")).unwrap();
        let mut group = open(&dir, LogKind::File).unwrap();

        group.store.delete().unwrap();

        assert!(names(root.path()).is_empty());
        let refused = group.store.write(GroupWrites::default());
        assert!(matches!(refused, Err(StorageError::Closed)));
        group.store.delete().unwrap();
        bootstrap(&RealDisk, &dir, &peers(1)).unwrap();
        let state = open(&dir, LogKind::File).unwrap().log.state();
        assert_eq!((state.messages, state.last), (0, Index::ZERO));
    }
}
