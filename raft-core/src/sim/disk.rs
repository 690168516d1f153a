//! A disk in memory that forgets, tears and fails the way real ones may.
//!
//! What a program reads back is what it wrote. What a crash leaves is what was synced, and of the
//! rest a choice: of each file each sector as it was after any of the writes since its last sync,
//! and any of the lengths since; of each folder the changes up to some point. The choice is made
//! by a seed, and the same calls with the same seed leave the same disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rng::Rng;
use crate::storage::disk::parent_of;
use crate::storage::{DirLock, Disk, DiskFile, OpenMode, PathKind};

/// What a crash tears: the piece a disk writes as a whole.
const SECTOR: usize = 512;

/// What a crash leaves of the changes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None of them: the cache was lost.
    Nothing,
    /// All of them: the cache was written out just before.
    Everything,
    /// Whatever this seed picks.
    Seeded(u64),
}

/// The kinds of call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// [`DiskFile::read_at`] and [`Disk::read`].
    Read,
    /// [`DiskFile::write_at`] and [`DiskFile::set_len`].
    Write,
    /// [`DiskFile::sync_data`] and [`DiskFile::sync_all`].
    Sync,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// A file or folder made, renamed or removed.
    Entry,
}

/// How often each kind of call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`Op::Read`].
    pub reads: u64,
    /// Calls of [`Op::Write`].
    pub writes: u64,
    /// Calls of [`Op::Sync`].
    pub syncs: u64,
    /// Calls of [`Op::SyncDir`].
    pub dir_syncs: u64,
    /// Calls of [`Op::Entry`].
    pub entries: u64,
}

impl Counts {
    /// How many calls changed something or made it durable: the points a crash can come between.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.writes + self.syncs + self.dir_syncs + self.entries
    }

    const fn of(&mut self, op: Op) -> &mut u64 {
        match op {
            Op::Read => &mut self.reads,
            Op::Write => &mut self.writes,
            Op::Sync => &mut self.syncs,
            Op::SyncDir => &mut self.dir_syncs,
            Op::Entry => &mut self.entries,
        }
    }
}

/// A simulated disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<World>>);

type FileId = usize;
type DirId = usize;

/// The folder `/`.
const ROOT: DirId = 0;

#[derive(Debug, Default)]
struct World {
    /// Every file and folder ever made, by number; a name is only an entry of a folder.
    files: Vec<FileState>,
    dirs: Vec<DirState>,
    counts: Counts,
    faults: Vec<Fault>,
    /// After so many changes the machine is gone: every call fails until a restart.
    changes_left: Option<u64>,
    /// The bytes all files together may take.
    capacity: Option<u64>,
    /// The write of this number lands so many sectors further.
    misdirected: Option<(u64, usize)>,
    /// Sectors that cannot be read.
    bad: BTreeSet<(FileId, usize)>,
    /// Raised by each restart: what was opened before is no longer open.
    boot: u64,
    /// Folders that are kept for one user.
    locked: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Fault {
    op: Op,
    at: u64,
    kind: ErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(FileId),
    Dir(DirId),
}

type Entries = BTreeMap<String, Entry>;

/// A folder's entries now, and before each change since its last sync.
#[derive(Clone, Debug, Default)]
struct DirState {
    now: Entries,
    unsynced: Vec<Entries>,
}

/// A file's bytes now, and how to undo each change since its last sync.
#[derive(Clone, Debug, Default)]
struct FileState {
    now: Vec<u8>,
    unsynced: Vec<Undo>,
}

#[derive(Clone, Debug)]
struct Undo {
    len: usize,
    at: usize,
    /// The bytes that stood at `at`, as far as the file went.
    before: Vec<u8>,
}

impl SimDisk {
    /// An empty disk with a folder `/`.
    #[must_use]
    pub fn new() -> Self {
        let disk = Self::default();
        disk.lock().dirs.push(DirState::default());
        disk
    }

    /// The power goes and comes back. What was open is closed, faults are forgotten.
    pub fn crash(&self, keep: Keep) {
        self.lock().crash(keep);
    }

    /// The process dies and the machine lives on: what was open is closed and faults are forgotten,
    /// but nothing is lost yet, nor any more durable than it was.
    pub fn kill(&self) {
        self.lock().restart();
    }

    /// Lets `changes` more calls that change something or sync through, then fails every call
    /// until the next [`SimDisk::crash`] or [`SimDisk::kill`].
    pub fn stop_after(&self, changes: u64) {
        self.lock().changes_left = Some(changes);
    }

    /// Makes the `nth` call of its kind from now on fail with `kind`; 1 is the next one.
    pub fn fail_nth(&self, op: Op, nth: u64, kind: ErrorKind) {
        let mut world = self.lock();
        let at = *world.counts.of(op) + nth;
        world.faults.push(Fault { op, at, kind });
    }

    /// Another disk with the same content, durable and not, that goes its own way from here on.
    /// Nothing of it is open.
    #[must_use]
    pub fn fork(&self) -> Self {
        let world = self.lock();
        let mut fork = World {
            files: world.files.clone(),
            dirs: world.dirs.clone(),
            ..World::default()
        };
        fork.restart();
        Self(Arc::new(Mutex::new(fork)))
    }

    /// From now on all files together may take so many bytes: a write or a length that takes more is
    /// refused with `StorageFull`, and nothing of it is done.
    pub fn limit(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Makes the `nth` write from now on land `sectors` further than it says; 1 is the next one. It
    /// is reported like any other.
    pub fn misdirect_nth(&self, nth: u64, sectors: usize) {
        let mut world = self.lock();
        world.misdirected = Some((world.counts.writes + nth, sectors));
    }

    /// Makes the sector of a file that holds `offset` unreadable until it is written again.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn break_sector(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut world = self.lock();
        let id = world.file(path)?;
        let sector = place(offset)? / SECTOR;
        world.bad.insert((id, sector));
        Ok(())
    }

    /// How often each kind of call was made since the disk was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Flips the bits of `mask` in one byte of a file, on the disk itself: no sync undoes it.
    ///
    /// # Errors
    /// `NotFound` when there is no such file, `InvalidInput` when it is not that long.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let mut world = self.lock();
        let id = world.file(path)?;
        let file = world.content(id)?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let byte = file.now.get_mut(at).ok_or(ErrorKind::InvalidInput)?;
        *byte ^= mask;
        Ok(())
    }

    /// Every file and its content, by path: what a test compares to see that nothing changed.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let world = self.lock();
        let mut all = BTreeMap::new();
        let mut dirs = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, id)) = dirs.pop() {
            for (name, entry) in world.dirs.get(id).iter().flat_map(|dir| &dir.now) {
                match entry {
                    Entry::Dir(below) => dirs.push((path.join(name), *below)),
                    Entry::File(id) => {
                        let content = world.files.get(*id).map(|file| file.now.clone());
                        all.insert(path.join(name), content.unwrap_or_default());
                    }
                }
            }
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Counts a call and decides whether it fails.
    fn enter(&mut self, op: Op) -> io::Result<()> {
        if op != Op::Read {
            match &mut self.changes_left {
                Some(0) => return Err(io::Error::other("the machine is gone")),
                Some(left) => *left -= 1,
                None => {}
            }
        } else if self.changes_left == Some(0) {
            return Err(io::Error::other("the machine is gone"));
        }
        let count = self.counts.of(op);
        *count += 1;
        let at = *count;
        match self
            .faults
            .iter()
            .find(|fault| fault.op == op && fault.at == at)
        {
            Some(fault) => Err(fault.kind.into()),
            None => Ok(()),
        }
    }

    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let mut at = Entry::Dir(ROOT);
        for component in path.components() {
            let name = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name.to_str().ok_or(ErrorKind::InvalidInput)?,
                _ => return Err(ErrorKind::InvalidInput.into()),
            };
            let Entry::Dir(dir) = at else {
                return Err(ErrorKind::NotADirectory.into());
            };
            match self.dirs.get(dir).and_then(|dir| dir.now.get(name)) {
                Some(entry) => at = *entry,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn dir(&mut self, path: &Path) -> io::Result<&mut DirState> {
        match self.entry(path)? {
            Some(Entry::Dir(id)) => self
                .dirs
                .get_mut(id)
                .ok_or_else(|| ErrorKind::NotFound.into()),
            Some(Entry::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<FileId> {
        match self.entry(path)? {
            Some(Entry::File(id)) => Ok(id),
            Some(Entry::Dir(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn content(&mut self, id: FileId) -> io::Result<&mut FileState> {
        self.files
            .get_mut(id)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Refuses a file that would become larger than there is room for.
    fn reserve(&self, id: FileId, len: usize) -> io::Result<()> {
        let Some(capacity) = self.capacity else {
            return Ok(());
        };
        let now = self.files.get(id).map_or(0, |file| file.now.len());
        let named = self.dirs.iter().flat_map(|dir| dir.now.values());
        let used = named.map(|entry| match entry {
            Entry::File(id) => self.files.get(*id).map_or(0, |file| file.now.len() as u64),
            Entry::Dir(_) => 0,
        });
        if len > now && used.sum::<u64>() + (len - now) as u64 > capacity {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Where a write to `at` lands.
    fn target(&self, at: usize) -> usize {
        match self.misdirected {
            Some((number, sectors)) if number == self.counts.writes => at + sectors * SECTOR,
            _ => at,
        }
    }

    /// The sectors that `len` bytes at `at` touch.
    fn sectors(at: usize, len: usize) -> std::ops::RangeInclusive<usize> {
        at / SECTOR..=(at + len.max(1) - 1) / SECTOR
    }

    fn create_file(&mut self, path: &Path) -> io::Result<FileId> {
        let (dir, name) = split(path)?;
        let id = self.files.len();
        self.dir(dir)?.change(|entries| {
            entries.insert(name, Entry::File(id));
        });
        self.files.push(FileState::default());
        Ok(id)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let entry = self.entry(from)?.ok_or(ErrorKind::NotFound)?;
        let ((from_dir, from_name), (to_dir, to_name)) = (split(from)?, split(to)?);
        if from_dir != to_dir {
            return Err(ErrorKind::CrossesDevices.into());
        }
        if matches!(self.entry(to)?, Some(Entry::Dir(_))) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.dir(from_dir)?.change(|entries| {
            entries.remove(&from_name);
            entries.insert(to_name, entry);
        });
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = split(path)?;
        self.dir(dir)?.change(|entries| {
            entries.remove(&name);
        });
        Ok(())
    }

    /// Empties a folder and those below it, each a change of its own that a crash may undo.
    fn empty(&mut self, top: DirId) {
        let mut doomed = vec![top];
        while let Some(id) = doomed.pop() {
            let Some(dir) = self.dirs.get_mut(id) else {
                continue;
            };
            doomed.extend(dir.now.values().filter_map(|entry| match entry {
                Entry::Dir(below) => Some(*below),
                Entry::File(_) => None,
            }));
            dir.change(BTreeMap::clear);
        }
    }

    fn crash(&mut self, keep: Keep) {
        let mut rng = match keep {
            Keep::Seeded(seed) => Rng::new(seed),
            Keep::Nothing | Keep::Everything => Rng::new(0),
        };
        // How many of `count` unsynced changes survive.
        let mut kept = |count: usize| match keep {
            Keep::Nothing => 0,
            Keep::Everything => count,
            Keep::Seeded(_) => pick(&mut rng, count + 1),
        };
        for file in &mut self.files {
            file.crash(&mut kept);
        }
        for dir in &mut self.dirs {
            let at = kept(dir.unsynced.len());
            if let Some(then) = dir.unsynced.get(at) {
                dir.now = then.clone();
            }
            dir.unsynced.clear();
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.faults.clear();
        self.changes_left = None;
        self.boot += 1;
        self.locked.clear();
    }
}

impl DirState {
    fn change(&mut self, act: impl FnOnce(&mut Entries)) {
        self.unsynced.push(self.now.clone());
        act(&mut self.now);
    }
}

impl FileState {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        let before = self
            .now
            .get(at..end.min(self.now.len()))
            .unwrap_or_default()
            .to_vec();
        self.unsynced.push(Undo {
            len: self.now.len(),
            at,
            before,
        });
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        if let Some(place) = self.now.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
    }

    fn set_len(&mut self, len: usize) {
        let at = len.min(self.now.len());
        let before = self.now.get(at..).unwrap_or_default().to_vec();
        self.unsynced.push(Undo {
            len: self.now.len(),
            at,
            before,
        });
        self.now.resize(len, 0);
    }

    /// Leaves each sector as it was after some change, and some length.
    fn crash(&mut self, kept: &mut impl FnMut(usize) -> usize) {
        let undos = std::mem::take(&mut self.unsynced);
        if undos.is_empty() {
            return;
        }
        let count = undos.len();
        let mut versions = vec![self.now.clone()];
        for undo in undos.into_iter().rev() {
            let mut older = versions.last().cloned().unwrap_or_default();
            older.resize(undo.len, 0);
            if let Some(place) = older.get_mut(undo.at..undo.at + undo.before.len()) {
                place.copy_from_slice(&undo.before);
            }
            versions.push(older);
        }
        versions.reverse();
        let len = versions.get(kept(count)).map_or(0, Vec::len);
        let mut left = vec![0; len];
        for (number, sector) in left.chunks_mut(SECTOR).enumerate() {
            let at = number * SECTOR;
            let version = versions
                .get(kept(count))
                .and_then(|version| version.get(at..));
            for (to, from) in sector.iter_mut().zip(version.unwrap_or_default()) {
                *to = *from;
            }
        }
        self.now = left;
    }
}

fn pick(rng: &mut Rng, limit: usize) -> usize {
    usize::try_from(rng.next_u64() % limit.max(1) as u64).unwrap_or_default()
}

fn split(path: &Path) -> io::Result<(&Path, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(ErrorKind::InvalidInput)?;
    Ok((parent_of(path), name.into()))
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.lock();
        let id = match (world.file(path), mode) {
            (Ok(id), OpenMode::Create) => {
                world.enter(Op::Entry)?;
                world.content(id)?.set_len(0);
                id
            }
            (Err(error), OpenMode::Create) if error.kind() == ErrorKind::NotFound => {
                world.enter(Op::Entry)?;
                world.create_file(path)?
            }
            (found, _) => found?,
        };
        Ok(Box::new(SimFile {
            disk: self.clone(),
            id,
            boot: world.boot,
            mode,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut world = self.lock();
        world.enter(Op::Read)?;
        let id = world.file(path)?;
        if world.bad.iter().any(|(file, _)| *file == id) {
            return Err(io::Error::other("a sector cannot be read"));
        }
        Ok(world.content(id)?.now.clone())
    }

    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>> {
        let entry = self.lock().entry(path)?;
        Ok(entry.map(|entry| match entry {
            Entry::File(_) => PathKind::File,
            Entry::Dir(_) => PathKind::Dir,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Ok(self.lock().dir(dir)?.now.keys().cloned().collect())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.enter(Op::Entry)?;
        if world.entry(path)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (dir, name) = split(path)?;
        let id = world.dirs.len();
        world.dir(dir)?.change(|entries| {
            entries.insert(name, Entry::Dir(id));
        });
        world.dirs.push(DirState::default());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.enter(Op::Entry)?;
        world.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.enter(Op::Entry)?;
        world.file(path)?;
        world.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.enter(Op::Entry)?;
        match world.entry(path)? {
            Some(Entry::Dir(id)) => world.empty(id),
            Some(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
            None => return Err(ErrorKind::NotFound.into()),
        }
        world.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.lock();
        world.enter(Op::SyncDir)?;
        world.dir(path)?.unsynced.clear();
        Ok(())
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let mut world = self.lock();
        world.enter(Op::Read)?;
        world.dir(path)?;
        if !world.locked.insert(path.into()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            disk: self.clone(),
            path: path.into(),
            boot: world.boot,
        }))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    boot: u64,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut world = self.disk.lock();
        if world.boot == self.boot {
            world.locked.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: FileId,
    boot: u64,
    mode: OpenMode,
}

impl SimFile {
    /// The world, if a call of this kind gets through to it.
    fn enter(&self, op: Op) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.disk.lock();
        if world.boot != self.boot {
            return Err(io::Error::other("the file was opened before the crash"));
        }
        if op == Op::Write && self.mode == OpenMode::Read {
            return Err(ErrorKind::PermissionDenied.into());
        }
        world.enter(op)?;
        Ok(world)
    }

    fn with<T>(&self, op: Op, act: impl FnOnce(&mut FileState) -> io::Result<T>) -> io::Result<T> {
        act(self.enter(op)?.content(self.id)?)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut world = self.enter(Op::Read)?;
        let at = place(offset)?;
        let mut sectors = World::sectors(at, into.len());
        if sectors.any(|sector| world.bad.contains(&(self.id, sector))) {
            return Err(io::Error::other("a sector cannot be read"));
        }
        let file = world.content(self.id)?;
        let from = file.now.get(at..).unwrap_or_default();
        let have = from.len().min(into.len());
        for (to, from) in into.iter_mut().zip(from) {
            *to = *from;
        }
        Ok(have)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.enter(Op::Write)?;
        let at = world.target(place(offset)?);
        world.reserve(self.id, at + bytes.len())?;
        for sector in World::sectors(at, bytes.len()) {
            world.bad.remove(&(self.id, sector));
        }
        world.content(self.id)?.write(at, bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.enter(Op::Write)?;
        let len = place(len)?;
        world.reserve(self.id, len)?;
        world.content(self.id)?.set_len(len);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.with(Op::Read, |file| Ok(file.now.len() as u64))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(Op::Sync, |file| {
            file.unsynced.clear();
            Ok(())
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> &'static Path {
        Path::new("/f")
    }

    /// A disk with a synced file of `len` ones.
    fn disk_with(len: usize) -> SimDisk {
        let disk = SimDisk::new();
        let file = disk.open(path(), OpenMode::Create).unwrap();
        file.write_at(0, &vec![1; len]).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk
    }

    fn write(disk: &SimDisk, at: u64, bytes: &[u8]) {
        disk.open(path(), OpenMode::Write)
            .unwrap()
            .write_at(at, bytes)
            .unwrap();
    }

    #[test]
    fn a_crash_that_keeps_nothing_leaves_what_was_synced() {
        let disk = disk_with(4);
        write(&disk, 2, &[2; 6]);
        disk.open(Path::new("/g"), OpenMode::Create)
            .unwrap()
            .sync_data()
            .unwrap();
        assert_eq!(disk.read(path()).unwrap(), [1, 1, 2, 2, 2, 2, 2, 2]);

        disk.crash(Keep::Nothing);

        assert_eq!(disk.read(path()).unwrap(), [1; 4]);
        assert_eq!(disk.list(Path::new("/")).unwrap(), ["f"]);
    }

    #[test]
    fn a_crash_that_keeps_everything_and_a_kill_lose_nothing() {
        for kill in [false, true] {
            let disk = disk_with(4);
            write(&disk, 4, &[2; 4]);
            disk.open(Path::new("/g"), OpenMode::Create).unwrap();

            if kill {
                disk.kill()
            } else {
                disk.crash(Keep::Everything)
            }

            assert_eq!(disk.read(path()).unwrap(), [1, 1, 1, 1, 2, 2, 2, 2]);
            assert_eq!(disk.list(Path::new("/")).unwrap(), ["f", "g"]);
            // What was killed is not durable yet, what was kept is.
            disk.crash(Keep::Nothing);
            let left = disk.read(path()).unwrap().len();
            assert_eq!(left, if kill { 4 } else { 8 });
        }
    }

    /// Sectors are kept or lost each by itself, never torn, and alike for the same seed.
    #[test]
    fn a_seeded_crash_tears_between_sectors_only() {
        let mut kinds = [0; 2];
        for seed in 0..50 {
            let crashed = || {
                let disk = disk_with(4 * SECTOR);
                write(&disk, 0, &vec![2; 4 * SECTOR]);
                disk.crash(Keep::Seeded(seed));
                disk.read(path()).unwrap()
            };
            let left = crashed();

            assert_eq!(left.len(), 4 * SECTOR);
            assert!(
                left.chunks(SECTOR)
                    .all(|sector| sector == [1; SECTOR] || sector == [2; SECTOR])
            );
            assert!(left == crashed(), "seed {seed} left two different disks");
            let torn = left.chunks(SECTOR).any(|sector| sector[0] != left[0]);
            kinds[usize::from(torn)] += 1;
        }
        assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    }

    #[test]
    fn a_write_past_the_end_may_leave_zeros_or_no_length() {
        let mut lens = BTreeMap::new();
        for seed in 0..50 {
            let disk = disk_with(0);
            write(&disk, 0, &[2; 2 * SECTOR]);
            disk.crash(Keep::Seeded(seed));
            let left = disk.read(path()).unwrap();
            let zeros = left
                .chunks(SECTOR)
                .filter(|sector| *sector == [0; SECTOR])
                .count();
            *lens.entry((left.len(), zeros)).or_insert(0) += 1;
        }
        let seen: Vec<_> = lens.into_keys().collect();

        assert_eq!(
            seen,
            [(0, 0), (2 * SECTOR, 0), (2 * SECTOR, 1), (2 * SECTOR, 2)]
        );
    }

    #[test]
    fn an_undone_rename_brings_the_folder_back_whole() {
        let disk = SimDisk::new();
        let (old, new) = (Path::new("/old"), Path::new("/new"));
        disk.create_dir(old).unwrap();
        disk.open(&old.join("f"), OpenMode::Create).unwrap();
        disk.sync_dir(old).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();

        disk.rename(old, new).unwrap();
        assert_eq!(disk.kind(&new.join("f")).unwrap(), Some(PathKind::File));
        disk.crash(Keep::Nothing);

        assert_eq!(disk.kind(&old.join("f")).unwrap(), Some(PathKind::File));
        assert_eq!(disk.kind(new).unwrap(), None);
    }

    #[test]
    fn the_call_that_was_named_fails_and_no_other() {
        let disk = disk_with(1);
        disk.fail_nth(Op::Write, 2, ErrorKind::StorageFull);
        let file = disk.open(path(), OpenMode::Write).unwrap();

        file.write_at(0, &[3]).unwrap();
        let refused = file.write_at(0, &[4]).unwrap_err();
        file.write_at(1, &[5]).unwrap();

        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        assert_eq!(disk.read(path()).unwrap(), [3, 5]);
    }

    #[test]
    fn a_fork_has_what_its_disk_had_and_goes_its_own_way() {
        let disk = SimDisk::new();
        let file = disk.open(Path::new("/a"), OpenMode::Create).unwrap();
        file.write_at(0, b"one").unwrap();
        file.sync_all().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(0, b"two").unwrap();

        let fork = disk.fork();
        disk.crash(Keep::Everything);
        fork.flip(Path::new("/a"), 0, 1).unwrap();
        fork.crash(Keep::Nothing);

        let content = |disk: &SimDisk| disk.snapshot().remove(Path::new("/a")).unwrap();
        assert_eq!(content(&disk), b"two");
        assert_eq!(
            content(&fork),
            b"one",
            "what was not synced there is not synced here"
        );
    }

    #[test]
    fn a_full_disk_refuses_what_grows_and_changes_nothing() {
        let disk = SimDisk::new();
        let file = disk.open(Path::new("/a"), OpenMode::Create).unwrap();
        file.write_at(0, &[1; 600]).unwrap();
        disk.limit(Some(1_000));
        let before = disk.snapshot();

        let refused = [file.write_at(590, &[2; 500]), file.set_len(1_001)];

        let kinds = refused.map(|result| result.unwrap_err().kind());
        assert_eq!(kinds, [ErrorKind::StorageFull; 2]);
        assert_eq!(disk.snapshot(), before);
        file.write_at(100, &[2; 500]).unwrap();
        file.set_len(1_000).unwrap();
        disk.limit(None);
        file.set_len(5_000).unwrap();
    }

    #[test]
    fn a_misdirected_write_lands_elsewhere_and_nobody_is_told() {
        let disk = SimDisk::new();
        let file = disk.open(Path::new("/a"), OpenMode::Create).unwrap();
        disk.misdirect_nth(2, 3);

        for _ in 0..3 {
            file.write_at(0, b"here").unwrap();
        }

        let content = disk.snapshot().remove(Path::new("/a")).unwrap();
        assert_eq!(
            (&content[..4], &content[3 * SECTOR..]),
            (&b"here"[..], &b"here"[..])
        );
    }

    #[test]
    fn a_bad_sector_cannot_be_read_until_it_is_written() {
        let disk = SimDisk::new();
        let path = Path::new("/a");
        let file = disk.open(path, OpenMode::Create).unwrap();
        file.write_at(0, &[1; 3 * SECTOR]).unwrap();
        disk.break_sector(path, SECTOR as u64 + 7).unwrap();
        let mut byte = [0];

        let read = |at: usize, into: &mut [u8]| file.read_at(at as u64, into).is_ok();
        assert!(read(SECTOR - 1, &mut byte) && read(2 * SECTOR, &mut byte));
        assert!(!read(SECTOR, &mut byte) && !read(0, &mut [0; 2 * SECTOR]));
        assert!(disk.read(path).is_err());
        file.write_at(SECTOR as u64, b"x").unwrap();
        assert!(read(SECTOR, &mut byte) && disk.read(path).is_ok());
    }

    #[test]
    fn a_stopped_machine_does_nothing_until_it_restarts() {
        let disk = disk_with(1);
        let file = disk.open(path(), OpenMode::Write).unwrap();
        disk.stop_after(1);

        file.write_at(0, &[2]).unwrap();
        assert!(file.write_at(0, &[3]).is_err());
        assert!(disk.read(path()).is_err());
        disk.kill();

        assert_eq!(disk.read(path()).unwrap(), [2]);
        assert!(file.write_at(0, &[4]).is_err(), "opened before the restart");
    }
}
