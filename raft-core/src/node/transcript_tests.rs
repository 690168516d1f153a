//! Transcripts: what a node says and becomes, command by command, in `tests/transcripts`.
//!
//! A file is a script with the node's answers in it. A line that begins with `> ` is a command, what
//! follows it is everything that came of it: what was sent once it may be, what was handed up, and
//! the node's state if that changed. `REWRITE=1 cargo test -p raft-core transcript` writes the
//! answers anew; what has changed is then to be read.
//!
//! The node is S. Its peers are A, B, C and D. A position is written `term/index`.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;

use super::rig::{DiskLog, N0, N1, Out, Rig, SELF, head, setup};
use super::{Committed, CommittedEntry, Node};
use crate::storage::{FoundSnapshot, FoundSnapshots, Log, SnapshotReader, WriteSeq};
use crate::types::{Entry, EntryType, Index, PeerId, Term};
use crate::wire::{
    AppendEntry, AppendEntryResponse, PeerState, SnapshotName, TermVote, VoteResponse,
};

const NAMES: [(&str, PeerId); 5] = [
    ("S", SELF),
    ("A", N0),
    ("B", N1),
    ("C", PeerId(*b"cnrtt3eg")),
    ("D", PeerId(*b"bkCGheKT")),
];

fn peer(name: &str) -> PeerId {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name} is nobody")).1
}

fn name(peer: PeerId) -> &'static str {
    let found = NAMES.iter().find(|(_, id)| *id == peer);
    found.map_or("?", |(name, _)| name)
}

fn names(peers: &[PeerId]) -> String {
    let mut names: Vec<_> = peers.iter().map(|peer| name(*peer)).collect();
    names.sort_unstable_by_key(|name| (*name != "S", *name));
    names.join(" ")
}

/// The words of a command, taken one after the other.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn maybe(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn next(&mut self) -> &'a str {
        self.0.next().expect("a word more")
    }

    fn number(&mut self) -> u64 {
        let word = self.next();
        word.parse()
            .unwrap_or_else(|_| panic!("{word} is no number"))
    }

    fn peer(&mut self) -> PeerId {
        peer(self.next())
    }

    /// `term/index`.
    fn position(&mut self) -> (u64, u64) {
        let (term, index) = self.next().split_once('/').expect("term/index");
        (term.parse().unwrap(), index.parse().unwrap())
    }

    fn expect(&mut self, word: &str) {
        assert_eq!(self.next(), word);
    }

    /// The rest of the command.
    fn rest(&mut self) -> Vec<&'a str> {
        self.0.by_ref().collect()
    }
}

/// The entries of a message: `text`, `+C`, `-C`, `transfer:C`, `snapshot:text`, `peers:ABC`.
fn entries(words: &[&str]) -> Vec<Entry> {
    let about = |kind, name: &str| Entry::about(kind, peer(name));
    let of = |kind, data: &str| Entry {
        kind,
        data: Bytes::copy_from_slice(data.as_bytes()),
    };
    let entry = |word: &&str| match word.split_once([':', '+', '-']) {
        Some(("", peer)) if word.starts_with('+') => about(EntryType::AddPeer, peer),
        Some(("", peer)) => about(EntryType::RemovePeer, peer),
        Some(("transfer", peer)) => about(EntryType::LeaderTransfer, peer),
        Some(("snapshot", data)) => of(EntryType::Snapshot, data),
        Some(("peers", all)) => Entry {
            kind: EntryType::PeerState,
            data: peer_state(all).encode(),
        },
        _ => of(EntryType::Normal, word),
    };
    words.iter().map(entry).collect()
}

fn peer_state(all: &str) -> PeerState {
    let peers: Vec<_> = all.chars().map(|name| peer(&name.to_string())).collect();
    PeerState {
        cluster_size: u32::try_from(peers.len()).unwrap(),
        peers,
        domain_ext: 0,
    }
}

fn entry_text(entry: &Entry) -> String {
    let text = String::from_utf8_lossy(&entry.data);
    let whom = || PeerId::from_text(&entry.data).map_or("?", name);
    match entry.kind {
        EntryType::Normal => text.into_owned(),
        EntryType::AddPeer => format!("+{}", whom()),
        EntryType::RemovePeer => format!("-{}", whom()),
        EntryType::LeaderTransfer => format!("transfer:{}", whom()),
        EntryType::Snapshot => format!("snapshot:{text}"),
        EntryType::PeerState => {
            let state = PeerState::decode(&entry.data).unwrap();
            format!("peers:{}", names(&state.peers).replace(' ', ""))
        }
        kind => format!("{kind:?}"),
    }
}

/// A private inbox without its random part.
fn subject_text(subject: &str) -> &str {
    match subject {
        "$NRG.AE.TEST" => "the group",
        "$NRG.V.TEST" => "vote requests",
        "$NRG.P.TEST" => "forwarded proposals",
        "$NRG.RP.TEST" => "forwarded removals",
        _ if subject.starts_with("$NRG.CR.") => "a catch-up inbox",
        _ if subject.starts_with("$NRG.R.") => "an inbox",
        _ => subject,
    }
}

fn out_text(out: &Out) -> String {
    match out {
        Out::Append(to, head, entries) => {
            let to = subject_text(to);
            let (term, index, commit) = (head.prev_term, head.prev_index, head.commit);
            let what = if entries.is_empty() {
                "heartbeat".to_owned()
            } else {
                let texts: Vec<_> = entries.iter().map(entry_text).collect();
                texts.join(" ")
            };
            let by = match head.leader_term {
                Term::ZERO => String::new(),
                term => format!(" by {term}"),
            };
            let of = head.term;
            format!("to {to}: {of}{by} after {term}/{index}, commit {commit}: {what}")
        }
        Out::Answer(answer, catches_up) => {
            let AppendEntryResponse { term, index, .. } = answer;
            match (answer.success, catches_up) {
                (true, _) => format!("answers: has {term}/{index}"),
                (false, true) => format!("answers: send me what follows {term}/{index}"),
                (false, false) => format!("answers: no, term {term}, last {index}"),
            }
        }
        Out::Ask(ask) => {
            let (term, last) = (ask.term, (ask.last_term, ask.last_index));
            format!("asks for votes in {term}, log {}/{}", last.0, last.1)
        }
        Out::Vote(VoteResponse {
            term,
            granted,
            empty,
            ..
        }) => {
            let answer = if *granted { "grants" } else { "refuses" };
            let empty = if *empty { ", its log is empty" } else { "" };
            format!("{answer} its vote in {term}{empty}")
        }
        Out::Data(to, payload) => {
            let text = String::from_utf8_lossy(payload);
            format!("to {}: {text}", subject_text(to))
        }
        Out::Subscribe(subject) => format!("listens to {}", subject_text(subject)),
        Out::Unsubscribe(subject) => format!("leaves {}", subject_text(subject)),
        Out::Reset => "begins its subscriptions anew".to_owned(),
    }
}

fn committed_text(item: &Committed) -> String {
    match item {
        Committed::NilGuard => "hands up: the end of the replay or catch-up".to_owned(),
        Committed::CatchupStarted => "hands up: a catch-up begins".to_owned(),
        Committed::Entries(entry) => {
            let CommittedEntry { index, .. } = entry;
            let entries: Vec<_> = entry
                .entries()
                .map(|entry| {
                    let data = Bytes::copy_from_slice(entry.data);
                    let kind = entry.kind;
                    entry_text(&Entry { kind, data })
                })
                .collect();
            match entries.is_empty() {
                true => format!("hands up {index}: nothing for the application"),
                false => format!("hands up {index}: {}", entries.join(" ")),
            }
        }
    }
}

fn state_text(node: &Node) -> String {
    let (role, term, commit) = (node.role, node.term, node.commit);
    let leader = node.leader.map_or("nobody", name);
    let voted = node.vote.map_or("nobody", name);
    let first = node.log.state().first;
    let (last_term, last) = (node.last_term, node.last_index);
    let mut text = format!(
        "= {role:?} of {term}, leader {leader}, voted for {voted}; log {first} to \
         {last_term}/{last}, commit {commit}; {} of {}",
        node.quorum,
        names(&node.peer_names()),
    );
    let flags = [
        ("observer", node.observer),
        ("paused", node.paused),
        ("catching up", node.catchup.is_some()),
        ("change pending", node.membership_change.is_some()),
        ("rescued", node.in_rescue()),
    ];
    for (flag, _) in flags.iter().filter(|(_, is_set)| *is_set) {
        let _ = write!(text, ", {flag}");
    }
    text
}

/// A script being played.
struct Stage {
    rig: Rig,
    shown: String,
}

impl Stage {
    fn new() -> Self {
        Self {
            rig: Rig::new(&[SELF], DiskLog::new()),
            shown: String::new(),
        }
    }

    /// Carries a command out and says what came of it, a line each.
    fn play(&mut self, command: &str) -> Vec<String> {
        let mut words = Words(command.split_whitespace());
        let mut lines = self.command(&mut words);
        assert_eq!(words.rest(), [""; 0], "too many words: {command}");
        self.rig.turn();
        lines.extend(self.rig.outputs().iter().map(out_text));
        let change = self.rig.lead_change().map(|(leads, term)| match leads {
            true => format!("tells the application: it leads in {term}"),
            false => format!("tells the application: it does not lead in {term}"),
        });
        lines.extend(change);
        lines.extend(self.rig.applied().iter().map(committed_text));
        let state = state_text(&self.rig.node);
        if self.shown != state {
            // Where everybody begins is no news.
            if !command.starts_with("group") {
                lines.push(state.clone());
            }
            self.shown = state;
        }
        lines
    }

    fn command(&mut self, words: &mut Words<'_>) -> Vec<String> {
        let command = words.next();
        match command {
            "group" | "log" | "lead" | "restart" => self.begin(command, words),
            "entry" | "catch-up" | "ask" | "vote" | "ack" | "wants" | "no" => {
                self.hear(command, words);
            }
            _ => return self.call(command, words),
        }
        Vec::new()
    }

    /// How a node comes to be where a script begins.
    fn begin(&mut self, command: &str, words: &mut Words<'_>) {
        match command {
            "group" => {
                let mut all: Vec<_> = words.rest();
                let is = |flag: &str, all: &mut Vec<&str>| {
                    let before = all.len();
                    all.retain(|word| *word != flag);
                    all.len() < before
                };
                let (managed, lost) = (is("managed", &mut all), is("recovering", &mut all));
                let members: Vec<_> = all.into_iter().map(peer).collect();
                let mut setup = setup(&members, Box::new(DiskLog::new()));
                (setup.managed, setup.recovering) = (managed, lost);
                self.rig = Rig::of(setup);
            }
            // `log A 1 3`: has followed A in term 1, whose log is 3 long.
            "log" => {
                let (leader, term, last) = (words.peer(), words.number(), words.number());
                for index in self.rig.node.last_index.0..last {
                    let prev = (self.rig.node.last_term.0, index);
                    let entry = Entry::normal(&b"old"[..]);
                    let message =
                        AppendEntry::encode_entries(head(leader, term, 0, prev), &[entry]);
                    self.rig.live(message.unwrap());
                }
                self.settle();
            }
            // `lead 3`: leads term 3, its first entry is durable here.
            "lead" => {
                self.rig.elect(words.number());
                self.settle();
            }
            _ => self.restart(),
        }
    }

    fn settle(&mut self) {
        self.rig.turn();
        self.rig.sync();
        self.rig.outputs();
        self.rig.node.take_lead_change();
    }

    /// A process that ends and another that finds its files. Everything has to be durable.
    fn restart(&mut self) {
        let node = &mut self.rig.node;
        assert!(node.take_writes().is_none(), "sync before a restart");
        let state = node.log.state();
        let mut log = DiskLog::new();
        log.truncate(state.first.prev(), WriteSeq::ZERO).unwrap();
        let mut index = state.first;
        while index <= state.last {
            let frame = node.log.load(index).unwrap();
            log.append(index, WriteSeq::ZERO, frame).unwrap();
            index = index.next();
        }
        let peers = node.current_peer_state();
        let mut setup = setup(&[SELF], Box::new(log));
        setup.managed = node.managed;
        setup.recovering = true;
        setup.term_vote = TermVote {
            term: node.term,
            vote: node.vote,
        };
        let files = self.rig.files.clone();
        let newest = files.names().pop().map(|file| {
            let name = SnapshotName::parse(&file).unwrap();
            let file = files.load(name).unwrap();
            let peers = PeerState::decode(&file.peer_state).unwrap();
            FoundSnapshot { name, file, peers }
        });
        setup.snapshots.found = FoundSnapshots {
            newest,
            stale: Vec::new(),
        };
        setup.peer_state = peers;
        self.rig = Rig::of_files(setup, files);
    }

    /// What arrives.
    fn hear(&mut self, command: &str, words: &mut Words<'_>) {
        match command {
            // `entry A 2 after 1/3 commit 2: x y`, a heartbeat without entries.
            "entry" => {
                let message = Self::message(words, None);
                self.rig.arrive(message);
            }
            // `catch-up A 1 by 3 after 1/3 commit 2: x`.
            "catch-up" => {
                let (leader, term) = (words.peer(), words.number());
                words.expect("by");
                let by = words.number();
                let message = Self::message(words, Some((leader, term)));
                let origin = self.rig.catchup();
                self.rig.receive(message.with_leader_term(Term(by)), origin);
            }
            "ask" => {
                let (candidate, term) = (words.peer(), words.number());
                words.expect("log");
                self.rig.ask(term, words.position(), candidate);
            }
            "vote" => {
                let (peer, term) = (words.peer(), words.number());
                let how = words.maybe();
                self.rig.answer_vote(VoteResponse {
                    term: Term(term),
                    peer,
                    granted: how != Some("refused"),
                    empty: how == Some("empty"),
                });
            }
            // `ack A 1/3`; `no A 4/2`, which refuses; `wants A 1/3`, which asks for what follows.
            "ack" => {
                let (peer, (term, index)) = (words.peer(), words.position());
                self.rig.acknowledge(term, index, peer);
            }
            _ => {
                let (peer, (term, index)) = (words.peer(), words.position());
                let inbox = (command == "wants").then_some("$NRG.CR.abcdefgh");
                let answer = super::rig::answer(term, index, peer, false);
                self.rig.respond(answer, inbox);
            }
        }
    }

    fn message(words: &mut Words<'_>, sender: Option<(PeerId, u64)>) -> AppendEntry {
        let (leader, term) = sender.unwrap_or_else(|| (words.peer(), words.number()));
        words.expect("after");
        let prev = words.position();
        words.expect("commit");
        let commit = words.next().trim_end_matches(':').parse().unwrap();
        let entries = entries(&words.rest());
        AppendEntry::encode_entries(head(leader, term, commit, prev), &entries).unwrap()
    }

    /// What time, disk and application do. Says what a call answers.
    fn call(&mut self, command: &str, words: &mut Words<'_>) -> Vec<String> {
        let (node, now) = (&mut self.rig.node, self.rig.now);
        let refusal = |error: &dyn std::error::Error| format!("refused: {error}");
        let answer: Option<String> = match command {
            "pass" => {
                self.rig.pass(words.number());
                words.expect("ms");
                None
            }
            "sync" => {
                self.rig.sync();
                None
            }
            "campaign" => {
                node.switch_to_candidate();
                None
            }
            "propose" => {
                let data = Bytes::copy_from_slice(words.next().as_bytes());
                node.propose(node.term, data).err().map(|e| refusal(&e))
            }
            "add" => node
                .propose_add_peer(words.peer())
                .err()
                .map(|e| refusal(&e)),
            "remove" => node
                .propose_remove_peer(words.peer())
                .err()
                .map(|e| refusal(&e)),
            "step-down" => {
                let preferred: Vec<_> = words.rest().into_iter().map(peer).collect();
                node.step_down(&preferred, now).err().map(|e| refusal(&e))
            }
            "rescue" => {
                let quorum = u32::try_from(words.number()).unwrap();
                node.rescue_quorum(quorum, now).err().map(|e| refusal(&e))
            }
            "evict" => {
                let peers: Vec<_> = words.rest().into_iter().map(peer).collect();
                Some(match node.evict_peers(&peers, now) {
                    Ok(gone) => format!("evicted {}", names(&gone)),
                    Err(error) => refusal(&error),
                })
            }
            "pause" => node.pause_apply(now).err().map(|e| refusal(&e)),
            "resume" => {
                node.resume_apply(now);
                None
            }
            "processed" => {
                let index = Index(words.number());
                node.processed(index, index, now);
                None
            }
            "snapshot" => {
                let data = Bytes::copy_from_slice(words.next().as_bytes());
                node.install_snapshot(data, false)
                    .err()
                    .map(|e| refusal(&e))
            }
            "drain-and-replay" => {
                let is_done = node.drain_and_replay_snapshot(now);
                (!is_done).then(|| "there is no snapshot".to_owned())
            }
            "observe" => {
                node.set_observer(true, now);
                None
            }
            other => panic!("{other} is no command"),
        };
        answer.into_iter().collect()
    }
}

/// The script with the answers of today in it.
fn played(script: &str) -> String {
    let mut stage = Stage::new();
    let mut text = String::new();
    for line in script.lines() {
        if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(text, "{line}");
        } else if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(text, "{line}");
            for line in stage.play(command) {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

#[test]
fn transcripts_say_what_a_node_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 9, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let script = std::fs::read_to_string(&file).unwrap();
        let now = played(&script);
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&file, now).unwrap();
            continue;
        }
        assert!(
            script.lines().any(|line| line.starts_with("= ")),
            "{file:?} tells nothing"
        );
        for (at, (old, new)) in script.lines().zip(now.lines()).enumerate() {
            if old != new {
                wrong.push(format!("{}:{}\n- {old}\n+ {new}", file.display(), at + 1));
                break;
            }
        }
        if script.lines().count() != now.lines().count() && wrong.is_empty() {
            wrong.push(format!("{}: lines are missing or too many", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nREWRITE=1 writes them anew; read what has changed.",
        wrong.join("\n")
    );
}
