//! Folders of the server with every kind of damage.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::storage::RealDisk;
use crate::types::{Entry, PeerId};
use crate::wire::AppendEntryHead;

const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;

fn group() -> GroupName {
    GroupName::new("TEST").unwrap()
}

/// The frame at `index`, of the given term, after one of `prev_term`.
fn frame(index: u64, term: u64, prev_term: u64) -> Bytes {
    let head = AppendEntryHead {
        leader: PeerId(*b"AAAAAAAA"),
        term: Term(term),
        prev_term: Term(prev_term),
        prev_index: Index(index - 1),
        ..AppendEntryHead::default()
    };
    let entries = [Entry::normal(format!("entry {index}"))];
    AppendEntry::encode_entries(head, &entries)
        .unwrap()
        .into_frame()
}

/// A record as the server writes it.
fn record(block: u64, marked: u64, subject: &[u8], headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let headers_len = if headers.is_empty() {
        0
    } else {
        4 + headers.len()
    };
    let len = 30 + subject.len() + headers_len + payload.len();
    let bit = if headers.is_empty() { 0 } else { 1 << 31 };
    let mut out = (u32::try_from(len).unwrap() | bit).to_le_bytes().to_vec();
    out.extend(marked.to_le_bytes());
    out.extend(1_700_000_000_000_000_000_i64.to_le_bytes());
    out.extend(u16::try_from(subject.len()).unwrap().to_le_bytes());
    out.extend(subject);
    if !headers.is_empty() {
        out.extend(u32::try_from(headers.len()).unwrap().to_le_bytes());
        out.extend(headers);
    }
    out.extend(payload);
    let key = ChecksumKey::of_text(&format!("TEST-{block}"));
    let sum = key.checksum_of(&[&out[4..20], subject, headers, payload]);
    out.extend(sum.to_le_bytes());
    out
}

/// A folder with the entries 1 to 9 of term 3 in blocks of three.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(BLOCKS)).unwrap();
    for block in 1..=3 {
        let indexes = block * 3 - 2..=block * 3;
        let records = indexes.map(|index| {
            let prev_term = if index == 1 { 0 } else { 3 };
            record(block, index, b"", b"", &frame(index, 3, prev_term))
        });
        put(dir.path(), block, &records.collect::<Vec<_>>().concat());
    }
    dir
}

fn path(dir: &Path, block: u64) -> PathBuf {
    dir.join(BLOCKS).join(format!("{block}.blk"))
}

fn put(dir: &Path, block: u64, content: &[u8]) {
    fs::write(path(dir, block), content).unwrap();
}

fn read(dir: &Path, floor: u64) -> Result<TakenLog, StorageError> {
    read_log(&RealDisk, dir, &group(), Index(floor)).map(Option::unwrap)
}

/// What was taken, in a line: indexes, and `a-b@t` for what is lost.
fn line(log: &TakenLog) -> String {
    let entries = log.entries.iter().map(|taken| match taken {
        Taken::Whole(entry) => entry.index().to_string(),
        Taken::Lost { from, to, term } => format!("{from}-{to}@{term}"),
    });
    entries.collect::<Vec<_>>().join(" ")
}

fn taken(dir: &Path) -> String {
    line(&read(dir, 0).unwrap())
}

#[test]
fn healthy_log_is_taken_whole_above_the_floor() {
    let dir = folder();

    assert_eq!(taken(dir.path()), "1 2 3 4 5 6 7 8 9");
    assert_eq!(line(&read(dir.path(), 4).unwrap()), "5 6 7 8 9");
    assert_eq!(line(&read(dir.path(), 9).unwrap()), "");
    assert_eq!(read(dir.path(), 0).unwrap().findings, []);
}

#[test]
fn folder_without_blocks_holds_no_log_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let read = || read_log(&RealDisk, dir.path(), &group(), Index::ZERO).unwrap();

    assert_eq!(read(), None);
    fs::create_dir(dir.path().join(BLOCKS)).unwrap();
    fs::write(dir.path().join(BLOCKS).join("01.blk"), b"not spelled so").unwrap();
    assert_eq!(read(), None);
}

/// A flipped bit is always noticed: no other entry comes out of it, and none behind it is lost.
#[test]
fn flipped_bit_loses_its_own_entry_only() {
    let dir = folder();
    let whole = read(dir.path(), 0).unwrap();
    for block in 1..=3 {
        let content = fs::read(path(dir.path(), block)).unwrap();
        let record_len = content.len() / 3;
        for at in 0..content.len() {
            for bit in 0..8 {
                let mut bad = content.clone();
                bad[at] ^= 1 << bit;
                put(dir.path(), block, &bad);
                let index = (block - 1) * 3 + (at / record_len) as u64 + 1;

                let log = read(dir.path(), 0).unwrap();

                let mut expected = whole.entries.clone();
                if index == 9 {
                    expected.pop();
                } else {
                    expected[usize::try_from(index - 1).unwrap()] = Taken::Lost {
                        from: Index(index),
                        to: Index(index),
                        term: Term(3),
                    };
                }
                assert_eq!(log.entries, expected, "block {block}, byte {at}, bit {bit}");
                assert_eq!(log.findings.len(), 1, "block {block}, byte {at}, bit {bit}");
            }
        }
        put(dir.path(), block, &content);
    }
}

#[test]
fn cut_end_is_a_torn_tail_and_a_cut_middle_is_not() {
    let dir = folder();
    for (block, expected) in [(3, "1 2 3 4 5 6 7 8"), (2, "1 2 3 4 5 6-6@3 7 8 9")] {
        let content = fs::read(path(dir.path(), block)).unwrap();
        put(dir.path(), block, &content[..content.len() - 1]);
        assert_eq!(taken(dir.path()), expected);
        put(dir.path(), block, &content);
    }
    fs::remove_file(path(dir.path(), 2)).unwrap();
    assert_eq!(taken(dir.path()), "1 2 3 4-6@3 7 8 9");
    fs::remove_file(path(dir.path(), 1)).unwrap();
    assert_eq!(taken(dir.path()), "1-6@3 7 8 9");
    fs::remove_file(path(dir.path(), 3)).unwrap();
    assert_eq!(
        read_log(&RealDisk, dir.path(), &group(), Index(0)).unwrap(),
        None
    );
}

#[test]
fn lost_stretch_of_any_size_costs_no_memory() {
    let dir = folder();
    let far = 1 << 61;
    put(dir.path(), 4, &record(4, far, b"", b"", &frame(far, 4, 3)));

    assert_eq!(
        taken(dir.path()),
        format!("1 2 3 4 5 6 7 8 9 10-{}@3 {far}", far - 1)
    );
}

#[test]
fn message_that_does_not_belong_at_its_index_is_lost() {
    let heartbeat = AppendEntry::encode_entries(
        AppendEntryHead {
            prev_index: Index(4),
            prev_term: Term(3),
            ..AppendEntryHead::default()
        },
        &[],
    );
    for (payload, why) in [
        (Bytes::from_static(b"nonsense"), "holds no append entry"),
        (heartbeat.unwrap().into_frame(), "holds a heartbeat"),
        (frame(7, 3, 3), "names another place in the log"),
        (frame(5, 3, 9), "does not continue the entry before"),
    ] {
        let dir = folder();
        let of = |index| frame(index, 3, 3);
        let records = [(4, of(4)), (5, payload), (6, of(6))];
        let records = records.map(|(index, payload)| record(2, index, b"", b"", &payload));
        put(dir.path(), 2, &records.concat());

        let log = read(dir.path(), 0).unwrap();

        assert_eq!(line(&log), "1 2 3 4 5-5@3 6 7 8 9", "{why}");
        let text = log.findings[0].to_string();
        assert!(
            text.ends_with(&format!("2.blk: the record of entry 5 {why}")),
            "{text}"
        );
    }
}

#[test]
fn dead_records_hold_no_entries() {
    let dir = folder();
    let content = [
        record(3, 7, b"", b"", &frame(7, 3, 3)),
        record(3, 2 | TOMBSTONE, b"", b"", b""),
        record(3, 8 | ERASED, b"", b"", b"whatever"),
        record(3, 0, b"", b"", b"whatever"),
        record(3, 8, b"", b"", &frame(8, 3, 3)),
        record(3, 8, b"", b"", b"an index that does not rise"),
    ];
    put(dir.path(), 3, &content.concat());

    let log = read(dir.path(), 0).unwrap();
    assert_eq!(
        (line(&log).as_str(), log.findings.len()),
        ("1 2 3 4 5 6 7 8", 0)
    );
}

#[test]
fn subject_and_headers_are_read_over() {
    let dir = folder();
    let content = record(3, 7, b"subject", b"NATS/1.0\r\n\r\n", &frame(7, 3, 3));
    put(dir.path(), 3, &content);

    assert_eq!(taken(dir.path()), "1 2 3 4 5 6 7");
}

#[test]
fn record_is_bound_to_the_group_and_the_number_of_its_block() {
    let dir = folder();
    fs::rename(path(dir.path(), 3), path(dir.path(), 4)).unwrap();
    assert_eq!(taken(dir.path()), "1 2 3 4 5 6");

    let other = GroupName::new("OTHER").unwrap();
    let log = read_log(&RealDisk, dir.path(), &other, Index::ZERO).unwrap();
    assert_eq!(log.unwrap().entries, []);
}

/// The new block of a purge says that all before it is gone; the snapshot has to agree.
#[test]
fn purge_that_no_snapshot_backs_loses_nothing() {
    let dir = folder();
    let new = dir.path().join(NEW_BLOCKS);
    fs::create_dir(&new).unwrap();
    assert_eq!(taken(dir.path()), "1 2 3 4 5 6 7 8 9");

    let tombstone = record(4, 9 | TOMBSTONE, b"", b"", b"");
    fs::write(new.join("4.blk"), tombstone).unwrap();
    assert_eq!(taken(dir.path()), "1 2 3 4 5 6 7 8 9");
    assert_eq!(line(&read(dir.path(), 9).unwrap()), "");
}

#[test]
fn what_cannot_be_read_here_is_refused_in_clear_words() {
    let refused = |change: &dyn Fn(&Path)| {
        let dir = folder();
        change(dir.path());
        let text = read(dir.path(), 0).unwrap_err().to_string();
        text.replace(&dir.path().display().to_string(), "DIR")
    };

    let words =
        |what: &str| format!("cannot take over the server's log: DIR/{what}; nothing was changed");
    assert_eq!(
        refused(&|dir| fs::write(dir.join(GROUP_KEY), b"key").unwrap()),
        words("meta.key belongs to an encrypted log")
    );
    assert_eq!(
        refused(&|dir| fs::write(dir.join("msgs/2.key"), b"key").unwrap()),
        words("msgs/2.key belongs to an encrypted log")
    );
    assert_eq!(
        refused(&|dir| put(dir, 2, b"cmp\x01\x80\x01 compressed bytes follow")),
        words("msgs/2.blk is compressed")
    );
    assert_eq!(
        refused(&|dir| put(dir, 4, &record(4, 9, b"", b"", &frame(9, 4, 3)))),
        words("msgs/4.blk has an entry that an earlier block has too")
    );
    assert_eq!(
        refused(&|dir| {
            fs::create_dir(dir.join(NEW_BLOCKS)).unwrap();
            fs::write(dir.join(NEW_BLOCKS).join("3.blk"), b"").unwrap();
        }),
        words("msgs/3.blk is there twice")
    );
}
