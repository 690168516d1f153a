//! Both ends of a catch-up (behaviour.md 8).
//!
//! A follower that sees a gap opens a private inbox and names it in its answer. The leader sends
//! what is missing there, out of its log, under its own term. Catch-up entries are stored and
//! never answered; once the position that revealed the gap is reached, live entries count again.

use std::collections::VecDeque;
use std::time::Duration;

use super::output::SubscriptionKind;
use super::timers::Timer;
use super::{LogLevel, Node, Role, SubscriptionId};
use crate::time::Instant;
use crate::types::{EntryType, Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryHead, AppendEntryResponse, Subject};

/// Without progress for longer than this, either side takes a catch-up for stalled.
const STALLED_AFTER: Duration = Duration::from_secs(2);
/// How far a run may be ahead of what the follower is known to have.
///
/// Differs from the server: 2 MiB there, which lets a follower gain one window in each stall
/// interval (SE-16); the size is the leader's own choice.
const WINDOW_BYTES: u64 = 32 * 1024 * 1024;
/// What one run sends before the node's other work gets its turn.
const TURN_BYTES: u64 = 1024 * 1024;

/// The follower's side.
#[derive(Clone, Debug)]
pub(super) struct Catchup {
    /// The subscription of the private inbox.
    pub(super) sub: SubscriptionId,
    /// The position that revealed the gap; reaching it ends the catch-up.
    pub(super) target_term: Term,
    pub(super) target_index: Index,
    /// Our last index when it was last looked at.
    pub(super) seen_index: Index,
    /// Our last term at creation, for white-box tests.
    #[cfg(feature = "testing")]
    pub(super) from_term: Term,
    /// When progress was last seen.
    pub(super) active_at: Instant,
    /// The application was told, so it is owed a nil guard.
    pub(super) signalled: bool,
}

/// A run's name. A superseded run keeps its own until it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunId(pub(super) u64);

/// The leader's side: one follower being sent a stretch of the log.
#[derive(Debug)]
pub(super) struct CatchupRun {
    id: RunId,
    peer: PeerId,
    inbox: Subject,
    /// Our term when the run began; what is sent carries it.
    term: Term,
    /// Our last index when the run began; the run ends there.
    last: Index,
    /// The last index sent, or the one before the first.
    sent: Index,
    /// Bytes sent of indexes the follower has not reported.
    outstanding: VecDeque<(Index, u64)>,
    outstanding_bytes: u64,
    /// Indexes the follower reported since the last turn.
    updates: VecDeque<Index>,
    /// The share of a turn was used up with more to send.
    yielded: bool,
    deadline: Instant,
}

impl CatchupRun {
    pub(super) fn wants_turn(&self) -> bool {
        self.yielded || !self.updates.is_empty()
    }

    fn report(&mut self, index: Index) {
        while let Some((_, bytes)) = self.outstanding.front().filter(|(sent, _)| *sent <= index) {
            self.outstanding_bytes -= bytes;
            self.outstanding.pop_front();
        }
    }
}

impl Node {
    /// Opens a catch-up whose target is the position before `ae`, replacing one that is open;
    /// returns its inbox (server: `createCatchup`).
    ///
    /// Differs from the server: an application that was told of the replaced catch-up is still
    /// owed its nil guard (SE-1).
    pub(super) fn create_catchup(&mut self, ae: &AppendEntry) -> Subject {
        let signalled = match self.catchup.take() {
            Some(old) => {
                self.unsubscribe(old.sub);
                old.signalled
            }
            None => false,
        };
        let inbox = self.new_catchup_inbox();
        let sub = self.subscribe(SubscriptionKind::Catchup, inbox.clone());
        self.note(
            LogLevel::Debug,
            format!("catching up to {}", ae.head.prev_index),
        );
        self.catchup = Some(Catchup {
            sub,
            target_term: ae.head.prev_term,
            target_index: ae.head.prev_index,
            seen_index: self.last_index,
            #[cfg(feature = "testing")]
            from_term: self.last_term,
            active_at: self.now,
            signalled,
        });
        inbox
    }

    /// Ends the catch-up, if there is one (server: `cancelCatchup`).
    pub(super) fn cancel_catchup(&mut self) {
        let Some(catchup) = self.catchup.take() else {
            return;
        };
        self.unsubscribe(catchup.sub);
        self.cancel_catchup_signal(&catchup);
    }

    /// An application that was told of a catch-up hears of its end (server:
    /// `cancelCatchupSignal`).
    pub(super) fn cancel_catchup_signal(&mut self, catchup: &Catchup) {
        if catchup.signalled {
            self.apply.push_nil_guard();
            self.signal_apply();
        }
    }

    pub(super) fn catchup_reached_target(&self) -> bool {
        self.catchup.as_ref().is_some_and(|catchup| {
            self.last_term >= catchup.target_term && self.last_index >= catchup.target_index
        })
    }

    /// Whether the catch-up made no progress for too long (server: `catchupStalled`).
    pub(super) fn catchup_stalled(&mut self) -> bool {
        let (now, last_index) = (self.now, self.last_index);
        let installs = self.snapshots.follows_leader();
        let Some(catchup) = &mut self.catchup else {
            return false;
        };
        if catchup.seen_index == last_index && !installs {
            return now.since(catchup.active_at) > STALLED_AFTER;
        }
        catchup.seen_index = last_index;
        catchup.active_at = now;
        false
    }

    /// Tells the application, once, that what follows is catch-up (server: `sendCatchupSignal`).
    pub(super) fn send_catchup_signal(&mut self) {
        if let Some(catchup) = &mut self.catchup
            && !std::mem::replace(&mut catchup.signalled, true)
        {
            self.apply.push_catchup_started();
            self.signal_apply();
        }
    }

    /// A follower asks for what follows its last entry (behaviour.md 8.2;
    /// server: `catchupFollower`).
    pub(super) fn catchup_follower(&mut self, request: AppendEntryResponse, inbox: Subject) {
        if let Some(old) = self.progress.remove(&request.peer) {
            // Nobody listens to its inbox any more.
            self.runs.retain(|run| run.id != old);
        }
        if self.role != Role::Leader {
            return;
        }
        let Some(from) = self.catchup_start(&request, &inbox) else {
            return;
        };
        let id = self.next_run;
        self.next_run = RunId(id.0 + 1);
        self.progress.insert(request.peer, id);
        self.runs.push(CatchupRun {
            id,
            peer: request.peer,
            inbox,
            term: self.term,
            last: self.last_index,
            sent: from,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            updates: VecDeque::from([from]),
            yielded: false,
            deadline: self.now.after(STALLED_AFTER),
        });
        self.arm_catchup_timer();
    }

    /// The index before the first entry to send. Nothing when there is none to send: the snapshot
    /// was enough, or this leader cannot serve the follower and has stepped down.
    fn catchup_start(&mut self, request: &AppendEntryResponse, inbox: &Subject) -> Option<Index> {
        let log = self.log.state();
        let mut start = request.index.next();
        if start < log.first {
            start = self.send_snapshot_to_follower(inbox)?.next();
            if start > log.last {
                return None;
            }
        }
        if start > log.last && log.last > Index::ZERO {
            let text = format!("stepped down: {} has more than this leader", request.peer);
            self.note(LogLevel::Warn, text);
            self.switch_to_follower(None);
            return None;
        }
        match self.load_entry(start) {
            Ok(Some(entry)) => Some(entry.head.prev_index),
            Ok(None) => {
                self.note(LogLevel::Warn, format!("cannot serve {}", request.peer));
                self.switch_to_follower(None);
                None
            }
            Err(_) => None,
        }
    }

    /// Sends the last snapshot to a catch-up inbox (behaviour.md 8.4); the index it stands for.
    /// Without a snapshot that can be read this leader steps down.
    pub(super) fn send_snapshot_to_follower(&mut self, inbox: &Subject) -> Option<Index> {
        let file = match self.load_last_snapshot_core() {
            Ok(file) => file,
            Err(error) => {
                let text = format!("stepped down: no snapshot for a follower: {error}");
                self.note(LogLevel::Error, text);
                self.switch_to_follower(None);
                return None;
            }
        };
        let before_log = self.log.state().first.prev();
        let head = AppendEntryHead {
            leader: self.id,
            term: self.term,
            commit: self.commit,
            prev_term: file.last_term,
            prev_index: file.last_index.max(before_log),
            leader_term: Term::ZERO,
        };
        let entries = [
            (EntryType::Snapshot, file.data.as_ref()),
            (EntryType::PeerState, file.peer_state.as_ref()),
        ];
        match AppendEntry::encode(head, entries.into_iter()) {
            Ok(message) => {
                let reply = Some(self.response_inbox.clone());
                self.send_rpc(inbox, reply, message.into_frame());
                Some(head.prev_index)
            }
            Err(error) => {
                let text = format!("cannot send the snapshot at {}: {error}", file.last_index);
                self.note(LogLevel::Error, text);
                None
            }
        }
    }

    /// A follower that is being caught up acknowledged `index`.
    pub(super) fn report_progress(&mut self, peer: PeerId, index: Index) {
        if let Some(id) = self.progress.get(&peer)
            && let Some(run) = self.runs.iter_mut().find(|run| run.id == *id)
        {
            run.updates.push_back(index);
        }
    }

    /// Gives each run that wants one its share of the turn (behaviour.md 8.3).
    pub(super) fn step_catchup_runs(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let mut runs = std::mem::take(&mut self.runs);
        if self.role != Role::Leader {
            runs.clear();
            self.progress.clear();
        }
        runs.retain_mut(|run| {
            let goes_on = !run.wants_turn() || self.step_run(run);
            if !goes_on {
                self.end_run(run);
            }
            goes_on
        });
        self.runs = runs;
        self.arm_catchup_timer();
    }

    /// Takes the follower's reports and sends on; false when the run is over.
    fn step_run(&mut self, run: &mut CatchupRun) -> bool {
        run.yielded = false;
        while let Some(index) = run.updates.pop_front() {
            run.deadline = self.now.after(STALLED_AFTER);
            run.report(index);
            if index > run.last {
                return false;
            }
        }
        let mut turn_bytes = 0;
        while run.outstanding_bytes <= WINDOW_BYTES {
            if turn_bytes >= TURN_BYTES {
                run.yielded = true;
                break;
            }
            let index = run.sent.next();
            if index > run.last {
                return false;
            }
            let Ok(Some(entry)) = self.load_entry(index) else {
                return false;
            };
            let entry = if entry.head.leader_term == run.term {
                entry
            } else {
                entry.with_leader_term(run.term)
            };
            let frame = entry.into_frame();
            let bytes = frame.len() as u64;
            run.sent = index;
            run.outstanding.push_back((index, bytes));
            run.outstanding_bytes += bytes;
            turn_bytes += bytes;
            self.send_rpc(&run.inbox, Some(self.response_inbox.clone()), frame);
        }
        true
    }

    /// A run ends; a newer one of the same peer stays. A peer that is new to the group is made a
    /// member, where that happens by itself.
    fn end_run(&mut self, run: &CatchupRun) {
        if self.progress.get(&run.peer) == Some(&run.id) {
            self.progress.remove(&run.peer);
        }
        self.propose_stranger(run.peer);
    }

    /// Runs that heard nothing for too long end.
    pub(super) fn catchup_tick(&mut self) {
        let now = self.now;
        let mut runs = std::mem::take(&mut self.runs);
        runs.retain(|run| {
            let stalled = run.deadline <= now;
            if stalled {
                self.note(LogLevel::Debug, format!("catch-up of {} stalled", run.peer));
                self.end_run(run);
            }
            !stalled
        });
        self.runs = runs;
        self.arm_catchup_timer();
    }

    fn arm_catchup_timer(&mut self) {
        match self.runs.iter().map(|run| run.deadline).min() {
            Some(deadline) => self.timers.arm(Timer::Catchup, deadline),
            None => self.timers.disarm(Timer::Catchup),
        }
    }
}
