//! The program itself: every golden and malformed vector, and lines no vector would think of.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

#[path = "../../tests/golden/mod.rs"]
mod golden;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

use golden::{flag, frame, hex, id, name, put_id, text, u64_of, unhex};
use serde_json::{Map, Value, json};

fn nrg(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nrg"));
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs `nrg decode` over `input` to its end.
fn decode(input: Vec<u8>) -> Vec<Value> {
    let mut child = nrg(&["decode"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    writer.join().unwrap();

    assert!(
        status.success(),
        "{status} {}",
        String::from_utf8_lossy(&stderr)
    );
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    let lines = String::from_utf8(stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    lines
        .into_iter()
        .flat_map(|line| [line, "\n"])
        .collect::<String>()
        .into()
}

/// Takes the extra field out of an append entry's entries, and checks it.
fn without_lengths(mut answer: Value) -> Value {
    if let Some(entries) = answer.pointer_mut("/decoded/entries") {
        for entry in entries.as_array_mut().unwrap() {
            let length = entry.as_object_mut().unwrap().remove("length").unwrap();
            assert_eq!(
                length.as_u64(),
                Some(text(entry, "data_hex").len() as u64 / 2)
            );
        }
    }
    answer
}

#[test]
fn malformed_vectors_are_answered_as_they_say() {
    let cases = golden::cases("malformed.json");
    let input: Vec<_> = cases
        .iter()
        .map(|case| format!("{} {}", text(case, "decoder"), text(case, "hex")))
        .collect();
    let answers = decode(lines(input.iter().map(String::as_str)));

    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(answers) {
        let expected = match (flag(case, "accepted"), flag(case, "reference_panics")) {
            (true, _) => json!({ "accepted": true, "decoded": case["decoded"] }),
            (false, false) => json!({ "accepted": false, "error": case["error"] }),
            (false, true) => json!({ "accepted": false, "error": "snapshot_corrupt" }),
        };
        assert_eq!(without_lengths(answer), expected, "{}", name(case));
    }
}

/// The fields of a golden case that are plain values, as they are.
fn plain(case: &Value, fields: &[&str]) -> Map<String, Value> {
    fields
        .iter()
        .map(|field| ((*field).to_owned(), case[*field].clone()))
        .collect()
}

/// The fields and the id of a golden case as the program prints them.
fn with_id(case: &Value, fields: &[&str], id_field: &str) -> Value {
    let mut object = plain(case, fields);
    let mut bytes = id(case, id_field);
    // Only the leader of an append entry may be absent, which is eight zero bytes.
    bytes.resize(8, 0);
    put_id(&mut object, id_field, &bytes);
    object.into()
}

fn append_entry(case: &Value) -> Value {
    let mut entries = Vec::new();
    for entry in case["entries"].as_array().unwrap() {
        let data = golden::bytes(entry, "data_hex", "data_parts").unwrap();
        let count = entry.get("count").map_or(1, |_| u64_of(entry, "count"));
        let printed = json!({ "type": entry["type"], "data_hex": hex(&data) });
        entries.extend((0..count).map(|_| printed.clone()));
    }
    let mut value = with_id(
        case,
        &["term", "commit", "pterm", "pindex", "lterm"],
        "leader",
    );
    value["entries"] = entries.into();
    value
}

fn peer_state(case: &Value) -> Value {
    let mut object = plain(case, &["cluster_size", "domain_ext"]);
    let peers = match case.get("decoded_peers_hex") {
        Some(peers) => peers.clone(),
        None => {
            let peers = case["peers"].as_array().unwrap().iter();
            peers
                .map(|peer| hex(peer.as_str().unwrap().as_bytes()))
                .collect::<Vec<_>>()
                .into()
        }
    };
    object.insert("peers_hex".into(), peers);
    object.into()
}

fn snapshot_file(case: &Value) -> Value {
    let mut object = plain(case, &["last_term", "last_index", "peer_state_hex"]);
    let data = golden::bytes(case, "data_hex", "data_parts").unwrap();
    object.insert("data_hex".into(), hex(&data).into());
    object.into()
}

fn term_vote(case: &Value) -> Value {
    // Eight bytes are the vote, where the server would take more and crash later.
    let vote = text(case, "read_vote");
    json!({ "term": case["read_term"], "vote": vote.get(..8).unwrap_or_default() })
}

fn golden_vectors_are_printed(decoder: &str, file: &str, expected: impl Fn(&Value) -> Value) {
    let cases = golden::cases(file);
    let cases: Vec<_> = cases.iter().filter(|case| frame(case).is_some()).collect();
    let line = |case: &&Value| {
        let group = case["group"].as_str().unwrap_or_default();
        format!("{decoder} {} {group}", hex(&frame(case).unwrap()))
    };
    let input: Vec<_> = cases.iter().map(line).collect();
    let answers = decode(lines(input.iter().map(String::as_str)));

    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(answers) {
        let expected = json!({ "accepted": true, "decoded": expected(case) });
        assert_eq!(without_lengths(answer), expected, "{}", name(case));
    }
}

#[test]
fn golden_append_entries_are_printed_as_they_say() {
    golden_vectors_are_printed("append_entry", "append-entry.json", append_entry);
}

#[test]
fn golden_append_entry_responses_are_printed_as_they_say() {
    golden_vectors_are_printed(
        "append_entry_response",
        "append-entry-response.json",
        |case| with_id(case, &["term", "index", "success"], "peer"),
    );
}

#[test]
fn golden_votes_are_printed_as_they_say() {
    golden_vectors_are_printed("vote_request", "vote-request.json", |case| {
        with_id(case, &["term", "last_term", "last_index"], "candidate")
    });
    golden_vectors_are_printed("vote_response", "vote-response.json", |case| {
        with_id(case, &["term", "granted", "empty"], "peer")
    });
}

#[test]
fn golden_files_are_printed_as_they_say() {
    golden_vectors_are_printed("peer_state", "peer-state.json", peer_state);
    golden_vectors_are_printed("snapshot_file", "snapshot-file.json", snapshot_file);
    golden_vectors_are_printed("term_vote", "term-vote.json", term_vote);
}

#[test]
fn captured_traffic_is_accepted() {
    let traffic = golden::traffic();
    let framed = traffic
        .iter()
        .filter(|line| text(line, "kind") != "forwarded_proposal");
    let input: Vec<_> = framed
        .map(|line| {
            let kind = text(line, "kind");
            format!(
                "{} {}",
                kind.strip_prefix("catchup_").unwrap_or(kind),
                text(line, "hex")
            )
        })
        .collect();
    let answers = decode(lines(input.iter().map(String::as_str)));

    assert_eq!(answers.len(), 608);
    assert!(answers.iter().all(|answer| flag(answer, "accepted")));
}

#[test]
fn bad_lines_are_answered_and_end_nothing() {
    let refused = |error: &str| json!({ "accepted": false, "error": error });
    let vote = format!("0100000000000000{}", hex(b"S1Nunr6R"));

    let cases: Vec<(Vec<u8>, Value)> = vec![
        (b"".to_vec(), refused("unknown_decoder")),
        (b" ".to_vec(), refused("unknown_decoder")),
        (b"append_entr 00".to_vec(), refused("unknown_decoder")),
        (b"APPEND_ENTRY 00".to_vec(), refused("unknown_decoder")),
        (b"\xff\xfe\x80 00".to_vec(), refused("unknown_decoder")),
        (b"\0\0\0".to_vec(), refused("unknown_decoder")),
        (b"nonsense xyz".to_vec(), refused("unknown_decoder")),
        (b"append_entry 0".to_vec(), refused("bad_hex")),
        (b"append_entry 0g".to_vec(), refused("bad_hex")),
        (b"append_entry \xff\xff".to_vec(), refused("bad_hex")),
        (b"vote_request 0x00".to_vec(), refused("bad_hex")),
        (b"append_entry".to_vec(), refused("bad_append_entry")),
        (b"append_entry ".to_vec(), refused("bad_append_entry")),
        (b"vote_request ".to_vec(), refused("malformed")),
        (b"vote_response 00\r".to_vec(), refused("malformed")),
        (b"append_entry_response 00".to_vec(), refused("malformed")),
        (b"peer_state 00".to_vec(), refused("corrupt_peers")),
        (
            b"peer_state ffffffffffffffff".to_vec(),
            refused("corrupt_peers"),
        ),
        (
            b"snapshot_file 00 \xff\xff".to_vec(),
            refused("snapshot_corrupt"),
        ),
        (
            format!("term_vote {vote}").into(),
            json!({ "accepted": true, "decoded": { "term": 1, "vote": "S1Nunr6R" } }),
        ),
        (
            format!("term_vote {}\r", vote.to_uppercase()).into(),
            json!({ "accepted": true, "decoded": { "term": 1, "vote": "S1Nunr6R" } }),
        ),
    ];
    let input = cases
        .iter()
        .flat_map(|(line, _)| [line, &b"\n"[..]].concat())
        .collect();

    let expected: Vec<_> = cases.into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(decode(input), expected);
}

#[test]
fn last_line_needs_no_end_and_no_input_has_no_answers() {
    assert_eq!(decode(Vec::new()), Vec::<Value>::new());
    assert_eq!(decode(b"term_vote".to_vec()).len(), 1);
    assert_eq!(decode(b"\n\n\n".to_vec()).len(), 3);
}

#[test]
fn group_keys_the_checksum_of_a_snapshot() {
    let case = &golden::cases("snapshot-file.json")[0];
    assert_eq!(text(case, "group"), "TEST");
    let file = text(case, "hex");
    let input = format!(
        "snapshot_file {file}\nsnapshot_file {file} TEST\nsnapshot_file {file} OTHER\n\
         snapshot_file {file} \n"
    );

    let accepted: Vec<_> = decode(input.into())
        .iter()
        .map(|a| flag(a, "accepted"))
        .collect();
    assert_eq!(accepted, [true, true, false, true]);
}

/// Fuzz in small: damaged vectors and noise, a hundred lines of it for each vector.
#[test]
fn damaged_lines_are_each_answered_with_one_object() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut input = Vec::new();
    let mut count = 0;
    for case in golden::cases("malformed.json") {
        for _ in 0..100 {
            let mut frame = unhex(text(&case, "hex"));
            for _ in 0..random(4) {
                let at = random(frame.len() + 1);
                match random(3) {
                    0 => frame.insert(at, random(256) as u8),
                    1 => frame.truncate(at),
                    _ => frame
                        .iter_mut()
                        .skip(at)
                        .take(1)
                        .for_each(|byte| *byte = random(256) as u8),
                }
            }
            let mut line = format!("{} {}", text(&case, "decoder"), hex(&frame)).into_bytes();
            if random(10) == 0 {
                let at = random(line.len());
                line[at] = random(256) as u8;
            }
            line.retain(|byte| *byte != b'\n');
            input.extend_from_slice(&line);
            input.push(b'\n');
            count += 1;
        }
    }

    let classes = [
        "bad_append_entry",
        "malformed",
        "corrupt_peers",
        "snapshot_corrupt",
        "unknown_decoder",
        "bad_hex",
    ];
    let answers = decode(input);
    assert_eq!(answers.len(), count);
    for answer in &answers {
        if flag(answer, "accepted") {
            assert!(answer["decoded"].is_object(), "{answer}");
        } else {
            assert!(classes.contains(&text(answer, "error")), "{answer}");
        }
    }
    assert!(
        answers
            .iter()
            .filter(|answer| flag(answer, "accepted"))
            .count()
            > count / 20
    );
}

#[test]
fn answer_comes_while_input_stays_open() {
    let mut child = nrg(&["decode"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());

    for _ in 0..3 {
        stdin.write_all(b"term_vote 0100000000000000\n").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(
            line,
            "{\"accepted\":true,\"decoded\":{\"term\":1,\"vote\":\"\"}}\n"
        );
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn reader_that_leaves_early_is_no_error() {
    let mut child = nrg(&["decode"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The program may be gone before all of it is written.
    let _ = stdin.write_all(&b"term_vote\n".repeat(100_000));
    drop(stdin);

    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(
        status.success(),
        "{status} {}",
        String::from_utf8_lossy(&stderr)
    );
}

#[test]
fn help_is_printed_and_misuse_points_to_it() {
    let help = nrg(&["--help"]).output().unwrap();
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("decode"));

    let help = nrg(&["decode", "--help"]).output().unwrap();
    assert!(help.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("append_entry_response")
    );

    let version = nrg(&["--version"]).output().unwrap();
    assert_eq!(
        version.stdout,
        concat!("nrg ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()
    );

    for args in [&[][..], &["dcode"], &["decode", "file"], &["--decode"]] {
        let misuse = nrg(args).output().unwrap();
        assert_eq!(misuse.status.code(), Some(2), "{args:?}");
        assert!(
            String::from_utf8(misuse.stderr)
                .unwrap()
                .contains("nrg --help"),
            "{args:?}"
        );
        assert!(misuse.stdout.is_empty());
    }
}
