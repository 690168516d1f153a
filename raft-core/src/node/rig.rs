//! One node in a test: state in, then reply, state and every output out.

use std::sync::Arc;

use bytes::Bytes;

use super::{Committed, LeadChange, Node, NodeSetup, Origin, Output, Role, SubscriptionId};
use crate::config::Timing;
use crate::storage::{
    GroupSnapshots, GroupWrites, LoadError, Log, LogKind, LogState, LogWrite, MemoryLog,
    MemorySnapshots, StorageError, WriteSeq,
};
use crate::time::Instant;
use crate::types::{Entry, EntryType, GroupName, Index, PeerId, Term};
use crate::wire::{
    AppendEntry, AppendEntryHead, AppendEntryResponse, PeerState, Subject, TermVote, VoteRequest,
    VoteResponse,
};

pub(super) const SELF: PeerId = PeerId(*b"esFhDys3");
pub(super) const N0: PeerId = PeerId(*b"S1Nunr6R");
pub(super) const N1: PeerId = PeerId(*b"yrzKKRBu");
/// Where answers to a test's messages go.
pub(super) const INBOX: &str = "$TEST";

/// A node and the moment it lives in.
pub(super) struct Rig {
    pub(super) node: Node,
    pub(super) now: Instant,
    /// Its snapshots.
    pub(super) files: MemorySnapshots,
}

/// The part of a node that most handlers change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) role: Role,
    pub(super) term: u64,
    pub(super) vote: Option<PeerId>,
    pub(super) leader: Option<PeerId>,
    /// Term and index of the last entry.
    pub(super) last: (u64, u64),
    pub(super) commit: u64,
}

/// An output, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// An append entry to a subject. Its reply is checked to be the node's inbox.
    Append(String, AppendEntryHead, Vec<Entry>),
    /// An answer to an append entry, and whether a catch-up inbox came with it.
    Answer(AppendEntryResponse, bool),
    /// A request for votes. Its reply is checked to be the node's inbox.
    Ask(VoteRequest),
    Vote(VoteResponse),
    /// Anything else, to a subject.
    Data(String, Bytes),
    Subscribe(String),
    Unsubscribe(String),
    Reset,
}

/// A log that counts as one on a disk and keeps its entries in memory.
pub(super) struct DiskLog {
    frames: MemoryLog,
    /// Frames that cannot be read.
    pub(super) damaged: Option<Index>,
    /// The next write fails.
    pub(super) broken: bool,
}

impl DiskLog {
    pub(super) const fn new() -> Self {
        Self {
            frames: MemoryLog::new(),
            damaged: None,
            broken: false,
        }
    }

    fn check(&self) -> Result<(), StorageError> {
        if self.broken {
            return Err(StorageError::Failed);
        }
        Ok(())
    }
}

impl Log for DiskLog {
    fn kind(&self) -> LogKind {
        LogKind::File
    }

    fn state(&self) -> LogState {
        self.frames.state()
    }

    fn append(&mut self, index: Index, seq: WriteSeq, frame: Bytes) -> Result<(), StorageError> {
        self.check()?;
        self.frames.append(index, seq, frame)
    }

    fn load(&self, index: Index) -> Result<Bytes, LoadError> {
        if self.damaged == Some(index) {
            return Err(LoadError::Damaged { index });
        }
        self.frames.load(index)
    }

    fn truncate(&mut self, last: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.check()?;
        self.frames.truncate(last, seq)
    }

    fn compact(&mut self, first: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.frames.compact(first, seq)
    }

    fn take_writes(&mut self) -> Vec<LogWrite> {
        Vec::new()
    }

    fn handle_written(&mut self, _: WriteSeq) {}

    fn close(&mut self) {
        self.frames.close();
    }
}

pub(super) fn setup(members: &[PeerId], log: Box<dyn Log>) -> NodeSetup {
    NodeSetup {
        id: SELF,
        group: GroupName::new("TEST").unwrap(),
        timing: Timing::default(),
        managed: false,
        observer: false,
        recovering: false,
        scale_up: false,
        track: false,
        seed: 7,
        unknown_peers_online: true,
        log,
        term_vote: TermVote::default(),
        peer_state: PeerState {
            cluster_size: u32::try_from(members.len()).unwrap(),
            peers: members.to_vec(),
            domain_ext: 0,
        },
        snapshots: GroupSnapshots::in_memory(),
        last_seq: WriteSeq::ZERO,
    }
}

impl Rig {
    /// A fresh node among `members`, everything it wants at the start done and forgotten. The
    /// replay guard is taken.
    pub(super) fn new(members: &[PeerId], log: impl Log + 'static) -> Self {
        Self::of(setup(members, Box::new(log)))
    }

    pub(super) fn of(setup: NodeSetup) -> Self {
        let mut rig = Self::of_files(setup, MemorySnapshots::default());
        rig.node.take_applied(1, 0);
        rig
    }

    /// As [`Rig::of`], of a node whose snapshots are `files`. Nothing it hands up is taken.
    pub(super) fn of_files(mut setup: NodeSetup, files: MemorySnapshots) -> Self {
        setup.snapshots.reader = Arc::new(files.clone());
        let now = Instant::from_nanos(1_000_000_000_000);
        let node = Node::recover(setup, now).unwrap();
        let mut rig = Self { node, now, files };
        rig.node.handle_routing(true);
        rig.turn();
        rig.sync();
        rig.outputs();
        rig
    }

    /// A follower of `N0` in a group of three whose log ends with an entry of `term` at `index`,
    /// all its entries being of that term and none committed.
    pub(super) fn follower_at(term: u64, index: u64, log: impl Log + 'static) -> Self {
        let mut rig = Self::new(&[SELF, N0, N1], log);
        for at in 0..index {
            let prev = if at == 0 { (0, 0) } else { (term, at) };
            rig.live(entry(N0, term, 0, prev, b"old"));
        }
        if index == 0 {
            rig.live(entry(N0, term, 0, (0, 0), b""));
        }
        rig.sync();
        rig.outputs();
        rig.node.take_lead_change();
        rig
    }

    /// The leader of `term` in a group of three; its first entry is durable here and at nobody
    /// else.
    pub(super) fn leader_in(term: u64, log: impl Log + 'static) -> Self {
        let mut rig = Self::new(&[SELF, N0, N1], log);
        rig.elect(term);
        rig
    }

    pub(super) fn elect(&mut self, term: u64) {
        if self.node.term.0 + 1 < term {
            self.node.raise_term(Term(term - 1));
        }
        self.node.switch_to_candidate();
        self.turn();
        self.sync();
        self.vote(term, N0);
        self.turn();
        self.sync();
        self.outputs();
        assert_eq!(self.node.role, Role::Leader);
        assert_eq!(self.node.term.0, term);
    }

    /// Leads term 1 on its own, its first entry committed.
    pub(super) fn elect_alone(&mut self) {
        self.node.switch_to_candidate();
        for _ in 0..2 {
            self.turn();
            self.sync();
        }
        self.outputs();
        assert_eq!((self.node.role, self.node.commit.0), (Role::Leader, 1));
    }

    pub(super) fn turn(&mut self) {
        self.node.turn(self.now);
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(std::time::Duration::from_millis(millis));
    }

    /// Whatever was written is durable from now on.
    pub(super) fn sync(&mut self) {
        while let Some(writes) = self.node.take_writes() {
            self.carry_out(writes);
        }
    }

    /// These writes are durable from now on.
    pub(super) fn carry_out(&mut self, writes: GroupWrites) {
        let outcomes = self.files.carry_out(writes.snapshots);
        if writes.drop_snapshots {
            self.files.clear();
        }
        self.node.handle_durable(writes.upto, self.now);
        for outcome in outcomes {
            self.node.handle_snapshot_written(outcome, self.now);
        }
    }

    pub(super) fn live(&mut self, frame: AppendEntry) {
        self.receive(frame, Origin::Live);
    }

    pub(super) fn receive(&mut self, frame: AppendEntry, origin: Origin) {
        self.node.advance_to(self.now);
        self.node
            .process_append_entry(frame, Some(&Subject::new(INBOX)), origin);
    }

    /// The transport brings an append entry, and the node takes its turn.
    pub(super) fn arrive(&mut self, frame: AppendEntry) {
        let sub = self.inbox_of(&self.node.subjects.append_entry);
        let reply = Some(Subject::new(INBOX));
        self.node
            .handle_message(sub, reply, frame.into_frame(), self.now);
        self.turn();
    }

    /// An acknowledgement of exactly `index`.
    pub(super) fn acknowledge(&mut self, term: u64, index: u64, peer: PeerId) {
        self.respond(answer(term, index, peer, true), None);
    }

    pub(super) fn respond(&mut self, response: AppendEntryResponse, inbox: Option<&str>) {
        let sub = self.inbox_of(&self.node.response_inbox);
        let payload = Bytes::copy_from_slice(&response.encode());
        self.node
            .handle_message(sub, inbox.map(Subject::new), payload, self.now);
        self.turn();
    }

    pub(super) fn ask(&mut self, term: u64, last: (u64, u64), candidate: PeerId) {
        let request = VoteRequest {
            term: Term(term),
            last_term: Term(last.0),
            last_index: Index(last.1),
            candidate,
        };
        self.node.advance_to(self.now);
        self.node
            .process_vote_request(request, Some(&Subject::new(INBOX)));
    }

    /// A granted vote with data behind it.
    pub(super) fn vote(&mut self, term: u64, peer: PeerId) {
        self.answer_vote(vote(term, peer, true, false));
    }

    pub(super) fn answer_vote(&mut self, vote: VoteResponse) {
        let sub = self.inbox_of(&self.node.vote_inbox);
        let payload = Bytes::copy_from_slice(&vote.encode());
        self.node.handle_message(sub, None, payload, self.now);
        self.turn();
    }

    pub(super) fn propose(&mut self, data: &'static [u8]) {
        self.node
            .propose(self.node.term, Bytes::from_static(data))
            .unwrap();
        self.turn();
    }

    /// The subscription to a subject of the node's own.
    pub(super) fn inbox_of(&self, subject: &Subject) -> SubscriptionId {
        self.node.subscriptions.to(subject.as_str()).unwrap()
    }

    /// The catch-up that is open.
    pub(super) fn catchup(&self) -> Origin {
        Origin::Catchup(self.node.catchup.as_ref().unwrap().sub)
    }

    /// Everything sent and subscribed since the last look.
    pub(super) fn outputs(&mut self) -> Vec<Out> {
        assert_eq!(super::invariants::check(&self.node), Ok(()));
        let raw: Vec<Output> = std::iter::from_fn(|| self.node.poll_output()).collect();
        raw.into_iter().map(|output| self.decoded(output)).collect()
    }

    fn decoded(&self, output: Output) -> Out {
        let (subject, reply, payload) = match output {
            Output::Publish {
                subject,
                reply,
                payload,
            } => (subject, reply, payload),
            Output::Subscribe { subject, .. } => return Out::Subscribe(subject.to_string()),
            Output::Unsubscribe { subject, .. } => return Out::Unsubscribe(subject.to_string()),
            Output::Reset => return Out::Reset,
        };
        let to = subject.as_str();
        if to == "$NRG.AE.TEST" || to.starts_with("$NRG.CR.") {
            assert_eq!(reply.as_ref(), Some(&self.node.response_inbox));
            let ae = AppendEntry::decode(payload).unwrap();
            return Out::Append(to.to_owned(), ae.head, ae.shared_entries().collect());
        }
        if to == "$NRG.V.TEST" {
            assert_eq!(reply.as_ref(), Some(&self.node.vote_inbox));
            return Out::Ask(VoteRequest::decode(&payload).unwrap());
        }
        let catches_up = reply.is_some_and(|inbox| inbox.as_str().starts_with("$NRG.CR."));
        match payload.len() {
            17 | 25 => assert_eq!(to, INBOX),
            _ => {}
        }
        match payload.len() {
            25 => Out::Answer(AppendEntryResponse::decode(&payload).unwrap(), catches_up),
            17 => Out::Vote(VoteResponse::decode(&payload).unwrap()),
            _ => Out::Data(to.to_owned(), payload),
        }
    }

    pub(super) fn view(&self) -> View {
        let node = &self.node;
        View {
            role: node.role,
            term: node.term.0,
            vote: node.vote,
            leader: node.leader,
            last: (node.last_term.0, node.last_index.0),
            commit: node.commit.0,
        }
    }

    pub(super) fn lead_change(&mut self) -> Option<(bool, u64)> {
        let change = self.node.take_lead_change();
        change.map(|LeadChange { is_leader, term }| (is_leader, term.0))
    }

    /// The committed indexes the application has not taken.
    pub(super) fn applied(&mut self) -> Vec<Committed> {
        self.node.take_applied(usize::MAX, usize::MAX)
    }
}

/// `AE(leader term commit @prev data)`; a heartbeat without data.
pub(super) fn entry(
    leader: PeerId,
    term: u64,
    commit: u64,
    prev: (u64, u64),
    data: &'static [u8],
) -> AppendEntry {
    let entry = Entry::normal(data);
    let entries = std::slice::from_ref(&entry);
    let entries = if data.is_empty() { &[] } else { entries };
    AppendEntry::encode_entries(head(leader, term, commit, prev), entries).unwrap()
}

/// As [`entry`], with one entry of any kind.
pub(super) fn special(
    leader: PeerId,
    term: u64,
    commit: u64,
    prev: (u64, u64),
    entry: Entry,
) -> AppendEntry {
    AppendEntry::encode_entries(head(leader, term, commit, prev), &[entry]).unwrap()
}

/// The same message as a leader of `term` sends it out of its log.
pub(super) fn relayed(term: u64, entry: &AppendEntry) -> AppendEntry {
    entry.with_leader_term(Term(term))
}

pub(super) const fn head(
    leader: PeerId,
    term: u64,
    commit: u64,
    prev: (u64, u64),
) -> AppendEntryHead {
    AppendEntryHead {
        leader,
        term: Term(term),
        commit: Index(commit),
        prev_term: Term(prev.0),
        prev_index: Index(prev.1),
        leader_term: Term::ZERO,
    }
}

pub(super) const fn answer(
    term: u64,
    index: u64,
    peer: PeerId,
    success: bool,
) -> AppendEntryResponse {
    AppendEntryResponse {
        term: Term(term),
        index: Index(index),
        peer,
        success,
    }
}

/// A success of this node.
pub(super) const fn accepted(term: u64, index: u64) -> Out {
    Out::Answer(answer(term, index, SELF, true), false)
}

pub(super) const fn vote(term: u64, peer: PeerId, granted: bool, empty: bool) -> VoteResponse {
    VoteResponse {
        term: Term(term),
        peer,
        granted,
        empty,
    }
}

/// What a leader of three sends to the group.
pub(super) fn sent(term: u64, commit: u64, prev: (u64, u64), entries: Vec<Entry>) -> Out {
    Out::Append(
        "$NRG.AE.TEST".to_owned(),
        head(SELF, term, commit, prev),
        entries,
    )
}

/// The first entry of a leader of three.
pub(super) fn no_op() -> Entry {
    let state = PeerState {
        cluster_size: 3,
        peers: [N0, SELF, N1].to_vec(),
        domain_ext: 0,
    };
    Entry {
        kind: EntryType::PeerState,
        data: state.encode(),
    }
}

/// What a leader hears besides the permanent subjects.
pub(super) fn leader_subjects() -> [Out; 2] {
    ["$NRG.P.TEST", "$NRG.RP.TEST"].map(|subject| Out::Subscribe(subject.to_owned()))
}

/// A leader hears nothing of that any more.
pub(super) fn leader_subjects_dropped() -> [Out; 2] {
    ["$NRG.P.TEST", "$NRG.RP.TEST"].map(|subject| Out::Unsubscribe(subject.to_owned()))
}

/// Nothing was sent.
pub(super) const EMPTY: [Out; 0] = [];

/// A refusal of this node.
pub(super) const fn refused(term: u64, index: u64) -> Out {
    Out::Answer(answer(term, index, SELF, false), false)
}

/// A refusal of this node that comes with a catch-up inbox.
pub(super) const fn wants(term: u64, index: u64) -> Out {
    Out::Answer(answer(term, index, SELF, false), true)
}

/// A follower of `N0` in `term`, with nothing voted.
pub(super) const fn following(term: u64, last: (u64, u64), commit: u64) -> View {
    View {
        role: Role::Follower,
        term,
        vote: None,
        leader: Some(N0),
        last,
        commit,
    }
}

/// The leader of `term`.
pub(super) const fn leading(term: u64, last: (u64, u64), commit: u64) -> View {
    View {
        role: Role::Leader,
        term,
        vote: Some(SELF),
        leader: Some(SELF),
        last,
        commit,
    }
}

pub(super) fn normal(data: &'static [u8]) -> Entry {
    Entry::normal(data)
}

/// The indexes handed up; 0 for a nil guard, the highest number for the start of a catch-up.
pub(super) fn indexes(applied: &[Committed]) -> Vec<u64> {
    let index = |item: &Committed| match item {
        Committed::Entries(entry) => entry.index.0,
        Committed::NilGuard => 0,
        Committed::CatchupStarted => u64::MAX,
    };
    applied.iter().map(index).collect()
}
