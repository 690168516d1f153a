//! The disk as storage sees it, and the real one.
//!
//! Every call blocks and takes `&self`; who calls decides on which thread. Nothing is durable by
//! itself: the bytes of a file after [`DiskFile::sync_data`], an entry of a folder (a file made,
//! renamed or removed there) after [`Disk::sync_dir`]. What a crash may leave of the rest is what
//! the simulated disk of `sim` plays.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A folder.
    Dir,
    /// Anything else.
    File,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// An empty file, made if there is none, emptied if there is.
    Create,
}

/// Everything that touches files goes through this.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// What the system says; `NotFound` for a missing file unless it is to be created.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;

    /// The whole content of a (small) file.
    ///
    /// # Errors
    /// What the system says; `NotFound` for a missing file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What `path` names; nothing when it does not exist.
    ///
    /// # Errors
    /// What the system says.
    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>>;

    /// The names in a folder, sorted. Names that are not UTF-8 are none of ours and left out.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes one folder, whose parent exists.
    ///
    /// # Errors
    /// What the system says; `AlreadyExists` when the name is taken.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames a file or folder, replacing a file of the new name at once.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder and all below it. A missing folder is an error.
    ///
    /// # Errors
    /// What the system says.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes the entries of a folder durable, not what is in the files.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Keeps a folder for one user, in this process and others, until the result is dropped or
    /// the process ends. Nothing is written for it.
    ///
    /// # Errors
    /// `WouldBlock` while somebody else has it; else what the system says.
    fn lock_dir(&self, dir: &Path) -> io::Result<Box<dyn DirLock>>;
}

/// A folder kept for one user; dropping it lets go.
pub trait DirLock: Send + Sync + Debug {}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Fills `into` from `offset` on; returns fewer bytes only where the file ends.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// What the system says; part of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or grows it by zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Makes the content durable, and the length as far as reading it back needs that.
    ///
    /// # Errors
    /// What the system says. What was written since the last sync is then unknown for good: the
    /// system may have dropped it and would call the next sync a success.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes content and length durable, a shorter length included.
    ///
    /// # Errors
    /// As [`DiskFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// Makes `dir` and every missing folder above it, each durable in its parent, `dir` even when it
/// was there already.
///
/// # Errors
/// What the system says.
pub fn create_dirs(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let parent = parent_of(dir);
    if disk.kind(dir)? == Some(PathKind::Dir) {
        // Perhaps made by a process that was killed before the next line.
        return disk.sync_dir(parent);
    }
    create_dirs(disk, parent)?;
    match disk.create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    disk.sync_dir(parent)
}

/// The folder that holds `path`.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// The machine's own file systems. The only code of the crate that calls `std::fs`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(FILE_MODE);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true).truncate(true);
            }
        }
        Ok(Box::new(RealFile(options.open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Some(PathKind::Dir)),
            Ok(_) => Ok(Some(PathKind::File)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().mode(DIR_MODE).create(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Box<dyn DirLock>> {
        let folder = File::open(dir)?;
        folder.try_lock().map_err(io::Error::from)?;
        Ok(Box::new(RealLock(folder)))
    }
}

/// The open folder carries the lock.
#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirLock for RealLock {}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        while let Some(rest) = into.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + have as u64) {
                Ok(0) => break,
                Ok(more) => have += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(have)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_folders_are_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");

        create_dirs(&RealDisk, &dir).unwrap();
        RealDisk.open(&dir.join("f"), OpenMode::Create).unwrap();

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root.path().join("a")), 0o700);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("f")), 0o600);
    }

    #[test]
    fn a_read_past_the_end_is_short() {
        let root = tempfile::tempdir().unwrap();
        let file = RealDisk
            .open(&root.path().join("f"), OpenMode::Create)
            .unwrap();
        file.write_at(0, b"hello").unwrap();

        let mut into = [0; 8];

        assert_eq!(file.read_at(1, &mut into).unwrap(), 4);
        assert_eq!(&into[..4], b"ello");
        assert_eq!(file.read_at(9, &mut into).unwrap(), 0);
    }

    #[test]
    fn kinds_are_told_apart_and_a_missing_path_is_no_error() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("f"), b"").unwrap();

        assert_eq!(RealDisk.kind(root.path()).unwrap(), Some(PathKind::Dir));
        assert_eq!(
            RealDisk.kind(&root.path().join("f")).unwrap(),
            Some(PathKind::File)
        );
        assert_eq!(RealDisk.kind(&root.path().join("g")).unwrap(), None);
        assert_eq!(RealDisk.list(root.path()).unwrap(), ["f"]);
    }
}
