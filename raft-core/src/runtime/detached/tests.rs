//! The calls, fields and seams the suites behind the boundary rest on.

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DetachedFlags, HandsError, Voter};
use crate::config::{NodeConfig, Timing};
use crate::node::{CallError, Committed, Mapped, Origin, ProposeError, Role, SubscriptionId};
use crate::runtime::{ClockKind, Message, NodeHandle, Runtime, RuntimeConfig, StartError};
use crate::storage::LogKind;
use crate::types::{Entry, EntryType, GroupName, Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryHead, AppendEntryResponse, VoteRequest, VoteResponse};

/// Longer than any role is played here.
const HOUR: Duration = Duration::from_secs(3600);

const SELF: PeerId = PeerId(*b"esFhDys3");
const N0: PeerId = PeerId(*b"S1Nunr6R");
const N1: PeerId = PeerId(*b"yrzKKRBu");
const N2: PeerId = PeerId(*b"cnrtt3eg");

struct Detached {
    node: NodeHandle,
    runtime: Runtime,
    root: TempDir,
}

fn config(root: &TempDir, log: LogKind) -> NodeConfig {
    let group = GroupName::new("TEST").unwrap();
    NodeConfig {
        log,
        ..NodeConfig::new(SELF, group, root.path())
    }
}

fn open(log: LogKind) -> Detached {
    open_in(tempfile::tempdir().unwrap(), log, DetachedFlags::default())
}

fn open_in(root: TempDir, log: LogKind, flags: DetachedFlags) -> Detached {
    let settings = RuntimeConfig::builder()
        .clock(ClockKind::Manual)
        .timing(Timing::reference_tests())
        .seed(1);
    let runtime = Runtime::open(settings.build().unwrap()).unwrap();
    let node = runtime.start_detached(config(&root, log), flags).unwrap();
    Detached {
        node,
        runtime,
        root,
    }
}

impl Detached {
    fn mapped<R>(&self, run: impl FnOnce(&mut Mapped<'_>) -> R) -> R {
        self.node.mapped(run).unwrap()
    }

    fn field(&self, name: &str) -> Value {
        let all: Value = serde_json::from_str(&self.node.dump().unwrap()).unwrap();
        all.get(name).unwrap_or_else(|| panic!("{name}")).clone()
    }

    fn set(&self, patch: Value) {
        self.mapped(|node| node.set(&patch.to_string())).unwrap();
    }

    fn sent(&self) -> Vec<Message> {
        self.node.take_sent().unwrap()
    }

    fn vote_request(&self, term: u64, last: (u64, u64), candidate: PeerId, reply: &str) {
        let request = VoteRequest {
            term: Term(term),
            last_term: Term(last.0),
            last_index: Index(last.1),
            candidate,
        };
        self.mapped(|node| node.process_vote_request(&request.encode(), reply))
            .unwrap();
    }

    fn acknowledge(&self, term: u64, index: u64, peer: PeerId) {
        let response = response(term, index, peer);
        self.mapped(|node| node.process_append_entry_response(&response, ""))
            .unwrap();
    }

    fn live(&self, frame: Bytes, reply: &str) {
        self.process(frame, reply, Origin::Live);
    }

    fn process(&self, frame: Bytes, reply: &str, origin: Origin) {
        self.mapped(|node| node.process_append_entry(frame, reply, origin))
            .unwrap();
    }
}

fn response(term: u64, index: u64, peer: PeerId) -> Bytes {
    let response = AppendEntryResponse {
        term: Term(term),
        index: Index(index),
        peer,
        success: true,
    };
    Bytes::copy_from_slice(&response.encode())
}

/// `AE(N0 t c @prev E)` of tests.md 1.2; without an entry when `data` is empty.
fn entry(term: u64, commit: u64, prev: (u64, u64), data: &[u8]) -> Bytes {
    let head = AppendEntryHead {
        leader: N0,
        term: Term(term),
        commit: Index(commit),
        prev_term: Term(prev.0),
        prev_index: Index(prev.1),
        leader_term: Term::ZERO,
    };
    let records = [(EntryType::Normal, data)];
    let count = usize::from(!data.is_empty());
    let message = AppendEntry::encode(head, records.into_iter().take(count)).unwrap();
    message.into_frame()
}

#[test]
fn fresh_node_has_the_state_the_reference_documents() {
    let node = open(LogKind::Memory);

    let expected = r#"{
        "id": "esFhDys3", "group": "TEST", "state": 0, "leaderState": false, "leader": "",
        "hasleader": false, "pleader": false, "term": 0, "vote": "", "pterm": 0, "pindex": 0,
        "commit": 0, "processed": 0, "applied": 0, "papplied": 0, "hcommit": 0, "aflr": 0,
        "bytes": 0, "csz": 1, "qn": 1, "peers": {"esFhDys3": {"ts": 0, "li": 0}},
        "removed": {}, "observed": {}, "progress": {}, "catchup": null, "membChange": null,
        "acks": {}, "pae": [], "initializing": true, "scaleUp": false, "observer": false,
        "paused": false, "managed": false, "quorumPaused": false, "lxfer": false,
        "maybeLeader": false, "lsut": 0, "werr": "", "vsubj": "$NRG.V.TEST",
        "asubj": "$NRG.AE.TEST", "psubj": "$NRG.P.TEST", "rpsubj": "$NRG.RP.TEST",
        "leadc": null, "prop": 0, "entry": 0, "resp": 0, "apply": 0, "reqs": 0, "votes": 0
    }"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(node.field(name), *value, "{name}");
    }
    assert_ne!(node.field("etlr"), json!(0));
    assert!(node.field("aesub").is_u64());
    assert!(node.sent().is_empty());
}

/// TestNRGUnsuccessfulVoteRequestCampaignEarly (2629).
#[test]
fn vote_request_of_a_worse_log_restarts_the_timer_unless_we_are_the_candidate_of_that_term() {
    let node = open(LogKind::Memory);
    let expect = |term: u64, vote: &str, timer_was_reset: bool| {
        let seen = (
            node.field("term"),
            node.field("vote"),
            node.field("etlr") != json!(0),
        );
        assert_eq!(seen, (json!(term), json!(vote), timer_was_reset));
        node.set(json!({"etlr": 0}));
    };

    node.set(json!({"etlr": 0}));
    node.vote_request(1, (0, 0), N0, "");
    expect(1, "S1Nunr6R", true);
    node.set(json!({"pterm": 1, "pindex": 100}));
    node.vote_request(2, (1, 2), N0, "");
    expect(2, "", true);
    node.set(json!({"pterm": 2, "pindex": 200}));
    node.mapped(|node| node.switch_to_candidate());
    expect(3, "", true);
    node.vote_request(4, (1, 2), N0, "");
    expect(4, "", true);
    node.set(json!({"pterm": 4, "pindex": 400}));
    node.mapped(|node| node.switch_to_candidate());
    expect(5, "", true);
    node.vote_request(5, (1, 2), N0, "");
    expect(5, "", false);
}

/// TestNRGRevalidateQuorumAfterLeaderChange (2664), and its setting in TestNRGQuorumAccounting.
#[test]
fn acknowledgements_end_with_the_leadership_they_were_given_to() {
    for log in [LogKind::Memory, LogKind::File] {
        let node = open(log);
        node.mapped(|node| node.add_peer(N1));
        node.mapped(|node| node.add_peer(N2));
        node.node.adjust_boot_cluster_size(5).unwrap();
        assert_eq!((node.field("csz"), node.field("qn")), (json!(5), json!(3)));

        node.set(json!({"term": 1}));
        node.mapped(|node| node.switch_to_leader());
        node.acknowledge(1, 1, N1);
        assert_eq!(node.field("acks"), json!({"1": 1}));
        node.mapped(|node| node.step_down_core(None));
        node.set(json!({"term": 6}));
        node.mapped(|node| node.switch_to_leader());
        node.acknowledge(6, 2, N2);

        assert_eq!(
            (node.field("commit"), node.field("acks")),
            (json!(0), json!({"2": 1}))
        );
        node.acknowledge(6, 2, N1);
        assert_eq!(
            (node.field("commit"), node.field("acks")),
            (json!(2), json!({}))
        );
    }
}

/// TestNRGIgnoreTrackResponseWhenNotLeader (2667).
#[test]
fn response_to_a_former_leader_is_not_tracked() {
    let node = open(LogKind::Memory);
    node.mapped(|node| node.add_peer(N1));
    node.set(json!({"lsut": 0, "term": 1}));
    node.mapped(|node| node.switch_to_leader());
    assert_eq!(
        (node.field("pindex"), node.field("commit")),
        (json!(1), json!(0))
    );

    node.mapped(|node| node.step_down_core(None));
    let tracked = node.mapped(|node| node.track_response(&response(1, 1, N0)));
    assert!(!tracked.unwrap());
    assert_eq!(
        (node.field("pterm"), node.field("commit")),
        (json!(1), json!(0))
    );
}

/// TestNRGLostQuorum (2690).
#[test]
fn candidate_played_with_an_answering_voter_becomes_leader() {
    let node = open(LogKind::Memory);
    node.mapped(|node| node.add_peer(N1));
    node.set(json!({"lsut": 0}));
    assert!(!node.node.status().quorum_live);
    assert!(node.mapped(|node| node.lost_quorum()));
    let voter = Voter {
        peer: N0,
        granted: true,
        empty: false,
    };
    node.node.auto_answer(Some(voter)).unwrap();
    node.mapped(|node| node.switch_to_candidate());
    node.mapped(|node| node.add_peer(N0));

    assert_eq!(node.node.run_as_candidate(HOUR), Ok(Role::Leader));

    assert!(node.node.status().quorum_live);
    assert!(!node.mapped(|node| node.lost_quorum()));
    assert_eq!(node.field("term"), json!(1));
}

/// TestNRGReportLeaderAfterNoopEntry (2692).
#[test]
fn leadership_is_reported_once_the_first_entry_is_applied() {
    for log in [LogKind::Memory, LogKind::File] {
        let node = open(log);
        node.mapped(|node| node.switch_to_candidate());
        assert_eq!(
            (node.field("state"), json!(node.node.is_leader())),
            (json!(2), json!(false))
        );

        node.mapped(|node| node.switch_to_leader());
        let seen = (
            node.field("state"),
            node.field("pindex"),
            json!(node.node.is_leader()),
        );
        assert_eq!(seen, (json!(1), json!(1), json!(false)));
        assert_eq!(node.field("commit"), json!(1));
        node.node.processed(Index(1), Index(1));

        assert_eq!(
            (node.field("applied"), json!(node.node.is_leader())),
            (json!(1), json!(true))
        );
        let change = node.node.take_lead_change().unwrap();
        assert_eq!((change.is_leader, change.term), (true, Term(1)));
    }
}

/// TestNRGSendAppendEntryNotLeader (2687).
#[test]
fn follower_sends_no_append_entry() {
    let node = open(LogKind::Memory);

    let empty = [Entry::normal(Bytes::new())];
    let refused = node.mapped(|node| node.send_append_entry(&empty));

    assert!(matches!(refused, Err(CallError::NotLeader)));
    assert_eq!(node.field("pindex"), json!(0));
    assert!(node.sent().is_empty());
}

/// TestNRGSwitchStateClearsQueues (2626), on a hand-made node.
#[test]
fn leaving_leadership_empties_proposals_and_responses() {
    let flags = DetachedFlags {
        no_log: true,
        no_transport: true,
    };
    let node = open_in(tempfile::tempdir().unwrap(), LogKind::File, flags);
    node.set(json!({"state": 1}));
    let nothing = Bytes::from_static(&[0; 25]);
    for queue in ["prop", "resp"] {
        let push = node.mapped(|node| node.queue_push(queue, nothing.clone(), "", Term::ZERO));
        push.unwrap();
    }
    assert_eq!(
        (node.field("prop"), node.field("resp")),
        (json!(1), json!(1))
    );

    node.mapped(|node| node.switch_state(Role::Follower));

    assert_eq!(
        (node.field("prop"), node.field("resp")),
        (json!(0), json!(0))
    );
    assert_eq!(node.field("peers"), json!({}));
}

/// TestNRGCatchupDontCountTowardQuorum (2666).
#[test]
fn catch_up_is_stored_silently_and_the_next_heartbeat_answered() {
    let node = open(LogKind::Memory);
    let (first, second) = (entry(1, 0, (0, 0), b"1"), entry(1, 0, (1, 1), b"2"));
    node.live(second.clone(), "$TEST");
    let handle = node.field("catchup")["sub"].as_u64().unwrap();
    let sent = node.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].reply.starts_with("$NRG.CR."));

    let catchup = Origin::Catchup(SubscriptionId(handle));
    node.process(first, "$TEST", catchup);
    node.process(second, "$TEST", catchup);
    assert!(node.sent().is_empty());
    node.live(entry(1, 0, (1, 2), b""), "$TEST");

    let sent = node.sent();
    assert_eq!(sent.len(), 1);
    let answer = AppendEntryResponse::decode(&sent[0].payload).unwrap();
    assert_eq!(
        (answer.success, answer.index.0, sent[0].reply.as_str()),
        (true, 2, "")
    );
    assert_eq!(node.field("catchup"), Value::Null);
}

#[test]
fn held_sync_holds_the_answer_and_its_release_sends_it() {
    let node = open(LogKind::File);
    node.node.hold_sync(true).unwrap();

    node.live(entry(1, 0, (0, 0), b"1"), "$TEST");

    assert!(node.sent().is_empty());
    assert_eq!(
        (node.field("pindex"), node.field("durable")),
        (json!(1), json!(0))
    );
    node.node.hold_sync(false).unwrap();
    assert_eq!(node.sent().len(), 1);
    assert_eq!(node.field("durable"), json!(1));
}

#[test]
fn restart_on_the_same_folder_finds_term_vote_and_log() {
    let node = open(LogKind::File);
    node.live(entry(1, 1, (0, 0), b"1"), "");
    node.vote_request(3, (1, 1), N1, "$TEST");
    let saved = node.node.read_term_vote().unwrap();
    assert_eq!((saved.term, saved.vote), (Term(3), Some(N1)));
    node.node.stop();
    assert!(node.node.wait_stopped(None));

    let node = open_in(node.root, LogKind::File, DetachedFlags::default());

    let seen = (
        node.field("term"),
        node.field("vote"),
        node.field("pindex"),
        node.field("commit"),
    );
    assert_eq!(seen, (json!(3), json!(N1.to_string()), json!(1), json!(1)));
    let entry = node.mapped(|node| node.load_entry(Index(1))).unwrap();
    assert_eq!(AppendEntry::decode(entry).unwrap().head.leader, N0);
}

/// TestNRGTruncateDownToCommittedWhenTruncateFails (2656).
#[test]
fn log_that_cannot_be_cut_closes_the_node_where_it_was() {
    let node = open(LogKind::Memory);
    node.mapped(|node| node.wal_fail_truncate());
    node.live(entry(1, 0, (0, 0), b"1"), "");
    node.live(entry(1, 1, (1, 1), b"2"), "");

    node.live(entry(2, 1, (1, 1), b"3"), "");

    let werr = node.field("werr");
    assert!(
        werr.as_str()
            .unwrap()
            .contains("test: truncate always fails"),
        "{werr}"
    );
    let seen = (
        node.field("pindex"),
        node.field("pterm"),
        node.field("state"),
    );
    assert_eq!(seen, (json!(2), json!(1), json!(3)));
}

/// The server cuts below its commit too; a white-box call may.
#[test]
fn reset_by_hand_goes_below_the_commit() {
    let node = open(LogKind::File);
    node.live(entry(1, 1, (0, 0), b"1"), "");
    assert_eq!(node.field("commit"), json!(1));

    node.mapped(|node| node.reset_wal());

    let seen = (
        node.field("pindex"),
        node.field("commit"),
        node.field("wal")["msgs"].clone(),
    );
    assert_eq!(seen, (json!(0), json!(0), json!(0)));
    assert_eq!(node.field("state"), json!(0));
}

#[test]
fn delete_stops_the_node_and_removes_its_folder() {
    let node = open(LogKind::File);
    let dir = node.root.path().join("TEST");
    assert!(dir.join("peers.idx").is_file());

    node.node.delete().unwrap();

    assert_eq!((node.field("state"), dir.exists()), (json!(3), false));
}

#[test]
fn played_leader_steps_down_once_its_peers_are_silent() {
    let node = open(LogKind::Memory);
    for peer in [N1, N2] {
        node.mapped(|node| node.add_peer(peer));
    }
    node.set(json!({"term": 1}));
    node.mapped(|node| node.switch_to_leader());
    let before = node.field("now").as_u64().unwrap();

    assert_eq!(node.node.run_as_leader(HOUR), Ok(Role::Follower));

    let passed = node.field("now").as_u64().unwrap() - before;
    assert!((5_000_000_000..6_000_000_000).contains(&passed), "{passed}");
    let heartbeats = node.sent().len();
    assert!(heartbeats > 90, "{heartbeats}");
}

#[test]
fn injected_message_waits_for_a_turn() {
    let node = open(LogKind::Memory);
    let vote = VoteResponse {
        term: Term(1),
        peer: N0,
        granted: true,
        empty: false,
    };

    let frame = entry(1, 0, (0, 0), b"1");
    assert!(node.mapped(|node| node.inject("$NRG.AE.TEST", "$TEST", frame)));
    assert!(!node.mapped(|node| node.inject("$NRG.AE.OTHER", "", Bytes::new())));
    let vote = Bytes::copy_from_slice(&vote.encode());
    node.mapped(|node| node.handle_vote_response(vote));
    assert_eq!(
        (node.field("entry"), node.field("votes")),
        (json!(1), json!(0))
    );
    node.node.turn().unwrap();

    assert_eq!(
        (node.field("entry"), node.field("pindex")),
        (json!(0), json!(1))
    );
    let applied = node.node.take_applied(8, usize::MAX);
    assert!(matches!(applied.as_slice(), [Committed::NilGuard]));
}

#[test]
fn every_writable_field_takes_a_value_and_shows_it() {
    let node = open(LogKind::Memory);
    let catchup = json!({
        "sub": 9, "cterm": 1, "cindex": 2, "pterm": 3, "pindex": 4, "active": 5, "signal": true,
    });
    let patch = json!({
        "id": N2.to_string(), "term": 8, "pterm": 7, "pindex": 6, "commit": 5, "processed": 4,
        "applied": 3, "papplied": 2, "hcommit": 1, "vote": N0.to_string(), "leader": N1.to_string(),
        "state": 2, "leaderState": true, "csz": 9, "qn": 5, "managed": true, "observer": true,
        "initializing": false, "scaleUp": true, "quorumPaused": true, "lsut": 11, "etlr": 12,
        "pae": [3, 4], "progress": {N0.to_string(): 7}, "removed": {N1.to_string(): 8},
        "catchup": catchup,
    });

    node.set(patch.clone());
    for (name, value) in patch.as_object().unwrap() {
        assert_eq!(node.field(name), *value, "{name}");
    }

    node.set(json!({"peers": {N0.to_string(): {"ts": 5, "li": 6}, SELF.to_string(): null}}));
    assert_eq!(
        node.field("peers"),
        json!({N0.to_string(): {"ts": 5, "li": 6}})
    );
    node.set(json!({"catchup": {"pindex": 40}}));
    assert_eq!(node.field("catchup")["pindex"], json!(40));
    node.set(json!({"catchup": null, "vote": "", "werr": "disk is gone"}));
    assert_eq!(
        (node.field("catchup"), node.field("vote")),
        (Value::Null, json!(""))
    );
    assert!(
        node.field("werr")
            .as_str()
            .unwrap()
            .contains("disk is gone")
    );
}

#[test]
fn unknown_and_read_only_names_and_bad_values_are_refused() {
    let node = open(LogKind::Memory);
    let set = |patch: &str| node.mapped(|node| node.set(patch)).unwrap_err();

    assert!(matches!(set(r#"{"nothing": 1}"#), CallError::Unknown(name) if name == "nothing"));
    assert!(matches!(set(r#"{"acks": {}}"#), CallError::ReadOnly(name) if name == "acks"));
    assert!(matches!(set(r#"{"term": "x"}"#), CallError::Value { .. }));
    assert!(matches!(set("[]"), CallError::Json { .. }));
    let unknown = node.mapped(|node| node.queue_push("nothing", Bytes::new(), "", Term::ZERO));
    assert!(matches!(unknown, Err(CallError::Unknown(_))));
    let cut_short = node.mapped(|node| node.process_append_entry_response(b"x", ""));
    assert!(matches!(cut_short, Err(CallError::Failed(_))));
}

#[test]
fn node_with_a_shard_has_no_hands_and_takes_white_box_calls_frozen_or_not() {
    let played = open(LogKind::Memory);
    let root = tempfile::tempdir().unwrap();
    Runtime::bootstrap(&config(&root, LogKind::Memory), &[SELF], true, 0, 0).unwrap();
    let network = crate::runtime::Transport::Loopback(crate::runtime::Loopback::new());
    let start = |config: NodeConfig| played.runtime.start(config, network.clone());
    let refused = start(config(&root, LogKind::Memory)).unwrap_err();
    assert!(matches!(refused, StartError::AlreadyRunning));
    let group = GroupName::new("DRIVEN").unwrap();
    let driven = NodeConfig::new(SELF, group, root.path());
    Runtime::bootstrap(&driven, &[SELF], true, 0, 0).unwrap();
    let node = start(driven).unwrap();

    assert_eq!(node.turn(), Err(HandsError::NotDetached));
    assert_eq!(node.hold_sync(true), Err(HandsError::NotDetached));
    node.freeze();
    node.mapped(|node| node.add_peer(N0)).unwrap();
    assert_eq!(node.status().cluster_size, 2);
    node.unfreeze();
}

#[test]
fn detached_node_needs_a_clock_that_its_test_moves() {
    let runtime = Runtime::open(RuntimeConfig::default()).unwrap();
    let root = tempfile::tempdir().unwrap();

    let flags = DetachedFlags::default();
    let refused = runtime.start_detached(config(&root, LogKind::Memory), flags);

    assert!(matches!(refused, Err(StartError::NeedsManualClock)));
}

#[test]
fn proposal_on_the_fast_path_reaches_the_queue_before_the_call_returns() {
    let node = open(LogKind::Memory);
    node.mapped(|node| node.switch_to_candidate());
    node.mapped(|node| node.switch_to_leader());

    node.node
        .propose(Term(1), Bytes::from_static(b"x"))
        .unwrap();

    assert_eq!(node.field("prop"), json!(1));
    let refused = node.node.propose(Term(2), Bytes::new());
    assert_eq!(refused, Err(ProposeError::NotLeader));
}

/// The write of a node waits for its permit, the node itself does not.
#[test]
fn write_without_a_permit_keeps_its_own_thread_only() {
    let node = open(LogKind::File);
    node.node.take_permits(true).unwrap();
    thread::scope(|threads| {
        let frame = entry(1, 0, (0, 0), b"1");
        let writer = threads.spawn(|| node.live(frame, "$TEST"));
        while node.field("pindex") == json!(0) {
            thread::yield_now();
        }
        assert_eq!(node.field("durable"), json!(0));
        assert!(!writer.is_finished());
        assert!(node.sent().is_empty());

        node.node.take_permits(false).unwrap();
        writer.join().unwrap();
    });

    assert_eq!(node.field("durable"), json!(1));
    assert_eq!(node.sent().len(), 1);
}

/// A name that a dump shows is either writable or known to be read-only.
#[test]
fn every_dumped_field_is_known_to_set() {
    let node = open(LogKind::Memory);
    let all: Value = serde_json::from_str(&node.node.dump().unwrap()).unwrap();

    for name in all.as_object().unwrap().keys() {
        let patch = json!({name.as_str(): {"x": []}}).to_string();
        let refused = node.mapped(|node| node.set(&patch));
        assert!(!matches!(refused, Err(CallError::Unknown(_))), "{name}");
    }
}
