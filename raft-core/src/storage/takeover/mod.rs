//! Reads the log that the server left in a group's folder (formats.md 7 and 9–11).
//!
//! Nothing is written here, and `index.db`, a cache of what the blocks say, is not looked at.
//! Term, vote, peers and snapshots are kept as the server keeps them, so they need no takeover.
//!
//! Differs from the server: it cuts a log at the first record it cannot read. Here a bad record
//! with a good one behind it is rot, and its entry is [`Taken::Lost`]: it may have been
//! acknowledged, so its place is kept. Only what no good record follows is a torn tail, and cut.

mod block;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use self::block::{Item, Items};
use super::small_file::found;
use super::{Disk, StorageError};
use crate::types::{GroupName, Index, Term};
use crate::wire::{AppendEntry, ChecksumKey};

const BLOCKS: &str = "msgs";
/// Where the server prepares the block that replaces all others. Until those are gone it has
/// begun, not ended, so what they hold is read too.
const NEW_BLOCKS: &str = "__new_msgs__";
const BLOCK_ENDING: &str = ".blk";
const KEY_ENDING: &str = ".key";
const GROUP_KEY: &str = "meta.key";
/// How a compressed block begins.
const COMPRESSED: &[u8] = b"cmp";

/// The log of a group as the server left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenLog {
    /// What is behind the floor, index by index without a gap. The last one is whole.
    pub entries: Vec<Taken>,
    /// What was not as it should be, in the order it was met.
    pub findings: Vec<Finding>,
}

/// A stretch of a taken log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// An entry as it was written.
    Whole(AppendEntry),
    /// Entries that were there and cannot be read.
    Lost {
        /// The index of the first.
        from: Index,
        /// The index of the last.
        to: Index,
        /// The term of the last, as the entry behind it tells.
        term: Term,
    },
}

/// Something in the files that is not as the server would have left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Bytes that are no record.
    Unreadable {
        /// The block.
        path: PathBuf,
        /// Where they begin.
        offset: u64,
        /// How many they are.
        len: u64,
    },
    /// A record that is as it was written, but whose message does not belong at its index.
    Misplaced {
        /// The block.
        path: PathBuf,
        /// The record's index.
        index: Index,
        /// What is wrong with the message.
        why: &'static str,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, offset, len } => {
                let path = path.display();
                write!(f, "{path}: {len} bytes at offset {offset} are no record")
            }
            Self::Misplaced { path, index, why } => {
                write!(f, "{}: the record of entry {index} {why}", path.display())
            }
        }
    }
}

/// Reads the server's log in the group's folder `dir`, as far as it lies above `floor`, the index
/// of the snapshot. Nothing when the server left none.
///
/// All of the log is in memory at once.
///
/// # Errors
/// [`StorageError::NotTaken`] for an encrypted or compressed log, and for one that has an entry
/// twice; [`StorageError::Io`].
pub fn read_log(
    disk: &dyn Disk,
    dir: &Path,
    group: &GroupName,
    floor: Index,
) -> Result<Option<TakenLog>, StorageError> {
    let blocks = find_blocks(disk, dir)?;
    if blocks.is_empty() {
        return Ok(None);
    }
    let mut log = TakenLog::default();
    let mut frames = BTreeMap::new();
    for (number, path) in blocks {
        let content = disk.read(&path).map_err(StorageError::io("read", &path))?;
        let key = ChecksumKey::of_text(&format!("{group}-{number}"));
        let before = frames.last_key_value().map(|(index, _)| *index);
        read_block(
            &content.into(),
            &key,
            before,
            &path,
            &mut |item| match item {
                Item::Bad(range) => {
                    log.findings.push(Finding::Unreadable {
                        path: path.clone(),
                        offset: range.start as u64,
                        len: range.len() as u64,
                    });
                    Ok(())
                }
                Item::Entry(index, frame) => match frames.insert(index, (frame, path.clone())) {
                    None => Ok(()),
                    Some(_) => Err(not_taken(
                        &path,
                        "has an entry that an earlier block has too",
                    )),
                },
                Item::Dead => Ok(()),
            },
        )?;
    }
    // A tombstone tells what was compacted away, which the snapshot tells better: where the two
    // differ, what is there is kept.
    let above = frames.split_off(&floor.next().0);
    log.link(floor, above);
    Ok(Some(log))
}

/// The block files by their numbers.
fn find_blocks(disk: &dyn Disk, dir: &Path) -> Result<BTreeMap<u64, PathBuf>, StorageError> {
    let group_key = dir.join(GROUP_KEY);
    let is_encrypted = disk
        .kind(&group_key)
        .map_err(StorageError::io("open", &group_key))?
        .is_some();
    if is_encrypted {
        return Err(not_taken(&group_key, ENCRYPTED));
    }
    let mut blocks = BTreeMap::new();
    for folder in [dir.join(BLOCKS), dir.join(NEW_BLOCKS)] {
        let names = found(disk.list(&folder)).map_err(StorageError::io("read", &folder))?;
        for name in names.unwrap_or_default() {
            let path = folder.join(&name);
            if name.ends_with(KEY_ENDING) {
                return Err(not_taken(&path, ENCRYPTED));
            }
            let Some(number) = block_number(&name) else {
                continue;
            };
            if let Some(other) = blocks.insert(number, path) {
                return Err(not_taken(&other, "is there twice"));
            }
        }
    }
    Ok(blocks)
}

const ENCRYPTED: &str = "belongs to an encrypted log";

/// The number in `<n>.blk`, spelled the one way it prints.
fn block_number(name: &str) -> Option<u64> {
    let text = name.strip_suffix(BLOCK_ENDING)?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn read_block(
    content: &Bytes,
    key: &ChecksumKey,
    before: Option<u64>,
    path: &Path,
    take: &mut impl FnMut(Item) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    for (nth, item) in Items::new(content, key, before).enumerate() {
        // A record may begin with these bytes as well.
        let opens_badly = nth == 0 && matches!(item, Item::Bad(_));
        if opens_badly && content.starts_with(COMPRESSED) {
            return Err(not_taken(path, "is compressed"));
        }
        take(item)?;
    }
    Ok(())
}

fn not_taken(path: &Path, why: &'static str) -> StorageError {
    StorageError::NotTaken {
        path: path.to_path_buf(),
        why,
    }
}

impl TakenLog {
    /// Puts the messages into a row and finds those that do not belong where they are.
    fn link(&mut self, floor: Index, frames: BTreeMap<u64, (Bytes, PathBuf)>) {
        let mut last = floor;
        let mut last_term = None;
        for (index, (frame, path)) in frames {
            let index = Index(index);
            let entry = match message_at(index, frame) {
                Ok(entry) => entry,
                Err(why) => {
                    self.findings.push(Finding::Misplaced { path, index, why });
                    continue;
                }
            };
            let prev_term = entry.head.prev_term;
            let follows = last.next() == index;
            // What the first entry says of the one before is not compared with the snapshot: the
            // two differ where a snapshot was made out of an entry.
            if follows && last_term.is_some_and(|term| term != prev_term) {
                let why = "does not continue the entry before";
                self.findings.push(Finding::Misplaced { path, index, why });
                continue;
            }
            if !follows {
                self.entries.push(Taken::Lost {
                    from: last.next(),
                    to: index.prev(),
                    term: prev_term,
                });
            }
            last = index;
            last_term = Some(entry.head.term);
            self.entries.push(Taken::Whole(entry));
        }
    }
}

/// The message that a record of `index` has to hold.
fn message_at(index: Index, frame: Bytes) -> Result<AppendEntry, &'static str> {
    let entry = AppendEntry::decode(frame).map_err(|_| "holds no append entry")?;
    if entry.is_heartbeat() {
        // The server never stores one, and would not find its place again after it.
        return Err("holds a heartbeat");
    }
    if entry.head.prev_index != index.prev() {
        return Err("names another place in the log");
    }
    Ok(entry)
}

#[cfg(test)]
mod tests;
