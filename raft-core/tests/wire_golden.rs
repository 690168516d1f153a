//! The golden vectors, both ways: our bytes are the server's, and so are our values.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod golden;

use std::collections::BTreeMap;

use bytes::Bytes;
use golden::{flag, frame, hex, id, name, text, u64_of, unhex};
use raft_core::types::{Entry, EntryType, GroupName, Index, PeerId, Term};
use raft_core::wire::{
    AppendEntry, AppendEntryHead, AppendEntryResponse, ChecksumKey, DecodeError, EncodeError,
    GroupSubjects, PeerState, SnapshotFile, SnapshotName, TermVote, VoteRequest, VoteResponse,
    leader_from_text,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn peer(case: &Value, field: &str) -> PeerId {
    PeerId::from_text(&id(case, field)).unwrap()
}

fn append_entry_head(case: &Value, leader: PeerId) -> AppendEntryHead {
    AppendEntryHead {
        leader,
        term: Term(u64_of(case, "term")),
        commit: Index(u64_of(case, "commit")),
        prev_term: Term(u64_of(case, "pterm")),
        prev_index: Index(u64_of(case, "pindex")),
        leader_term: Term(u64_of(case, "lterm")),
    }
}

fn entries(case: &Value) -> Vec<Entry> {
    let mut entries = Vec::new();
    for entry in case["entries"].as_array().unwrap() {
        let kind = EntryType::from_code(u64_of(entry, "type").try_into().unwrap());
        let data = golden::bytes(entry, "data_hex", "data_parts").unwrap();
        check_digest(entry, "data_len", "data_sha256", &data);
        let count = entry.get("count").map_or(1, |_| u64_of(entry, "count"));
        let entry = Entry {
            kind,
            data: data.into(),
        };
        entries.extend((0..count).map(|_| entry.clone()));
    }
    entries
}

/// Long byte strings are put together from parts; the file says what must come out.
fn check_digest(case: &Value, len: &str, sha256: &str, bytes: &[u8]) {
    if case.get(sha256).is_some() {
        assert_eq!(bytes.len() as u64, u64_of(case, len));
        assert_eq!(hex(&Sha256::digest(bytes)), text(case, sha256));
    }
}

fn encode_append_entry(case: &Value) -> Result<AppendEntry, EncodeError> {
    let leader = match case.get("leader_hex") {
        Some(_) => peer(case, "leader"),
        None => leader_from_text(text(case, "leader").as_bytes())?,
    };
    AppendEntry::encode_entries(append_entry_head(case, leader), &entries(case))
}

#[test]
fn append_entries_encode_and_decode_as_the_server_does() {
    for case in golden::cases("append-entry.json") {
        let at = name(&case);
        let encoded = encode_append_entry(&case);
        if let Some(refused) = case["encode_error"].as_str() {
            assert_eq!(encoded.unwrap_err().class(), refused, "{at}");
            continue;
        }
        let (encoded, frame) = (encoded.unwrap(), frame(&case).unwrap());
        check_digest(&case, "len", "sha256", &frame);
        let decoded = AppendEntry::decode(frame.clone().into()).unwrap();

        assert_eq!(decoded.head, encoded.head, "{at}");
        assert_eq!(
            decoded.shared_entries().collect::<Vec<_>>(),
            entries(&case),
            "{at}"
        );
        assert!(encoded.entries().eq(decoded.entries()), "{at}");
        assert_eq!(decoded.frame(), &frame, "{at}");
        if !flag(&case, "decode_only") {
            assert_eq!(encoded.frame(), &frame, "{at}");
            assert_eq!(encoded, decoded, "{at}");
        }
    }
}

#[test]
fn append_entry_responses_encode_and_decode_as_the_server_does() {
    for case in golden::cases("append-entry-response.json") {
        let response = AppendEntryResponse {
            term: Term(u64_of(&case, "term")),
            index: Index(u64_of(&case, "index")),
            peer: peer(&case, "peer"),
            success: flag(&case, "success"),
        };
        let frame = frame(&case).unwrap();

        assert_eq!(
            AppendEntryResponse::decode(&frame),
            Ok(response),
            "{}",
            name(&case)
        );
        if !flag(&case, "decode_only") {
            assert_eq!(response.encode()[..], frame, "{}", name(&case));
        }
    }
}

#[test]
fn vote_requests_encode_and_decode_as_the_server_does() {
    for case in golden::cases("vote-request.json") {
        let request = VoteRequest {
            term: Term(u64_of(&case, "term")),
            last_term: Term(u64_of(&case, "last_term")),
            last_index: Index(u64_of(&case, "last_index")),
            candidate: peer(&case, "candidate"),
        };
        let frame = frame(&case).unwrap();

        assert_eq!(VoteRequest::decode(&frame), Ok(request), "{}", name(&case));
        assert_eq!(request.encode()[..], frame, "{}", name(&case));
    }
}

#[test]
fn vote_responses_encode_and_decode_as_the_server_does() {
    for case in golden::cases("vote-response.json") {
        let response = VoteResponse {
            term: Term(u64_of(&case, "term")),
            peer: peer(&case, "peer"),
            granted: flag(&case, "granted"),
            empty: flag(&case, "empty"),
        };
        let frame = frame(&case).unwrap();

        assert_eq!(
            VoteResponse::decode(&frame),
            Ok(response),
            "{}",
            name(&case)
        );
        // How a server before 2.12 reads what we send.
        assert_eq!(
            frame[16] == 1,
            flag(&case, "pre_2_12_granted"),
            "{}",
            name(&case)
        );
        if !flag(&case, "decode_only") {
            assert_eq!(response.encode()[..], frame, "{}", name(&case));
        }
    }
}

#[test]
fn peer_states_encode_and_decode_as_the_server_does() {
    for case in golden::cases("peer-state.json") {
        let peers = match case["decoded_peers_hex"].as_array() {
            Some(ids) => ids.iter().map(|id| unhex(id.as_str().unwrap())).collect(),
            None => {
                let ids = case["peers"].as_array().unwrap().iter();
                ids.map(|id| id.as_str().unwrap().into())
                    .collect::<Vec<Vec<u8>>>()
            }
        };
        let state = PeerState {
            cluster_size: u64_of(&case, "cluster_size").try_into().unwrap(),
            peers: peers
                .iter()
                .map(|id| PeerId::from_text(id).unwrap())
                .collect(),
            domain_ext: u64_of(&case, "domain_ext").try_into().unwrap(),
        };
        let frame = frame(&case).unwrap();

        assert_eq!(
            PeerState::decode(&frame).as_ref(),
            Ok(&state),
            "{}",
            name(&case)
        );
        if !flag(&case, "decode_only") {
            assert_eq!(state.encode(), frame, "{}", name(&case));
        }
    }
}

#[test]
fn term_and_vote_files_read_and_write_as_the_server_does() {
    for case in golden::cases("term-vote.json") {
        let frame = frame(&case).unwrap_or_default();
        let read = TermVote::decode(&frame);
        // Where the server takes more than eight bytes for a vote it crashes later; we do not.
        let vote = text(&case, "read_vote").as_bytes();
        let vote = vote.get(..8).map(|id| PeerId::from_text(id).unwrap());
        let expected = TermVote {
            term: Term(u64_of(&case, "read_term")),
            vote,
        };

        assert_eq!(read, expected, "{}", name(&case));
        let written = case.get("vote").map(|vote| vote.as_str().unwrap().len());
        if let Some(0 | 8) = written {
            assert_eq!(read.encode(), frame, "{}", name(&case));
        }
    }
}

#[test]
fn snapshot_files_encode_and_decode_as_the_server_does() {
    for case in golden::cases("snapshot-file.json") {
        let key = ChecksumKey::of_group(&GroupName::new(text(&case, "group")).unwrap());
        let data = golden::bytes(&case, "data_hex", "data_parts").unwrap();
        check_digest(&case, "data_len", "data_sha256", &data);
        let snapshot = SnapshotFile {
            last_term: Term(u64_of(&case, "last_term")),
            last_index: Index(u64_of(&case, "last_index")),
            peer_state: unhex(text(&case, "peer_state_hex")).into(),
            data: data.into(),
        };
        let file = Bytes::from(frame(&case).unwrap());
        check_digest(&case, "len", "sha256", &file);

        let sum = file
            .last_chunk()
            .map(|sum| u64::from_le_bytes(*sum))
            .unwrap();
        assert_eq!(
            hex(&sum.to_le_bytes()),
            text(&case, "checksum_hex"),
            "{}",
            name(&case)
        );
        assert_eq!(
            key.checksum(&file[..file.len() - 8]),
            sum,
            "{}",
            name(&case)
        );
        assert_eq!(snapshot.encode(&key), file, "{}", name(&case));
        let named = SnapshotName {
            term: snapshot.last_term,
            index: snapshot.last_index,
        };
        assert_eq!(
            SnapshotFile::decode(file, &key),
            Ok(snapshot),
            "{}",
            name(&case)
        );
        assert_eq!(
            named.to_string(),
            text(&case, "file_name"),
            "{}",
            name(&case)
        );
    }
}

#[test]
fn snapshot_file_of_another_group_is_corrupt() {
    let case = &golden::cases("snapshot-file.json")[0];
    let file = Bytes::from(frame(case).unwrap());

    let read = SnapshotFile::decode(file, &ChecksumKey::of_text("ANOTHER"));
    assert_eq!(read, Err(DecodeError::SnapshotCorrupt));
}

#[test]
fn snapshot_names_parse_as_the_server_does() {
    let file = golden::load("snapshot-file.json");
    let names = file["file_names"].as_array().unwrap();
    assert_eq!(names.len(), 19);
    for case in names {
        let expected = flag(case, "accepted").then(|| SnapshotName {
            term: Term(u64_of(case, "term")),
            index: Index(u64_of(case, "index")),
        });
        assert_eq!(
            SnapshotName::parse(text(case, "file_name")),
            expected,
            "{case}"
        );
    }
}

#[test]
fn checksums_are_the_servers_for_each_length() {
    for case in golden::cases("highwayhash64.json") {
        let input: Vec<u8> = (0..u64_of(&case, "input_len")).map(|at| at as u8).collect();
        let sum = ChecksumKey::of_text(text(&case, "key_text")).checksum(&input);

        assert_eq!(sum, u64_of(&case, "hash_u64"), "{}", name(&case));
        assert_eq!(
            hex(&sum.to_le_bytes()),
            text(&case, "hash_bytes_hex"),
            "{}",
            name(&case)
        );
    }
}

#[test]
fn peer_ids_are_made_from_server_names_as_the_server_does() {
    for case in golden::cases("node-id.json") {
        let peer = PeerId::from_server_name(text(&case, "server_name"));
        assert_eq!(
            peer.as_bytes(),
            text(&case, "node_id").as_bytes(),
            "{}",
            name(&case)
        );
    }
}

/// What a captured message is encoded to again from its decoded fields.
fn through_fields(kind: &str, frame: &Bytes) -> Bytes {
    match kind {
        "vote_request" => VoteRequest::decode(frame).unwrap().encode().to_vec().into(),
        "vote_response" => VoteResponse::decode(frame)
            .unwrap()
            .encode()
            .to_vec()
            .into(),
        "append_entry_response" => AppendEntryResponse::decode(frame)
            .unwrap()
            .encode()
            .to_vec()
            .into(),
        "append_entry" | "catchup_append_entry" => {
            let decoded = AppendEntry::decode(frame.clone()).unwrap();
            for entry in decoded
                .entries()
                .filter(|entry| entry.kind == EntryType::PeerState)
            {
                assert_eq!(PeerState::decode(entry.data).unwrap().encode(), entry.data);
            }
            let entries: Vec<_> = decoded.shared_entries().collect();
            let encoded = AppendEntry::encode_entries(decoded.head, &entries).unwrap();
            assert_eq!(encoded, decoded);
            encoded.into_frame()
        }
        // The data of one normal entry without a frame of its own.
        "forwarded_proposal" => Entry::normal(frame.clone()).data,
        other => panic!("unknown kind {other}"),
    }
}

/// The subject a message of `kind` is sent to; for inboxes, their prefix.
fn subject_of(kind: &str, group: &str) -> String {
    let subjects = GroupSubjects::of(&GroupName::new(group).unwrap());
    match kind {
        "vote_request" => subjects.vote.to_string(),
        "append_entry" => subjects.append_entry.to_string(),
        "forwarded_proposal" => subjects.proposal.to_string(),
        "catchup_append_entry" => "$NRG.CR.".into(),
        _ => "$NRG.R.".into(),
    }
}

#[test]
fn captured_traffic_encodes_to_the_same_bytes() {
    let mut seen = BTreeMap::new();
    for line in golden::traffic() {
        let (kind, subject) = (text(&line, "kind"), text(&line, "subject"));
        let frame = Bytes::from(unhex(text(&line, "hex")));
        assert_eq!(frame.len() as u64, u64_of(&line, "len"), "{line}");

        assert_eq!(through_fields(kind, &frame), frame, "{line}");
        assert!(
            subject.starts_with(&subject_of(kind, text(&line, "group"))),
            "{line}"
        );
        *seen.entry(kind.to_owned()).or_insert(0) += 1;
    }

    let kinds = serde_json::to_value(&seen).unwrap();
    let capture = golden::load("traffic/traffic.json");
    assert_eq!(kinds, capture["kinds"]);
    assert_eq!(
        seen.values().sum::<u64>(),
        u64_of(&capture, "kept_messages")
    );
}
