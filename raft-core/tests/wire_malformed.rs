//! Damaged messages: each row of the malformed vectors, and every message cut at every byte.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod golden;

use bytes::Bytes;
use golden::{flag, frame, hex, name, put_id, text};
use raft_core::types::{Entry, EntryType, Index, PeerId, Term};
use raft_core::wire::{
    AppendEntry, AppendEntryHead, AppendEntryResponse, ChecksumKey, DecodeError, PeerState,
    SnapshotFile, VoteRequest, VoteResponse,
};
use serde_json::{Value, json};

fn leader() -> PeerId {
    PeerId(*b"12345678")
}

/// What a decoder of the vectors makes of `bytes`, spelled as the vectors do.
fn decode(decoder: &str, bytes: Bytes) -> Result<Value, DecodeError> {
    let mut decoded = match decoder {
        "append_entry" => append_entry(bytes)?,
        "append_entry_response" => {
            let response = AppendEntryResponse::decode(&bytes)?;
            let mut value = json!({
                "term": response.term.0, "index": response.index.0, "success": response.success,
            });
            put_id(
                value.as_object_mut().unwrap(),
                "peer",
                response.peer.as_bytes(),
            );
            value
        }
        "vote_request" => {
            let request = VoteRequest::decode(&bytes)?;
            let mut value = json!({
                "term": request.term.0,
                "last_term": request.last_term.0,
                "last_index": request.last_index.0,
            });
            put_id(
                value.as_object_mut().unwrap(),
                "candidate",
                request.candidate.as_bytes(),
            );
            value
        }
        "vote_response" => {
            let response = VoteResponse::decode(&bytes)?;
            let mut value = json!({
                "term": response.term.0, "granted": response.granted, "empty": response.empty,
            });
            put_id(
                value.as_object_mut().unwrap(),
                "peer",
                response.peer.as_bytes(),
            );
            value
        }
        "peer_state" => {
            let state = PeerState::decode(&bytes)?;
            json!({
                "cluster_size": state.cluster_size,
                "peers_hex": state.peers.iter().map(|id| hex(&id.0)).collect::<Vec<_>>(),
                "domain_ext": state.domain_ext,
            })
        }
        "snapshot_file" => {
            let snapshot = SnapshotFile::decode(bytes, &ChecksumKey::of_text("TEST"))?;
            json!({
                "last_term": snapshot.last_term.0,
                "last_index": snapshot.last_index.0,
                "peer_state_hex": hex(&snapshot.peer_state),
                "data_hex": hex(&snapshot.data),
            })
        }
        other => panic!("unknown decoder {other}"),
    };
    decoded.sort_all_objects();
    Ok(decoded)
}

fn append_entry(bytes: Bytes) -> Result<Value, DecodeError> {
    let message = AppendEntry::decode(bytes)?;
    let entry = |entry: Entry| json!({ "type": entry.kind.code(), "data_hex": hex(&entry.data) });
    let mut value = json!({
        "term": message.head.term.0,
        "commit": message.head.commit.0,
        "pterm": message.head.prev_term.0,
        "pindex": message.head.prev_index.0,
        "lterm": message.head.leader_term.0,
        "entries": message.shared_entries().map(entry).collect::<Vec<_>>(),
    });
    put_id(
        value.as_object_mut().unwrap(),
        "leader",
        message.head.leader.as_bytes(),
    );
    Ok(value)
}

#[test]
fn malformed_vectors_decode_as_they_say() {
    let (mut taken, mut refused) = (0, 0);
    for case in golden::cases("malformed.json") {
        let result = decode(text(&case, "decoder"), frame(&case).unwrap().into());
        if flag(&case, "accepted") {
            assert_eq!(result.as_ref(), Ok(&case["decoded"]), "{}", name(&case));
            taken += 1;
        } else {
            let error = result.unwrap_err();
            // Where the server panics there is no class to compare, only the refusal.
            if !flag(&case, "reference_panics") {
                assert_eq!(error.class(), text(&case, "error"), "{}", name(&case));
            }
            refused += 1;
        }
    }
    assert!(taken > 20 && refused > 70, "{taken} {refused}");
}

#[test]
fn append_entry_cut_anywhere_before_its_trailer_is_corrupt() {
    let head = AppendEntryHead {
        leader: leader(),
        term: Term(7),
        ..Default::default()
    };
    let entries = [
        Entry::normal("hello"),
        Entry::normal(""),
        Entry::normal("bye"),
    ];
    let live = AppendEntry::encode_entries(head, &entries).unwrap();
    let whole = live.with_leader_term(Term(300));
    let body = live.frame().len() - 1;

    for len in 0..=whole.frame().len() {
        match AppendEntry::decode(whole.frame().slice(..len)) {
            Ok(cut) => {
                assert!(len >= body, "{len}");
                // A trailer of two bytes is nothing without its second.
                let leader_term = if len == body + 2 {
                    Term(300)
                } else {
                    Term::ZERO
                };
                assert_eq!(
                    cut.head,
                    AppendEntryHead {
                        leader_term,
                        ..head
                    },
                    "{len}"
                );
                assert!(cut.entries().eq(whole.entries()), "{len}");
            }
            Err(error) => {
                assert!(len < body, "{len}");
                assert_eq!(error.class(), "bad_append_entry");
                assert_eq!(error.to_string(), "raft: append entry corrupt");
            }
        }
    }
}

#[test]
fn messages_of_one_length_are_refused_at_every_other() {
    let response = AppendEntryResponse {
        term: Term(5),
        index: Index(6),
        peer: leader(),
        success: true,
    };
    let ask = VoteRequest {
        term: Term(5),
        last_term: Term(4),
        last_index: Index(3),
        candidate: leader(),
    };
    let vote = VoteResponse {
        term: Term(5),
        peer: leader(),
        granted: true,
        empty: false,
    };

    for (decoder, bytes) in [
        ("append_entry_response", response.encode().to_vec()),
        ("vote_request", ask.encode().to_vec()),
        ("vote_response", vote.encode().to_vec()),
    ] {
        let mut longer = bytes.clone();
        longer.extend_from_slice(&[0; 40]);
        for have in (0..longer.len()).filter(|&have| have != bytes.len()) {
            let refused = DecodeError::Length {
                need: bytes.len(),
                have,
            };
            let cut = Bytes::copy_from_slice(&longer[..have]);
            assert_eq!(decode(decoder, cut), Err(refused), "{decoder}");
        }
        assert!(decode(decoder, bytes.into()).is_ok(), "{decoder}");
    }
}

#[test]
fn snapshot_file_cut_or_extended_anywhere_is_corrupt() {
    let key = ChecksumKey::of_text("TEST");
    let peers = PeerState {
        cluster_size: 1,
        peers: vec![leader()],
        domain_ext: 0,
    };
    let snapshot = SnapshotFile {
        last_term: Term(3),
        last_index: Index(20),
        peer_state: peers.encode(),
        data: Bytes::from_static(b"state"),
    };
    let file = snapshot.encode(&key);

    for len in 0..file.len() {
        let cut = SnapshotFile::decode(file.slice(..len), &key);
        assert_eq!(cut, Err(DecodeError::SnapshotCorrupt), "{len}");
    }
    let mut longer = file.to_vec();
    longer.push(0);
    let longer = SnapshotFile::decode(longer.into(), &key);
    assert_eq!(longer, Err(DecodeError::SnapshotCorrupt));
    assert_eq!(SnapshotFile::decode(file, &key), Ok(snapshot));
}

/// The server's test of the decoder: most records a message can hold, then damage.
#[test]
fn nrg_append_entry_decode() {
    let head = AppendEntryHead {
        leader: leader(),
        term: Term(1),
        ..Default::default()
    };
    let entries = vec![Entry::normal(Bytes::new()); 65_535];
    let whole = AppendEntry::encode_entries(head, &entries)
        .unwrap()
        .into_frame();

    let cut = AppendEntry::decode(whole.slice(..whole.len() - 1025));
    assert_eq!(cut.unwrap_err().class(), "bad_append_entry");

    // The only bytes behind the fixed part that are not zero are sizes, and no size is zero.
    for record in (0..65_535).step_by(651) {
        let at = 42 + 5 * record;
        let mut bytes = whole.to_vec();
        assert_eq!(bytes[at], 1);
        bytes[at] = 0;
        let refused = DecodeError::BadAppendEntry { at };
        assert_eq!(AppendEntry::decode(bytes.into()), Err(refused));
    }
}

#[test]
fn nrg_append_entry_decode_truncated_entry_length() {
    let head = AppendEntryHead {
        leader: leader(),
        term: Term(1),
        ..Default::default()
    };
    let whole = AppendEntry::encode_entries(head, &[Entry::normal(Bytes::new())]).unwrap();

    let cut = AppendEntry::decode(whole.frame().slice(..44));
    assert_eq!(cut, Err(DecodeError::BadAppendEntry { at: 42 }));
}

#[test]
fn huge_record_size_is_refused_without_reserving_it() {
    let head = AppendEntryHead {
        leader: leader(),
        ..Default::default()
    };
    let whole = AppendEntry::encode_entries(head, &[Entry::normal("hello")]).unwrap();

    for size in [7, 8, 1 << 31, u32::MAX] {
        let mut bytes = whole.frame().to_vec();
        bytes[42..46].copy_from_slice(&size.to_le_bytes());
        // Seven covers the type, the data and the trailer's byte, so it still fits.
        let refused = AppendEntry::decode(bytes.into()).is_err();
        assert_eq!(refused, size > 7, "{size}");
    }
    assert_eq!(whole.entries().next().unwrap().kind, EntryType::Normal);
}
