//! Crashes a group's folder between any two calls to the disk, in several ways each, and looks at
//! what recovery makes of it: some state the group was in, no older than its last sync.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it is wrong"
)]

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::sim::disk::Op;
use raft_core::sim::{Keep, SimDisk};
use raft_core::storage::{
    Disk, GroupWrites, Log, LogKind, LogState, OpenMode, OpenedGroup, StorageError, StoreConfig,
    WriteSeq, bootstrap, open_group,
};
use raft_core::types::{GroupName, Index, PeerId, Term};
use raft_core::wire::{PeerState, TermVote};

/// How many seeds pick what survives at each point, besides all and nothing.
const SEEDS: u64 = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(usize),
    /// Appends of the length given, as many as given.
    Fill(usize, usize),
    Truncate(u64),
    Compact(u64),
    TermVote(u64),
    Peers(u32),
    /// Hands the gathered writes to the store.
    Write,
    /// The same, then syncs.
    Sync,
}

/// What a log holds, to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    state: LogState,
    frames: Vec<Bytes>,
}

impl Held {
    fn of(log: &dyn Log) -> Self {
        let state = log.state();
        let indexes = state.first.0..state.first.0 + state.messages;
        let frames = indexes
            .map(|index| log.load(Index(index)).unwrap())
            .collect();
        Self { state, frames }
    }
}

/// Every value something had, in order, and the oldest a recovery may yield.
struct History<T> {
    values: Vec<T>,
    durable: usize,
}

impl<T: PartialEq + std::fmt::Debug + Clone> History<T> {
    fn new(value: T) -> Self {
        Self {
            values: vec![value],
            durable: 0,
        }
    }

    fn sync(&mut self) {
        self.durable = self.values.len() - 1;
    }

    fn check(&self, found: &T, case: &str) {
        assert!(
            self.values[self.durable..].contains(found),
            "{case}: recovered {found:?}, which is not among the states since the last sync: {:?}",
            &self.values[self.durable..]
        );
    }
}

/// A run of a script, and what it may leave.
struct Run {
    log: History<Held>,
    term_vote: History<TermVote>,
    peers: History<Option<PeerState>>,
    bootstrapped: bool,
    /// The group as it was when the run ended, if it was ever open.
    opened: Option<OpenedGroup>,
    error: Option<StorageError>,
}

fn dir() -> PathBuf {
    PathBuf::from("/store/G")
}

fn log_path() -> PathBuf {
    dir().join("log/1.log")
}

fn config() -> StoreConfig {
    StoreConfig {
        dir: dir(),
        group: GroupName::new("G").unwrap(),
        kind: LogKind::File,
    }
}

fn open(disk: &SimDisk) -> Result<OpenedGroup, StorageError> {
    open_group(Arc::new(disk.clone()), &config())
}

fn peers(size: u32) -> PeerState {
    let peers = vec![PeerId::from_server_name("a"), PeerId::from_server_name("b")];
    PeerState {
        cluster_size: size,
        peers,
        domain_ext: 0,
    }
}

/// Bytes that differ from entry to entry and are never zero, so that a lost sector shows.
fn frame(seq: WriteSeq, len: usize) -> Bytes {
    (0..len as u64)
        .map(|at| (seq.0 * 31 + at * 7).to_le_bytes()[0] | 1)
        .collect()
}

fn run(disk: &SimDisk, script: &[Step]) -> Run {
    let empty = Held {
        state: LogState::default(),
        frames: Vec::new(),
    };
    let mut run = Run {
        log: History::new(empty),
        term_vote: History::new(TermVote::default()),
        peers: History::new(None),
        bootstrapped: false,
        opened: None,
        error: None,
    };
    run.error = run.play(disk, script).err();
    run
}

impl Run {
    fn play(&mut self, disk: &SimDisk, script: &[Step]) -> Result<(), StorageError> {
        self.peers.values.push(Some(peers(3)));
        bootstrap(disk, &dir(), &peers(3))?;
        self.peers.sync();
        self.bootstrapped = true;
        self.opened = Some(open(disk)?);
        let mut writes = GroupWrites::default();
        for step in script {
            self.step(*step, &mut writes)?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, writes: &mut GroupWrites) -> Result<(), StorageError> {
        let group = self.opened.as_mut().unwrap();
        let mut raise = || {
            writes.upto.0 += 1;
            writes.upto
        };
        match step {
            Step::Append(len) => {
                let seq = raise();
                group
                    .log
                    .append(group.log.state().last.next(), seq, frame(seq, len))?;
            }
            Step::Fill(count, len) => {
                for _ in 0..count {
                    self.step(Step::Append(len), writes)?;
                }
                return Ok(());
            }
            Step::Truncate(last) => group.log.truncate(Index(last), raise())?,
            Step::Compact(first) => group.log.compact(Index(first), raise())?,
            Step::TermVote(term) => {
                raise();
                let vote = (term % 2 == 0).then(|| PeerId::from_server_name("a"));
                writes.term_vote = Some(TermVote {
                    term: Term(term),
                    vote,
                });
                self.term_vote.values.extend(writes.term_vote);
            }
            Step::Peers(size) => {
                raise();
                writes.peers = Some(peers(size));
                self.peers.values.push(writes.peers.clone());
            }
            Step::Write => return write(group, writes),
            Step::Sync => {
                write(group, writes)?;
                group.store.sync(true)?;
                self.log.sync();
                self.term_vote.sync();
                self.peers.sync();
                return Ok(());
            }
        }
        self.log.values.push(Held::of(&*group.log));
        Ok(())
    }
}

fn write(group: &mut OpenedGroup, writes: &mut GroupWrites) -> Result<(), StorageError> {
    let upto = writes.upto;
    writes.log = group.log.take_writes();
    group.store.write(std::mem::take(writes))?;
    writes.upto = upto;
    group.log.handle_written(upto);
    Ok(())
}

/// Opens what a crash left, checks it against the run, and uses it for a while.
fn recover(disk: &SimDisk, run: &Run, case: &str) {
    let mut group = match open(disk) {
        Ok(group) => group,
        Err(StorageError::NoPeerState) if !run.bootstrapped => return,
        Err(error) => panic!("{case}: the group does not open: {error}"),
    };
    let held = Held::of(&*group.log);
    run.log.check(&held, case);
    run.term_vote.check(&group.term_vote, case);
    run.peers.check(&group.peer_state, case);
    assert_eq!(group.report.entries, held.state.messages, "{case}");

    // What was recovered is durable: it was read, so the node will speak for it.
    disk.crash(Keep::Nothing);
    let again = open(disk).unwrap_or_else(|error| panic!("{case}: no second opening: {error}"));
    assert_eq!(
        Held::of(&*again.log),
        held,
        "{case}: lost what recovery had found"
    );
    assert_eq!(again.term_vote, group.term_vote, "{case}");
    assert_eq!(again.peer_state, group.peer_state, "{case}");
    assert_eq!(again.report.cut_bytes, 0, "{case}: the tail was cut before");

    // And the log goes on from there: no byte of what was cut comes back.
    group = again;
    let mut writes = GroupWrites {
        upto: group.last_seq,
        ..GroupWrites::default()
    };
    for len in [3, 600, 90] {
        writes.upto.0 += 1;
        let next = group.log.state().last.next();
        group
            .log
            .append(next, writes.upto, frame(writes.upto, len))
            .unwrap();
        write(&mut group, &mut writes).unwrap();
    }
    group.store.sync(true).unwrap();
    let held = Held::of(&*group.log);
    disk.crash(Keep::Nothing);
    assert_eq!(
        Held::of(&*open(disk).unwrap().log),
        held,
        "{case}: appends after recovery"
    );
}

/// What happens to the process or the machine.
#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    Crash(Keep),
}

impl End {
    fn all() -> impl Iterator<Item = Self> {
        let seeded = (0..SEEDS).map(|seed| Self::Crash(Keep::Seeded(seed)));
        [
            Self::Kill,
            Self::Crash(Keep::Nothing),
            Self::Crash(Keep::Everything),
        ]
        .into_iter()
        .chain(seeded)
    }

    fn happen(self, disk: &SimDisk) {
        match self {
            Self::Kill => disk.kill(),
            Self::Crash(keep) => disk.crash(keep),
        }
    }
}

/// Crashes the script before each call to the disk that changes something, and at its end.
fn crash_everywhere(script: &[Step]) {
    let whole = SimDisk::new();
    let error = run(&whole, script).error;
    assert!(error.is_none(), "{error:?}");
    let changes = whole.counts().changes();
    for stop in 0..=changes {
        for end in End::all() {
            let disk = SimDisk::new();
            disk.stop_after(stop);
            let run = run(&disk, script);
            assert_eq!(run.error.is_some(), stop < changes);
            end.happen(&disk);
            recover(
                &disk,
                &run,
                &format!("stopped after {stop} of {changes}, {end:?}"),
            );
        }
    }
}

#[test]
fn appends_in_batches_survive() {
    crash_everywhere(&[
        Step::Append(10),
        Step::Sync,
        Step::Fill(4, 200),
        Step::Write,
        Step::Append(700),
        Step::Write,
        Step::Append(1),
        Step::Sync,
        Step::Append(1_500),
        Step::Write,
        Step::Append(40),
        Step::Write,
    ]);
}

#[test]
fn truncations_and_appends_over_them_survive() {
    crash_everywhere(&[
        Step::Fill(5, 300),
        Step::Sync,
        Step::Truncate(3),
        Step::Append(100),
        Step::Write,
        Step::Truncate(3),
        Step::Append(101),
        Step::Append(102),
        Step::Sync,
        Step::Truncate(0),
        Step::Append(5),
        Step::Write,
        Step::Truncate(7),
        Step::Append(6),
        Step::Sync,
    ]);
}

#[test]
fn compactions_survive() {
    crash_everywhere(&[
        Step::Fill(4, 150),
        Step::Sync,
        Step::Compact(3),
        Step::Append(500),
        Step::Write,
        Step::Compact(20),
        Step::Append(9),
        Step::Sync,
        Step::Append(10),
        Step::Compact(21),
        Step::Write,
    ]);
}

#[test]
fn term_vote_and_peers_are_replaced_as_a_whole() {
    crash_everywhere(&[
        Step::TermVote(1),
        Step::Sync,
        Step::TermVote(2),
        Step::Append(10),
        Step::Sync,
        Step::TermVote(3),
        Step::Write,
        Step::TermVote(4),
        Step::Peers(5),
        Step::Write,
        Step::Append(10),
        Step::Sync,
        Step::TermVote(4),
        Step::Peers(3),
        Step::Sync,
    ]);
}

/// Past the zeros written ahead, with frames that are not copied into the batch.
#[test]
fn growth_and_large_frames_survive() {
    crash_everywhere(&[
        Step::Fill(3, 9_000),
        Step::Sync,
        Step::Append(70_000),
        Step::Append(20),
        Step::Write,
        Step::Append(200_000),
        Step::Sync,
        Step::Fill(2, 5_000),
        Step::Write,
    ]);
}

/// Scripts nobody thought of.
#[test]
fn scripts_made_by_a_seed_survive() {
    for seed in 0..25_u64 {
        let mut state = seed;
        let mut below = |limit: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(0x5851_f42d_4c95_7f2d);
            (state >> 33) % limit
        };
        let script: Vec<_> = (0..16)
            .map(|_| match below(12) {
                0 => Step::Truncate(below(8)),
                1 => Step::Compact(below(8)),
                2 => Step::TermVote(below(5) + 1),
                3 => Step::Peers(u32::try_from(below(3)).unwrap() + 3),
                4 => Step::Append(700 + usize::try_from(below(4_000)).unwrap()),
                5..=7 => Step::Append(usize::try_from(below(300)).unwrap()),
                8 | 9 => Step::Write,
                _ => Step::Sync,
            })
            .collect();
        println!("seed {seed}: {script:?}");
        crash_everywhere(&script);
    }
}

/// Recovery is interrupted too, at each of its own calls.
#[test]
fn a_crash_during_recovery_loses_nothing_more() {
    let script = [
        Step::Fill(3, 300),
        Step::Sync,
        Step::Append(900),
        Step::Append(901),
        Step::TermVote(1),
        Step::Write,
    ];
    for first in End::all() {
        for (stop, seed) in (0..12).flat_map(|stop| (0..SEEDS).map(move |seed| (stop, seed))) {
            let disk = SimDisk::new();
            let run = run(&disk, &script);
            first.happen(&disk);
            disk.stop_after(stop);
            let interrupted = open(&disk);
            let found = interrupted.ok().map(|group| group.log.state());
            disk.crash(Keep::Seeded(seed));

            let case = format!("{first:?}, recovery stopped after {stop}, seed {seed}");
            if let Some(found) = found {
                assert_eq!(open(&disk).unwrap().log.state(), found, "{case}");
            }
            recover(&disk, &run, &case);
        }
    }
}

/// Each call to the disk fails once. The store takes no more, and nothing synced is lost.
#[test]
fn a_failed_call_ends_the_store_for_good() {
    let script = [
        Step::Append(10),
        Step::TermVote(1),
        Step::Sync,
        Step::Fill(2, 20_000),
        Step::Peers(5),
        Step::Sync,
        Step::Append(30),
        Step::Sync,
    ];
    let whole = SimDisk::new();
    assert!(run(&whole, &script).error.is_none());
    let counts = whole.counts();
    let calls = [
        (Op::Write, counts.writes, ErrorKind::StorageFull),
        (Op::Sync, counts.syncs, ErrorKind::Other),
        (Op::SyncDir, counts.dir_syncs, ErrorKind::Other),
        (Op::Entry, counts.entries, ErrorKind::PermissionDenied),
    ];
    for (op, count, kind) in calls {
        assert!(count > 0);
        for nth in 1..=count {
            let disk = SimDisk::new();
            disk.fail_nth(op, nth, kind);
            let mut run = run(&disk, &script);
            let case = format!("{op:?} number {nth}");
            assert!(run.error.is_some(), "{case}: the error was swallowed");
            if let Some(group) = &mut run.opened {
                let calls = disk.counts().changes();
                let again = group.store.write(GroupWrites::default());
                assert!(matches!(again, Err(StorageError::Failed)), "{case}");
                assert!(
                    matches!(group.store.sync(true), Err(StorageError::Failed)),
                    "{case}"
                );
                assert_eq!(disk.counts().changes(), calls, "{case}: tried again");
            }
            disk.crash(Keep::Seeded(nth));
            recover(&disk, &run, &case);
        }
    }
}

fn synced() -> (SimDisk, Run, usize) {
    let disk = SimDisk::new();
    let script = [
        Step::Fill(3, 100),
        Step::Sync,
        Step::Truncate(2),
        Step::Append(700),
        Step::Sync,
        Step::Append(40),
        Step::Sync,
    ];
    let run = run(&disk, &script);
    assert!(run.error.is_none());
    disk.crash(Keep::Nothing);
    let content = &disk.snapshot()[&log_path()];
    let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (disk, run, end)
}

/// Rot is refused, wherever it strikes: in the last batch too, which no later record vouches for.
#[test]
fn issue_7549_every_flipped_bit_is_noticed_and_nothing_changes() {
    let (.., end) = synced();
    let mut noticed = 0;
    for at in 0..end as u64 {
        // Anew, as an opening that succeeds writes a mark that vouches for the last batch too.
        let (disk, run, _) = synced();
        disk.flip(&log_path(), at, 1 << (at % 8)).unwrap();
        let rotten = disk.snapshot();

        match open(&disk) {
            Err(StorageError::Damaged { .. } | StorageError::Version { .. }) => {
                noticed += 1;
                assert!(
                    disk.snapshot() == rotten,
                    "byte {at}: a failed opening changed something"
                );
            }
            Err(error) => panic!("byte {at}: {error}"),
            // Bytes nobody uses: the rest of the first two sectors, padding.
            Ok(group) => {
                let held = run.log.values.last().unwrap();
                assert!(
                    Held::of(&*group.log) == *held,
                    "byte {at}: rot was accepted"
                );
            }
        }
    }
    assert!(
        noticed > end - 1024,
        "only {noticed} of {end} flips were noticed"
    );
}

/// A log that is open does not hand out rotten bytes either.
#[test]
fn a_flipped_bit_under_an_open_log_is_a_load_error() {
    let (disk, run, end) = synced();
    let held = run.log.values.last().unwrap();
    let mut damaged = 0;
    for at in 1024..end as u64 {
        let group = open(&disk).unwrap();
        disk.flip(&log_path(), at, 0x10).unwrap();

        for (position, frame) in held.frames.iter().enumerate() {
            match group.log.load(Index(held.state.first.0 + position as u64)) {
                Ok(loaded) => assert_eq!(&loaded, frame, "byte {at}"),
                Err(_) => damaged += 1,
            }
        }

        disk.flip(&log_path(), at, 0x10).unwrap();
    }
    assert!(damaged > 900, "only {damaged} flips were noticed");
}

#[test]
fn a_log_shorter_than_it_was_is_damaged() {
    let (disk, _, end) = synced();
    let len = disk.snapshot()[&log_path()].len();
    for cut in [0, 23, 511, 1024, 1100, end - 1, end, len - 1] {
        let (disk, ..) = synced();
        let file = disk.open(&log_path(), OpenMode::Write).unwrap();
        file.set_len(cut as u64).unwrap();

        let refused = open(&disk).err();

        assert!(
            matches!(refused, Some(StorageError::Damaged { .. })),
            "cut to {cut}: {refused:?}"
        );
    }
}

/// Sectors of synced records that read as zeros are no torn tail: later records know better.
#[test]
fn a_zeroed_sector_before_later_syncs_is_damaged() {
    let (.., end) = synced();
    let last_record = end - 80;
    for sector in (0..last_record).step_by(512) {
        let (disk, ..) = synced();
        let file = disk.open(&log_path(), OpenMode::Write).unwrap();
        file.write_at(sector as u64, &vec![0; 512.min(last_record - sector)])
            .unwrap();

        let refused = open(&disk).err();

        assert!(
            matches!(refused, Some(StorageError::Damaged { .. })),
            "zeros at {sector}: {refused:?}"
        );
    }
}

/// A write that lands elsewhere leaves a hole and a wrong place. What comes of it is no log that
/// never was; and where a later sync vouches for the hole it is refused.
#[test]
fn a_misdirected_write_is_noticed() {
    let script = [
        Step::Fill(3, 300),
        Step::Sync,
        Step::Fill(2, 900),
        Step::Sync,
        Step::Append(40),
        Step::Sync,
        Step::Append(50),
        Step::Sync,
    ];
    let whole = SimDisk::new();
    assert!(run(&whole, &script).error.is_none());
    let writes = whole.counts().writes;
    let mut noticed = 0;
    for nth in 1..=writes {
        for sectors in [1, 2, 3, 5, 8, 40] {
            let disk = SimDisk::new();
            disk.misdirect_nth(nth, sectors);
            let run = run(&disk, &script);
            if run.error.is_some() {
                noticed += 1;
                continue;
            }
            disk.crash(Keep::Nothing);
            let case = format!("write {nth} of {writes}, {sectors} sectors off");
            match open(&disk) {
                Err(_) => noticed += 1,
                Ok(group) => {
                    let held = Held::of(&*group.log);
                    let last = run.log.values.len() - 1;
                    let vouched_for = &run.log.values[last - 1..];
                    assert!(vouched_for.contains(&held), "{case}: {:?}", held.state);
                }
            }
        }
    }
    assert!(noticed > 10, "{noticed}");
}

/// A sector that cannot be read is an error, of the start or of the load, and never a shorter log.
#[test]
fn a_bad_sector_is_an_error() {
    let (_, run, end) = synced();
    let held = run.log.values.last().unwrap();
    for sector in 0..=end / 512 {
        let (disk, ..) = synced();
        disk.break_sector(&log_path(), sector as u64 * 512).unwrap();
        let before = disk.snapshot();

        if let Ok(group) = open(&disk) {
            assert_eq!(group.log.state(), held.state, "sector {sector}");
        } else {
            assert_eq!(disk.snapshot(), before, "sector {sector}");
        }
    }
}

#[test]
fn the_log_of_another_group_is_refused() {
    let (disk, ..) = synced();
    let group = GroupName::new("H").unwrap();

    let refused = open_group(Arc::new(disk), &StoreConfig { group, ..config() }).err();

    assert!(
        matches!(refused, Some(StorageError::Damaged { offset: 0, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let disk = SimDisk::new();
    let mut run = run(
        &disk,
        &[
            Step::Append(10),
            Step::Sync,
            Step::Append(3_000),
            Step::Write,
        ],
    );
    run.opened = None;
    let mut cut = 0;
    for seed in 0..20 {
        let disk = SimDisk::new();
        let script = [
            Step::Append(10),
            Step::Sync,
            Step::Append(3_000),
            Step::Write,
        ];
        drop(self::run(&disk, &script));
        disk.crash(Keep::Seeded(seed));
        let group = open(&disk).unwrap();
        if group.report.cut_bytes > 0 {
            cut += 1;
            assert_eq!(group.report.entries, 1);
            assert!(
                disk.snapshot()[&log_path()].len() < 2_048,
                "the torn bytes are still there"
            );
        }
    }
    assert!(cut > 0, "no seed tore the record");
}

#[test]
fn a_deletion_leaves_the_group_or_nothing() {
    let script = [Step::Append(10), Step::TermVote(2), Step::Sync];
    for stop in 0..8 {
        for end in End::all() {
            let disk = SimDisk::new();
            let mut run = run(&disk, &script);
            disk.stop_after(stop);
            let deleted = run.opened.as_mut().unwrap().store.delete().is_ok();
            end.happen(&disk);

            match open(&disk) {
                Ok(group) => {
                    assert!(!deleted, "the group is still there");
                    run.log.check(&Held::of(&*group.log), "deletion");
                    assert_eq!(group.term_vote.term, Term(2));
                }
                Err(error) => assert!(matches!(error, StorageError::NoPeerState), "{error}"),
            }
            if deleted {
                bootstrap(&disk, &dir(), &peers(3)).unwrap();
                assert_eq!(open(&disk).unwrap().log.state(), LogState::default());
            }
        }
    }
}
