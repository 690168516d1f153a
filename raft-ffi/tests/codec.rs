//! The golden vectors through the ABI: `nrg_test_codec` in both directions.

#![cfg(feature = "testing")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "slices and local places throughout"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod support;

use std::path::Path;
use std::ptr::null;

use natsraft::status::*;
use natsraft::testing::codec::*;
use serde_json::{Value, json};

/// One call, with a buffer of this size.
fn call(operation: u32, name: &str, input: &[u8], buffer: &mut [u8]) -> (i32, usize) {
    let mut needed = 0;
    let status = unsafe {
        nrg_test_codec(
            operation,
            name.as_ptr(),
            name.len(),
            null(),
            0,
            input.as_ptr(),
            input.len(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut needed,
        )
    };
    (status, needed)
}

/// Asks for the length, then for the result.
fn run(operation: u32, name: &str, input: &[u8]) -> Result<Vec<u8>, i32> {
    let (status, needed) = call(operation, name, input, &mut []);
    if status != NRG_STATUS_BUFFER_TOO_SMALL {
        return Err(status);
    }
    let mut buffer = vec![0; needed];
    assert_eq!(
        call(operation, name, input, &mut buffer),
        (NRG_STATUS_OK, needed)
    );
    Ok(buffer)
}

fn decode(name: &str, bytes: &[u8]) -> Result<Value, i32> {
    run(NRG_TEST_CODEC_DECODE, name, bytes).map(|text| serde_json::from_slice(&text).unwrap())
}

fn encode(name: &str, value: &Value) -> Result<Vec<u8>, i32> {
    run(NRG_TEST_CODEC_ENCODE, name, value.to_string().as_bytes())
}

fn vectors(file: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let text = std::fs::read(folder.join(file)).unwrap();
    let mut file: Value = serde_json::from_slice(&text).unwrap();
    let Value::Array(cases) = file["cases"].take() else {
        panic!("no cases")
    };
    assert!(!cases.is_empty());
    cases
}

fn bytes(case: &Value) -> Option<Vec<u8>> {
    let hex = case["hex"].as_str()?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap();
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).unwrap();
    Some(hex.chunks(2).map(pair).collect())
}

#[test]
fn malformed_input_gives_what_the_vectors_say() {
    let mut refused = 0;
    for case in vectors("malformed.json") {
        let (name, input) = (case["decoder"].as_str().unwrap(), bytes(&case).unwrap());
        let found = decode(name, &input);
        if case["accepted"] == json!(true) {
            assert_eq!(found, Ok(case["decoded"].clone()), "{}", case["name"]);
            continue;
        }
        refused += 1;
        let status = match case["error"].as_str() {
            Some("bad_append_entry") => NRG_STATUS_BAD_APPEND_ENTRY,
            Some("malformed") => NRG_STATUS_MALFORMED,
            Some("corrupt_peers") => NRG_STATUS_CORRUPT_PEERS,
            Some("snapshot_corrupt") => NRG_STATUS_SNAPSHOT_CORRUPT,
            // The server panics here; this engine says what is wrong.
            _ => found.clone().unwrap_err(),
        };
        assert_eq!(found, Err(status), "{}", case["name"]);
    }
    assert!(refused > 20);
}

#[test]
fn golden_fields_encode_to_the_golden_bytes_and_back() {
    let files = [
        ("append-entry.json", "append_entry"),
        ("append-entry-response.json", "append_entry_response"),
        ("vote-request.json", "vote_request"),
        ("vote-response.json", "vote_response"),
        ("peer-state.json", "peer_state"),
        ("term-vote.json", "term_vote"),
    ];
    for (file, name) in files {
        let mut compared = 0;
        for case in vectors(file) {
            let Some(expected) = bytes(&case) else {
                continue;
            };
            let decoded = decode(name, &expected).unwrap();
            if case.get("decode_only").is_some() {
                continue;
            }
            match encode(name, &case) {
                Ok(encoded) => {
                    assert_eq!(encoded, expected, "{}", case["name"]);
                    assert_eq!(encode(name, &decoded), Ok(expected), "{}", case["name"]);
                    compared += 1;
                }
                // The server fills an id up or cuts it off; here it is no id.
                Err(status) => {
                    assert_eq!(status, NRG_STATUS_BAD_PEER_ID, "{}", case["name"]);
                    assert!(has_odd_id(&case), "{}", case["name"]);
                }
            }
        }
        assert!(compared > 5, "{name}: {compared}");
    }
}

/// Whether an id of the case has another length than eight.
fn has_odd_id(case: &Value) -> bool {
    let peers = case["peers"].as_array().cloned().unwrap_or_default();
    let single = ["leader", "peer", "candidate", "vote"].map(|name| case[name].clone());
    peers
        .iter()
        .chain(&single)
        .any(|id| id.as_str().is_some_and(|id| id.len() != 8))
}

#[test]
fn values_the_reference_refuses_to_encode_are_refused_for_the_same_reason() {
    let refused: Vec<_> = vectors("append-entry.json")
        .into_iter()
        .filter_map(|case| Some((case["encode_error"].as_str()?.to_owned(), case)))
        .map(|(error, case)| (error, encode("append_entry", &case)))
        .collect();
    let expected = [
        ("too_many_entries", NRG_STATUS_TOO_MANY_ENTRIES),
        ("leader_len", NRG_STATUS_LEADER_LEN),
        ("leader_len", NRG_STATUS_LEADER_LEN),
        ("leader_len", NRG_STATUS_LEADER_LEN),
    ];
    assert_eq!(
        refused,
        expected.map(|(error, status)| (error.to_owned(), Err(status)))
    );
}

#[test]
fn snapshot_file_of_another_group_is_corrupt() {
    let fields = json!({ "last_term": 3, "last_index": 20, "peer_state_hex": "00", "data": "x" });
    let file = encode("snapshot_file", &fields).unwrap();
    let again = decode("snapshot_file", &file).unwrap();
    assert_eq!(again["data_hex"], json!("78"));
    assert_eq!(again["last_index"], json!(20));

    let (name, other, mut needed) = ("snapshot_file", "OTHER", 0);
    let status = unsafe {
        let (group, group_len) = (other.as_ptr(), other.len());
        let (input, input_len) = (file.as_ptr(), file.len());
        let (name, name_len) = (name.as_ptr(), name.len());
        let (none, len) = (std::ptr::null_mut(), &raw mut needed);
        nrg_test_codec(
            0, name, name_len, group, group_len, input, input_len, none, 0, len,
        )
    };
    assert_eq!(status, NRG_STATUS_SNAPSHOT_CORRUPT);
}

/// Steps 1 to 6 of the server's TestNRGAppendEntryEncode.
#[test]
fn append_entry_encode_checks_leader_and_count_and_leaves_a_small_buffer_alone() {
    let with_leader = |leader: &str| json!({ "leader": leader, "term": 1 });
    let encode_into = |value: &Value, buffer: &mut [u8]| {
        call(
            NRG_TEST_CODEC_ENCODE,
            "append_entry",
            value.to_string().as_bytes(),
            buffer,
        )
    };

    assert_eq!(
        encode("append_entry", &with_leader("ELEVEN_CHAR")),
        Err(NRG_STATUS_LEADER_LEN)
    );
    assert_eq!(
        support::last_error(),
        "raft: leader should be exactly 8 bytes"
    );
    assert!(encode("append_entry", &with_leader("")).is_ok());

    let good = with_leader("DEREK123");
    let mut small = [0; 32];
    assert_eq!(
        encode_into(&good, &mut small),
        (NRG_STATUS_BUFFER_TOO_SMALL, 43)
    );
    assert_eq!(small, [0; 32]);
    let mut large = [0; 64];
    assert_eq!(encode_into(&good, &mut large), (NRG_STATUS_OK, 43));
    assert_eq!(large[..8], *b"DEREK123");

    let entries = |count: u32| json!({ "leader": "DEREK123", "entries": [{ "count": count }] });
    assert!(encode("append_entry", &entries(65_535)).is_ok());
    assert_eq!(
        encode("append_entry", &entries(65_536)),
        Err(NRG_STATUS_TOO_MANY_ENTRIES)
    );
}

#[test]
fn node_ids_come_from_server_names() {
    let cases = vectors("node-id.json");
    for case in &cases {
        let fields = json!({ "server_name": case["server_name"].as_str().unwrap() });
        let id = encode("node_id", &fields).unwrap();
        assert_eq!(id, case["node_id"].as_str().unwrap().as_bytes(), "{case}");
    }
    assert!(cases.len() > 3);
}

#[test]
fn json_that_is_not_the_message_is_refused() {
    assert_eq!(decode("nonsense", b""), Err(NRG_STATUS_NOT_FOUND));
    assert_eq!(encode("nonsense", &json!({})), Err(NRG_STATUS_NOT_FOUND));
    assert_eq!(
        encode("vote_request", &json!([])),
        Err(NRG_STATUS_MALFORMED)
    );
    assert_eq!(
        encode("vote_request", &json!({ "term": -1 })),
        Err(NRG_STATUS_MALFORMED)
    );
    let long = json!({ "candidate": "NINE_BYTE" });
    assert_eq!(encode("vote_request", &long), Err(NRG_STATUS_BAD_PEER_ID));
    assert_eq!(
        encode("append_entry", &json!({ "leader_hex": "4" })),
        Err(NRG_STATUS_MALFORMED)
    );
    assert_eq!(
        call(2, "vote_request", b"", &mut []).0,
        NRG_STATUS_INVALID_ARGUMENT
    );
}
