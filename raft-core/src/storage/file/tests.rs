//! The file log through its two sides, on a real disk and, with `sim`, on the simulated one.

use super::*;
use crate::storage::conformance::{self, Subject};
use crate::storage::{
    GroupStore, GroupWrites, OpenedGroup, RealDisk, RecoveryReport, StoreConfig, bootstrap,
    open_group,
};
use crate::types::PeerId;
use crate::wire::PeerState;

/// A group that is reopened each time it settles.
struct Group {
    disk: Arc<dyn Disk>,
    config: StoreConfig,
    opened: OpenedGroup,
    /// Keeps a real folder alive.
    _root: Option<tempfile::TempDir>,
}

impl Group {
    fn real() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("G");
        Self::new(Arc::new(RealDisk), &dir, Some(root))
    }

    fn new(disk: Arc<dyn Disk>, dir: &Path, root: Option<tempfile::TempDir>) -> Self {
        let config = StoreConfig {
            dir: dir.into(),
            group: group("G"),
            kind: LogKind::File,
        };
        let peers = vec![PeerId::from_server_name("a")];
        let peers = PeerState {
            cluster_size: 1,
            peers,
            domain_ext: 0,
        };
        bootstrap(&*disk, dir, &peers).unwrap();
        let opened = open_group(Arc::clone(&disk), &config).unwrap();
        Self {
            disk,
            config,
            opened,
            _root: root,
        }
    }

    fn append(&mut self, seq: u64, frame: impl Into<Bytes>) {
        let next = self.opened.log.state().last.next();
        self.opened
            .log
            .append(next, WriteSeq(seq), frame.into())
            .unwrap();
    }

    fn write(&mut self) {
        write(&mut *self.opened.log, &mut self.opened.store);
    }

    fn sync(&mut self) {
        self.opened.store.sync(true).unwrap();
    }

    fn reopen(&mut self) {
        self.opened.store.close().unwrap();
        self.opened = open_group(Arc::clone(&self.disk), &self.config).unwrap();
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.config.dir.join("log/1.log")
    }
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

fn write(log: &mut dyn Log, store: &mut GroupStore) {
    let writes = log.take_writes();
    let Some(upto) = writes.last().map(LogWrite::seq) else {
        return;
    };
    store
        .write(GroupWrites {
            upto,
            log: writes,
            ..GroupWrites::default()
        })
        .unwrap();
    log.handle_written(upto);
}

impl Subject for Group {
    fn log(&mut self) -> &mut dyn Log {
        &mut *self.opened.log
    }

    fn settle(&mut self) {
        self.write();
        self.sync();
        self.reopen();
    }
}

/// One side of an opened file group, by its own type.
fn file_log(dir: &Path) -> (FileLog, LogWriter) {
    let path = dir.join("1.log");
    LogFile::create(&RealDisk, &path, &group("G")).unwrap();
    LogFile::read(&RealDisk, &path, &group("G"))
        .unwrap()
        .begin(&path)
        .unwrap()
}

/// The two sides on a real file. Never synced, which would take most of the time.
struct Written {
    log: FileLog,
    writer: LogWriter,
    _root: tempfile::TempDir,
}

impl Subject for Written {
    fn log(&mut self) -> &mut dyn Log {
        &mut self.log
    }

    fn settle(&mut self) {
        let writes = self.log.take_writes();
        self.writer.write(&writes).unwrap();
        if let Some(last) = writes.last() {
            self.log.handle_written(last.seq);
        }
        // As if the cache had no room, so that what is compared next comes from the file.
        self.log.tail.clear();
        self.log.tail_bytes = 0;
    }
}

#[test]
fn file_log_conforms() {
    conformance::check(&mut || {
        let root = tempfile::tempdir().unwrap();
        let (log, writer) = file_log(root.path());
        Written {
            log,
            writer,
            _root: root,
        }
    });
}

#[test]
fn a_log_on_a_real_disk_is_back_after_reopening() {
    let mut group = Group::real();
    group.append(1, "one");
    group.append(2, vec![7; 300_000]);
    group.append(3, "three");
    group.settle();
    group.opened.log.truncate(Index(2), WriteSeq(4)).unwrap();
    group.append(5, "new three");
    let state = group.opened.log.state();
    group.settle();

    assert_eq!(group.opened.log.state(), state);
    assert_eq!(group.opened.last_seq, WriteSeq(5));
    assert_eq!(
        group.opened.report,
        RecoveryReport {
            entries: 3,
            cut_bytes: 0
        }
    );
    assert_eq!(group.opened.log.load(Index(1)).unwrap(), "one");
    assert_eq!(group.opened.log.load(Index(2)).unwrap(), vec![7; 300_000]);
    assert_eq!(group.opened.log.load(Index(3)).unwrap(), "new three");
}

#[test]
fn frames_that_left_the_cache_are_read_back() {
    let root = tempfile::tempdir().unwrap();
    let (mut log, mut writer) = file_log(root.path());
    let frame = |n: u64| Bytes::from(vec![n.to_le_bytes()[0]; 100 << 10]);
    let count = (CACHE_BYTES_MAX / (100 << 10)) as u64 + 20;
    for n in 1..=count {
        log.append(Index(n), WriteSeq(n), frame(n)).unwrap();
    }
    log.append(
        Index(count + 1),
        WriteSeq(count + 1),
        Bytes::from_static(b"small"),
    )
    .unwrap();

    assert!(
        log.tail_bytes > CACHE_BYTES_MAX,
        "nothing unwritten may be dropped"
    );
    writer.write(&log.take_writes()).unwrap();
    log.handle_written(WriteSeq(count + 1));

    assert!(log.tail_bytes <= CACHE_BYTES_MAX);
    assert!(log.on_disk_only() >= 20);
    for n in 1..=count {
        assert!(log.load(Index(n)).unwrap() == frame(n), "entry {n}");
    }
    // Over the edge between file and memory.
    log.truncate(Index(15), WriteSeq(count + 2)).unwrap();
    assert_eq!((log.tail.len(), log.tail_bytes), (0, 0));
    assert!(log.load(Index(15)).unwrap() == frame(15));
    log.append(Index(16), WriteSeq(count + 3), Bytes::from_static(b"new"))
        .unwrap();
    assert_eq!(log.load(Index(16)).unwrap(), "new");
    assert!(log.load(Index(14)).unwrap() == frame(14));
}

#[test]
fn small_entries_are_read_ahead_and_the_window_is_given_back_at_the_end() {
    let mut group = Group::real();
    for n in 1..=500 {
        group.append(n, format!("entry {n}"));
    }
    group.settle();
    let root = group.config.dir.join("log");
    let path = root.join("1.log");
    let (log, _) = LogFile::read(&RealDisk, &path, &group.config.group)
        .unwrap()
        .begin(&path)
        .unwrap();

    for n in 1..=500 {
        assert_eq!(log.load(Index(n)).unwrap(), format!("entry {n}"));
        assert_eq!(log.ahead.borrow().bytes.is_empty(), n == 500);
    }
}

#[test]
fn a_later_format_is_refused_and_named() {
    let mut group = Group::real();
    group.opened.store.close().unwrap();
    let file = group.disk.open(&group.log_path(), OpenMode::Write).unwrap();
    let header = FileHeader {
        key: GroupKey::of(&group.config.group),
        version: 2,
    };
    file.write_at(FILE_HEADER_AT, &header.encode()).unwrap();

    let refused = open_group(Arc::clone(&group.disk), &group.config).err();

    assert!(
        matches!(
            &refused,
            Some(StorageError::Version {
                have: 2,
                max: VERSION,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
#[should_panic(expected = "the order of writes rises")]
fn a_write_sequence_that_does_not_rise_stops_the_log() {
    let mut group = Group::real();
    group.append(5, "a");
    group.append(5, "b");
}

#[test]
fn what_was_gathered_can_be_taken_after_a_close() {
    let mut group = Group::real();
    group.append(1, "kept");
    group.opened.log.close();
    group.write();
    group.sync();
    group.reopen();

    assert_eq!(group.opened.log.load(Index(1)).unwrap(), "kept");
    assert_eq!(group.opened.last_seq, WriteSeq(1));
}

#[cfg(feature = "sim")]
mod simulated {
    use super::*;
    use crate::sim::SimDisk;

    fn simulated() -> (SimDisk, Group) {
        let disk = SimDisk::new();
        let group = Group::new(Arc::new(disk.clone()), Path::new("/store/G"), None);
        (disk, group)
    }

    #[test]
    fn file_log_conforms_on_the_simulated_disk() {
        conformance::check(&mut || simulated().1);
    }

    #[test]
    fn a_batch_of_small_entries_is_one_write_and_one_sync() {
        let (disk, mut group) = simulated();
        group.append(1, "so that the file has grown");
        group.write();
        group.sync();
        let before = disk.counts();
        for seq in 2..=20 {
            group.append(seq, vec![1; 100]);
        }

        group.write();
        group.sync();
        group.sync();

        let after = disk.counts();
        assert_eq!(after.writes - before.writes, 1);
        assert_eq!(after.syncs - before.syncs, 1);
        assert_eq!(after.changes() - before.changes(), 2);
    }

    #[test]
    fn nothing_is_synced_when_the_log_is_left_out() {
        let (disk, mut group) = simulated();
        group.append(1, "a");
        group.write();
        let before = disk.counts().syncs;

        group.opened.store.sync(false).unwrap();

        assert_eq!(disk.counts().syncs, before);
        group.sync();
        assert_eq!(disk.counts().syncs, before + 1);
    }
}
