//! The calls, fields and seams the suites behind the boundary rest on.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Detached, DetachedFlags, Origin};
use crate::config::{NodeConfig, Timing};
use crate::node::CallError;
use crate::storage::LogKind;
use crate::types::{EntryType, GroupName, Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryHead, AppendEntryResponse, VoteRequest, VoteResponse};
use bytes::Bytes;

const SELF: PeerId = PeerId(*b"esFhDys3");
const N0: PeerId = PeerId(*b"S1Nunr6R");
const N1: PeerId = PeerId(*b"yrzKKRBu");
const N2: PeerId = PeerId(*b"cnrtt3eg");

struct Node {
    core: Detached,
    root: TempDir,
}

fn config(root: &TempDir, log: LogKind) -> NodeConfig {
    let group = GroupName::new("TEST").unwrap();
    NodeConfig {
        log,
        ..NodeConfig::new(SELF, group, root.path())
    }
}

fn open(log: LogKind) -> Node {
    let root = tempfile::tempdir().unwrap();
    let timing = Timing::reference_tests();
    let core = Detached::open(config(&root, log), timing, DetachedFlags::default()).unwrap();
    Node { core, root }
}

impl Node {
    fn call(&self, name: &str, args: Value) -> Value {
        let text = self.core.call(name, &args.to_string()).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn field(&self, name: &str) -> Value {
        let all: Value = serde_json::from_str(&self.core.dump()).unwrap();
        all.get(name).unwrap_or_else(|| panic!("{name}")).clone()
    }

    fn set(&self, patch: Value) {
        self.core.set(&patch.to_string()).unwrap();
    }

    fn vote_request(&self, term: u64, last: (u64, u64), candidate: PeerId, reply: &str) {
        let request = VoteRequest {
            term: Term(term),
            last_term: Term(last.0),
            last_index: Index(last.1),
            candidate,
        };
        let frame = Bytes::copy_from_slice(&request.encode());
        self.core.deliver_vote_request(frame, reply);
    }

    fn acknowledge(&self, term: u64, index: u64, peer: PeerId) {
        let response = response(term, index, peer);
        self.core.deliver_response(response, "");
    }

    fn live(&self, frame: Bytes, reply: &str) {
        self.core.deliver_append_entry(Origin::Live, frame, reply);
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
    assert!(node.core.take_sent().is_empty());
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
    node.call("switch_to_candidate", json!([]));
    expect(3, "", true);
    node.vote_request(4, (1, 2), N0, "");
    expect(4, "", true);
    node.set(json!({"pterm": 4, "pindex": 400}));
    node.call("switch_to_candidate", json!([]));
    expect(5, "", true);
    node.vote_request(5, (1, 2), N0, "");
    expect(5, "", false);
}

/// TestNRGRevalidateQuorumAfterLeaderChange (2664), and its setting in TestNRGQuorumAccounting.
#[test]
fn acknowledgements_end_with_the_leadership_they_were_given_to() {
    for log in [LogKind::Memory, LogKind::File] {
        let node = open(log);
        node.call("add_peer", json!([N1.to_string()]));
        node.call("add_peer", json!([N2.to_string()]));
        node.call("adjust_boot_cluster_size", json!([5]));
        assert_eq!((node.field("csz"), node.field("qn")), (json!(5), json!(3)));

        node.set(json!({"term": 1}));
        node.call("switch_to_leader", json!([]));
        node.acknowledge(1, 1, N1);
        assert_eq!(node.field("acks"), json!({"1": 1}));
        node.call("step_down_core", json!([""]));
        node.set(json!({"term": 6}));
        node.call("switch_to_leader", json!([]));
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
    node.call("add_peer", json!([N1.to_string()]));
    node.set(json!({"lsut": 0, "term": 1}));
    node.call("switch_to_leader", json!([]));
    assert_eq!(
        (node.field("pindex"), node.field("commit")),
        (json!(1), json!(0))
    );

    node.call("step_down_core", json!([]));
    let hex: String = response(1, 1, N0)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();

    assert_eq!(node.call("track_response", json!([hex])), json!(false));
    assert_eq!(
        (node.field("pterm"), node.field("commit")),
        (json!(1), json!(0))
    );
}

/// TestNRGLostQuorum (2690).
#[test]
fn candidate_played_with_an_answering_voter_becomes_leader() {
    let node = open(LogKind::Memory);
    node.call("add_peer", json!([N1.to_string()]));
    node.set(json!({"lsut": 0}));
    assert_eq!(node.call("quorum", json!([])), json!(false));
    assert_eq!(node.call("lost_quorum", json!([])), json!(true));
    node.call("auto_answer", json!([{"peer": N0.to_string()}]));
    node.call("switch_to_candidate", json!([]));
    node.call("add_peer", json!([N0.to_string()]));

    assert_eq!(node.call("run_as_candidate", json!([])), json!(1));

    assert_eq!(node.call("quorum", json!([])), json!(true));
    assert_eq!(node.call("lost_quorum", json!([])), json!(false));
    assert_eq!(node.field("term"), json!(1));
}

/// TestNRGReportLeaderAfterNoopEntry (2692).
#[test]
fn leadership_is_reported_once_the_first_entry_is_applied() {
    for log in [LogKind::Memory, LogKind::File] {
        let node = open(log);
        node.call("switch_to_candidate", json!([]));
        assert_eq!(
            (node.field("state"), node.call("leader", json!([]))),
            (json!(2), json!(false))
        );

        node.call("switch_to_leader", json!([]));
        let seen = (
            node.field("state"),
            node.field("pindex"),
            node.call("leader", json!([])),
        );
        assert_eq!(seen, (json!(1), json!(1), json!(false)));
        assert_eq!(node.field("commit"), json!(1));
        node.call("applied", json!([1]));

        assert_eq!(
            (node.field("applied"), node.call("leader", json!([]))),
            (json!(1), json!(true))
        );
        assert_eq!(
            node.call("lead_change_c", json!([])),
            json!({"isLeader": true, "term": 1})
        );
    }
}

/// TestNRGSendAppendEntryNotLeader (2687).
#[test]
fn follower_sends_no_append_entry() {
    let node = open(LogKind::Memory);

    let refused = node
        .core
        .call("send_append_entry", r#"[[{"type":0,"data":""}]]"#);

    assert!(matches!(refused, Err(CallError::NotLeader)));
    assert_eq!(node.field("pindex"), json!(0));
    assert!(node.core.take_sent().is_empty());
}

/// TestNRGSwitchStateClearsQueues (2626), on a hand-made node.
#[test]
fn leaving_leadership_empties_proposals_and_responses() {
    let root = tempfile::tempdir().unwrap();
    let flags = DetachedFlags {
        no_log: true,
        no_transport: true,
    };
    let timing = Timing::reference_tests();
    let core = Detached::open(config(&root, LogKind::File), timing, flags).unwrap();
    let node = Node { core, root };
    node.set(json!({"state": 1}));
    node.call("queue_push", json!(["prop", "", 0]));
    node.call("queue_push", json!(["resp", "00".repeat(25)]));
    assert_eq!(
        (node.field("prop"), node.field("resp")),
        (json!(1), json!(1))
    );

    node.call("switch_state", json!([0]));

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
    let sent = node.core.take_sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].reply.starts_with("$NRG.CR."));

    let catchup = Origin::Catchup(handle);
    node.core.deliver_append_entry(catchup, first, "$TEST");
    node.core.deliver_append_entry(catchup, second, "$TEST");
    assert!(node.core.take_sent().is_empty());
    node.live(entry(1, 0, (1, 2), b""), "$TEST");

    let sent = node.core.take_sent();
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
    node.core.hold_sync(true);

    node.live(entry(1, 0, (0, 0), b"1"), "$TEST");

    assert!(node.core.take_sent().is_empty());
    assert_eq!(
        (node.field("pindex"), node.field("durable")),
        (json!(1), json!(0))
    );
    node.core.hold_sync(false);
    assert_eq!(node.core.take_sent().len(), 1);
    assert_eq!(node.field("durable"), json!(1));
}

#[test]
fn restart_on_the_same_folder_finds_term_vote_and_log() {
    let node = open(LogKind::File);
    node.live(entry(1, 1, (0, 0), b"1"), "");
    node.vote_request(3, (1, 1), N1, "$TEST");
    let saved = json!({"term": 3, "vote": N1.to_string()});
    assert_eq!(node.call("read_term_vote", json!([])), saved);
    let Node { core, root } = node;
    drop(core);

    let timing = Timing::reference_tests();
    let again = Detached::open(
        config(&root, LogKind::File),
        timing,
        DetachedFlags::default(),
    );
    let node = Node {
        core: again.unwrap(),
        root,
    };

    let seen = (
        node.field("term"),
        node.field("vote"),
        node.field("pindex"),
        node.field("commit"),
    );
    assert_eq!(seen, (json!(3), json!(N1.to_string()), json!(1), json!(1)));
    assert_eq!(
        node.call("load_entry", json!([1]))["leader"],
        json!(N0.to_string())
    );
}

/// TestNRGTruncateDownToCommittedWhenTruncateFails (2656).
#[test]
fn log_that_cannot_be_cut_closes_the_node_where_it_was() {
    let node = open(LogKind::Memory);
    node.call("wal_fail_truncate", json!([]));
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

    node.call("reset_wal", json!([]));

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

    node.call("delete", json!([]));

    assert_eq!((node.field("state"), dir.exists()), (json!(3), false));
}

#[test]
fn played_leader_steps_down_once_its_peers_are_silent() {
    let node = open(LogKind::Memory);
    for peer in [N1, N2] {
        node.call("add_peer", json!([peer.to_string()]));
    }
    node.set(json!({"term": 1}));
    node.call("switch_to_leader", json!([]));
    let before = node.field("now").as_u64().unwrap();

    assert_eq!(node.call("run_as_leader", json!([])), json!(0));

    let passed = node.field("now").as_u64().unwrap() - before;
    assert!((5_000_000_000..6_000_000_000).contains(&passed), "{passed}");
    let heartbeats = node.core.take_sent().len();
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

    assert_eq!(
        node.core
            .inject("$NRG.AE.TEST", "$TEST", entry(1, 0, (0, 0), b"1")),
        1
    );
    assert_eq!(node.core.inject("$NRG.AE.OTHER", "", Bytes::new()), 0);
    node.core
        .deliver_vote_response(Bytes::copy_from_slice(&vote.encode()));
    assert_eq!(
        (node.field("entry"), node.field("votes")),
        (json!(1), json!(0))
    );
    node.call("turn", json!([]));

    assert_eq!(
        (node.field("entry"), node.field("pindex")),
        (json!(0), json!(1))
    );
    assert_eq!(node.call("apply_q", json!([])), json!(["nil"]));
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
    let set = |patch: &str| node.core.set(patch).unwrap_err();
    let call = |name: &str, args: &str| node.core.call(name, args).unwrap_err();

    assert!(matches!(set(r#"{"nothing": 1}"#), CallError::Unknown(name) if name == "nothing"));
    assert!(matches!(set(r#"{"acks": {}}"#), CallError::ReadOnly(name) if name == "acks"));
    assert!(matches!(set(r#"{"term": "x"}"#), CallError::Value { .. }));
    assert!(matches!(set("[]"), CallError::Json { .. }));
    assert!(matches!(call("nothing", ""), CallError::Unknown(_)));
    assert!(matches!(
        call("recreate_internal_subs", "[]"),
        CallError::NotYet(_)
    ));
    assert!(matches!(
        call("add_peer", "[]"),
        CallError::Argument { at: 0, .. }
    ));
    assert!(matches!(call("add_peer", "{}"), CallError::Json { .. }));
    assert!(matches!(
        call("propose", r#"[1, ""]"#),
        CallError::Propose(_)
    ));
}

/// A name that a dump shows is either writable or known to be read-only.
#[test]
fn every_dumped_field_is_known_to_set() {
    let node = open(LogKind::Memory);
    let all: Value = serde_json::from_str(&node.core.dump()).unwrap();

    for name in all.as_object().unwrap().keys() {
        let refused = node
            .core
            .set(&json!({name.as_str(): {"x": []}}).to_string());
        assert!(!matches!(refused, Err(CallError::Unknown(_))), "{name}");
    }
}
