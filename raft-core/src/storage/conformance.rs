//! The suite every log has to pass: what the documentation of [`Log`] promises, as assertions.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{FRAME_LEN_MAX, LoadError, Log, LogState, StorageError, WriteSeq};
use crate::rng::Rng;
use crate::types::Index;

/// A log under test.
pub trait Subject {
    /// The log.
    fn log(&mut self) -> &mut dyn Log;

    /// Carries out the writes gathered so far. A log that survives a restart is restarted, a log
    /// that does not is left alone.
    fn settle(&mut self);
}

/// Runs the suite on logs that `make` makes, each new and empty.
///
/// # Panics
/// When a promise is broken.
pub fn check<S: Subject>(make: &mut dyn FnMut() -> S) {
    for settle in [false, true] {
        let mut fresh = || Checked::new(make(), settle);
        new_log_is_empty(fresh());
        appends_take_the_next_index_only(fresh());
        frames_come_back_byte_for_byte(fresh());
        too_large_a_frame_is_refused(fresh());
        truncation_keeps_what_is_below(fresh());
        truncation_to_nothing_starts_after_the_cut(fresh());
        truncation_above_the_end_moves_the_empty_log_up(fresh());
        truncation_to_zero_makes_the_log_new(fresh());
        a_truncated_index_can_be_taken_again(fresh());
        compaction_keeps_what_is_above(fresh());
        compaction_above_the_end_empties_and_moves_up(fresh());
        compaction_at_or_below_the_first_does_nothing(fresh());
        a_closed_log_refuses(fresh());
    }
    for seed in 0..40 {
        any_sequence_agrees_with_the_model(Checked::new(make(), seed % 2 == 0), seed);
    }
}

/// The contract of [`Log`] once more, in the plainest form.
#[derive(Default)]
struct Model {
    frames: BTreeMap<u64, Bytes>,
    first: u64,
    last: u64,
}

impl Model {
    fn append(&mut self, frame: Bytes) {
        self.last += 1;
        self.frames.insert(self.last, frame);
    }

    fn truncate(&mut self, last: u64) {
        let above_end = last > self.last;
        self.frames.retain(|index, _| *index <= last && !above_end);
        self.last = last;
        self.first = if last == 0 { 0 } else { last + 1 };
    }

    fn compact(&mut self, first: u64) {
        if first > self.state(0).first.0 {
            self.frames.retain(|index, _| *index >= first);
            self.last = self.last.max(first - 1);
            self.first = first;
        }
    }

    fn state(&self, overhead: u64) -> LogState {
        let first = self.frames.keys().next().copied().unwrap_or(self.first);
        LogState {
            messages: self.frames.len() as u64,
            bytes: self
                .frames
                .values()
                .map(|frame| overhead + frame.len() as u64)
                .sum(),
            first: Index(first),
            last: Index(self.last),
        }
    }
}

/// A log beside its model, compared after every call.
struct Checked<S> {
    subject: S,
    model: Model,
    settle: bool,
    seq: WriteSeq,
}

impl<S: Subject> Checked<S> {
    fn new(subject: S, settle: bool) -> Self {
        Self {
            subject,
            model: Model::default(),
            settle,
            seq: WriteSeq::ZERO,
        }
    }

    fn log(&mut self) -> &mut dyn Log {
        self.subject.log()
    }

    fn next_seq(&mut self) -> WriteSeq {
        self.seq.0 += 1;
        self.seq
    }

    fn append(&mut self, frame: impl Into<Bytes>) {
        let (seq, index, frame) = (self.next_seq(), Index(self.model.last + 1), frame.into());
        self.log()
            .append(index, seq, frame.clone())
            .expect("an append in order");
        self.model.append(frame);
        self.compare();
    }

    fn append_numbers(&mut self, count: usize) {
        for _ in 0..count {
            let next = self.model.last + 1;
            self.append(format!("entry {next}"));
        }
    }

    fn truncate(&mut self, last: u64) {
        let seq = self.next_seq();
        self.log().truncate(Index(last), seq).expect("a truncation");
        self.model.truncate(last);
        self.compare();
    }

    fn compact(&mut self, first: u64) {
        let seq = self.next_seq();
        self.log().compact(Index(first), seq).expect("a compaction");
        self.model.compact(first);
        self.compare();
    }

    fn compare(&mut self) {
        self.compare_now();
        if self.settle {
            self.subject.settle();
            self.compare_now();
        }
    }

    fn compare_now(&mut self) {
        let overhead = self.log().kind().record_bytes(0);
        let want = self.model.state(overhead);
        assert_eq!(self.log().state(), want);
        for index in want.first.0.saturating_sub(2)..=want.last.0 + 2 {
            let have = self.subject.log().load(Index(index));
            match self.model.frames.get(&index) {
                Some(frame) => assert_eq!(&have.expect("a loadable entry"), frame),
                None if index > want.last.0 => assert!(matches!(have, Err(LoadError::BeyondEnd))),
                None => assert!(matches!(have, Err(LoadError::Missing))),
            }
        }
    }

    fn expect_state(&mut self, messages: u64, first: u64, last: u64) {
        let have = self.log().state();
        assert_eq!(
            (have.messages, have.first, have.last),
            (messages, Index(first), Index(last))
        );
    }
}

fn new_log_is_empty(mut log: Checked<impl Subject>) {
    log.compare();
    assert_eq!(log.log().state(), LogState::default());
    assert!(log.log().take_writes().is_empty());
}

fn appends_take_the_next_index_only(mut log: Checked<impl Subject>) {
    log.append_numbers(2);
    for index in [0, 1, 2, 4, u64::MAX] {
        let seq = log.next_seq();
        let refused = log.log().append(Index(index), seq, Bytes::new());
        let have = Index(index);
        let want = Index(3);
        assert!(
            matches!(refused, Err(StorageError::OutOfOrder { want: w, have: h }) if w == want && h == have)
        );
        log.compare();
    }
    log.append_numbers(1);
}

fn frames_come_back_byte_for_byte(mut log: Checked<impl Subject>) {
    for len in [0, 1, 7, 8, 9, 511, 512, 4_096, 70_000, 2 << 20] {
        log.append(pattern(len));
    }
}

fn too_large_a_frame_is_refused(mut log: Checked<impl Subject>) {
    let seq = log.next_seq();
    let refused = log
        .log()
        .append(Index(1), seq, Bytes::from(vec![0; FRAME_LEN_MAX + 1]));
    assert!(
        matches!(refused, Err(StorageError::TooLarge { have, max: FRAME_LEN_MAX })
        if have == FRAME_LEN_MAX + 1)
    );
    log.compare();
    log.append_numbers(1);
}

fn truncation_keeps_what_is_below(mut log: Checked<impl Subject>) {
    log.append_numbers(5);
    log.truncate(3);
    log.expect_state(3, 1, 3);
    log.truncate(3);
    log.expect_state(3, 1, 3);
}

/// The server's start-up test: snapshot 1, log 3..3, truncated to 1.
fn truncation_to_nothing_starts_after_the_cut(mut log: Checked<impl Subject>) {
    log.compact(3);
    log.append_numbers(1);
    log.expect_state(1, 3, 3);
    log.truncate(1);
    log.expect_state(0, 2, 1);
    log.append_numbers(1);
    log.expect_state(1, 2, 2);
}

fn truncation_above_the_end_moves_the_empty_log_up(mut log: Checked<impl Subject>) {
    log.append_numbers(2);
    log.truncate(9);
    log.expect_state(0, 10, 9);
    log.append_numbers(1);
    log.expect_state(1, 10, 10);
}

fn truncation_to_zero_makes_the_log_new(mut log: Checked<impl Subject>) {
    log.append_numbers(2);
    log.truncate(0);
    log.expect_state(0, 0, 0);
    log.append_numbers(2);
    log.compact(9);
    log.truncate(0);
    log.expect_state(0, 0, 0);
    log.append_numbers(1);
    log.expect_state(1, 1, 1);
}

fn a_truncated_index_can_be_taken_again(mut log: Checked<impl Subject>) {
    log.append("old");
    log.append("older");
    log.truncate(1);
    log.append("new");
    log.truncate(0);
    log.append("newest");
    log.expect_state(1, 1, 1);
}

fn compaction_keeps_what_is_above(mut log: Checked<impl Subject>) {
    log.append_numbers(5);
    log.compact(3);
    log.expect_state(3, 3, 5);
    log.append_numbers(1);
    log.compact(7);
    log.expect_state(0, 7, 6);
    log.append_numbers(1);
    log.expect_state(1, 7, 7);
}

fn compaction_above_the_end_empties_and_moves_up(mut log: Checked<impl Subject>) {
    log.append_numbers(2);
    log.compact(9);
    log.expect_state(0, 9, 8);
    log.compact(4);
    log.expect_state(0, 9, 8);
    log.append_numbers(1);
    log.expect_state(1, 9, 9);
}

fn compaction_at_or_below_the_first_does_nothing(mut log: Checked<impl Subject>) {
    log.compact(0);
    log.expect_state(0, 0, 0);
    log.append_numbers(3);
    log.compact(2);
    for first in [0, 1, 2] {
        log.compact(first);
        log.expect_state(2, 2, 3);
    }
}

fn a_closed_log_refuses(mut log: Checked<impl Subject>) {
    log.append_numbers(1);
    let seq = log.next_seq();
    let log = log.log();
    log.close();
    log.close();
    assert!(matches!(
        log.append(Index(2), seq, Bytes::new()),
        Err(StorageError::Closed)
    ));
    assert!(matches!(
        log.truncate(Index(0), seq),
        Err(StorageError::Closed)
    ));
    assert!(matches!(
        log.compact(Index(2), seq),
        Err(StorageError::Closed)
    ));
    assert!(matches!(log.load(Index(1)), Err(LoadError::Closed)));
}

fn any_sequence_agrees_with_the_model(mut log: Checked<impl Subject>, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut below = |limit: u64| rng.next_u64() % limit;
    for _ in 0..60 {
        let LogState { first, last, .. } = log.model.state(0);
        let near = first.0.saturating_sub(2) + below(last.since(first) + 5);
        match below(10) {
            0 => log.truncate(near),
            1 => log.compact(near),
            2 => log.truncate(last.0.saturating_sub(below(3))),
            _ => log.append(pattern(below(900))),
        }
        if below(8) == 0 {
            log.subject.settle();
        }
    }
}

fn pattern(len: u64) -> Bytes {
    (0..len)
        .map(|at| (at.wrapping_mul(len) >> 3).to_le_bytes()[0])
        .collect()
}
