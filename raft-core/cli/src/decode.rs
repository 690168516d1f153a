//! `nrg decode`: frames in hex in, JSON objects out, a line for a line.

use std::io::{self, BufRead, BufReader, Read, Write};

use bytes::Bytes;
use raft_core::wire::{
    AppendEntry, AppendEntryResponse, ChecksumKey, DecodeError, EntryRef, PeerState, SnapshotFile,
    TermVote, VoteRequest, VoteResponse,
};

use crate::hex;
use crate::json::{self, Object};

pub(crate) const HELP: &str = "\
Reads frames in hex from standard input and prints each as a JSON object.

Usage: nrg decode

Each line of input is `<decoder> <hex> [group]`, parted by single spaces; hex may
be empty. Decoders:
  append_entry, append_entry_response, vote_request, vote_response
                  the messages of a group
  peer_state      peers.idx, or the data of a peer state record
  snapshot_file   a file of the folder snapshots; its checksum is keyed with
                  [group], TEST if absent
  term_vote       tav.idx; never refused

Each line of output is
  {\"accepted\":true,\"decoded\":{...}}   or   {\"accepted\":false,\"error\":\"...\"}
where error is one of bad_append_entry, malformed, corrupt_peers,
snapshot_corrupt, unknown_decoder, bad_hex. An id is text when it is printable
ASCII, else the field is named <name>_hex. Answers are written as soon as no
further line is waiting. A bad line is answered like any other; it ends nothing.
";

/// The key text of a snapshot's checksum when the line names no group.
const DEFAULT_GROUP: &[u8] = b"TEST";
const INPUT_BUFFER_LEN: usize = 256 << 10;
/// Answers are handed over when they have grown to this.
const OUTPUT_BUFFER_LEN: usize = 64 << 10;

/// Answers every line of `input` on `output`.
///
/// # Errors
/// Those of reading and writing; nothing a line holds is one.
pub(crate) fn run(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::with_capacity(INPUT_BUFFER_LEN, input);
    let (mut line, mut answers) = (Vec::new(), Vec::new());
    loop {
        // About to wait for input: whoever wrote the lines so far may wait for the answers.
        let waiting = !input.buffer().contains(&b'\n');
        if waiting || answers.len() >= OUTPUT_BUFFER_LEN {
            output.write_all(&answers)?;
            output.flush()?;
            answers.clear();
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        answer(&line, &mut answers);
        answers.push(b'\n');
    }
}

/// Appends the answer to one line.
fn answer(line: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut object = Object::new(out);
    object.flag("accepted", true);
    let decoded = Object::new(object.field("decoded"));
    match decode(line, decoded) {
        Ok(()) => object.end(),
        Err(class) => {
            // A decoder may have begun to write before it met the fault.
            out.truncate(start);
            let mut object = Object::new(out);
            object.flag("accepted", false);
            object.word("error", class);
            object.end();
        }
    }
}

/// Writes what `line` holds, or says why it holds nothing.
fn decode(line: &[u8], out: Object<'_>) -> Result<(), &'static str> {
    let mut words = line.trim_ascii_end().splitn(3, |byte| *byte == b' ');
    let decoder = words.next().unwrap_or_default();
    let decoder = Decoder::of(decoder).ok_or("unknown_decoder")?;
    let frame = hex::decode(words.next().unwrap_or_default()).ok_or("bad_hex")?;
    let group = words
        .next()
        .filter(|group| !group.is_empty())
        .unwrap_or(DEFAULT_GROUP);
    decoder
        .run(frame.into(), group, out)
        .map_err(|error| error.class())
}

#[derive(Clone, Copy)]
enum Decoder {
    AppendEntry,
    AppendEntryResponse,
    VoteRequest,
    VoteResponse,
    PeerState,
    SnapshotFile,
    TermVote,
}

impl Decoder {
    const fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"append_entry" => Self::AppendEntry,
            b"append_entry_response" => Self::AppendEntryResponse,
            b"vote_request" => Self::VoteRequest,
            b"vote_response" => Self::VoteResponse,
            b"peer_state" => Self::PeerState,
            b"snapshot_file" => Self::SnapshotFile,
            b"term_vote" => Self::TermVote,
            _ => return None,
        })
    }

    fn run(self, frame: Bytes, group: &[u8], mut out: Object<'_>) -> Result<(), DecodeError> {
        match self {
            Self::AppendEntry => append_entry(frame, &mut out)?,
            Self::AppendEntryResponse => {
                let response = AppendEntryResponse::decode(&frame)?;
                out.number("term", response.term.0);
                out.number("index", response.index.0);
                out.id("peer", &response.peer);
                out.flag("success", response.success);
            }
            Self::VoteRequest => {
                let request = VoteRequest::decode(&frame)?;
                out.number("term", request.term.0);
                out.number("last_term", request.last_term.0);
                out.number("last_index", request.last_index.0);
                out.id("candidate", &request.candidate);
            }
            Self::VoteResponse => {
                let response = VoteResponse::decode(&frame)?;
                out.number("term", response.term.0);
                out.id("peer", &response.peer);
                out.flag("granted", response.granted);
                out.flag("empty", response.empty);
            }
            Self::PeerState => {
                let state = PeerState::decode(&frame)?;
                out.number("cluster_size", state.cluster_size);
                json::list(out.field("peers_hex"), state.peers.iter(), |peer, out| {
                    json::quoted_hex(peer.as_bytes(), out);
                });
                out.number("domain_ext", state.domain_ext);
            }
            Self::SnapshotFile => {
                let snapshot = SnapshotFile::decode(frame, &ChecksumKey::of_bytes(group))?;
                out.number("last_term", snapshot.last_term.0);
                out.number("last_index", snapshot.last_index.0);
                out.hex("peer_state_hex", &snapshot.peer_state);
                out.hex("data_hex", &snapshot.data);
            }
            Self::TermVote => {
                let file = TermVote::decode(&frame);
                out.number("term", file.term.0);
                match file.vote {
                    Some(vote) => out.id("vote", &vote),
                    None => out.word("vote", ""),
                }
            }
        }
        out.end();
        Ok(())
    }
}

fn append_entry(frame: Bytes, out: &mut Object<'_>) -> Result<(), DecodeError> {
    let message = AppendEntry::decode(frame)?;
    out.id("leader", &message.head.leader);
    out.number("term", message.head.term.0);
    out.number("commit", message.head.commit.0);
    out.number("pterm", message.head.prev_term.0);
    out.number("pindex", message.head.prev_index.0);
    out.number("lterm", message.head.leader_term.0);
    json::list(
        out.field("entries"),
        message.entries(),
        |EntryRef { kind, data }, out| {
            let mut entry = Object::new(out);
            entry.number("type", kind.code());
            entry.number("length", data.len() as u64);
            entry.hex("data_hex", data);
            entry.end();
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(line: &[u8]) -> String {
        let mut out = b"before ".to_vec();
        answer(line, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn accepted_frame_is_printed_field_by_field() {
        let frame = b"append_entry_response 0500000000000000060000000000000053314e756e72365201\n";

        let decoded = r#"{"term":5,"index":6,"peer":"S1Nunr6R","success":true}"#;
        let expected = format!(r#"before {{"accepted":true,"decoded":{decoded}}}"#);
        assert_eq!(answer_to(frame), expected);
    }

    #[test]
    fn refused_frame_leaves_nothing_half_written() {
        let refused = r#"before {"accepted":false,"error":"bad_append_entry"}"#;
        assert_eq!(answer_to(b"append_entry 00"), refused);
    }

    #[test]
    fn empty_hex_may_be_followed_by_a_group_or_by_nothing() {
        let refused = r#"before {"accepted":false,"error":"snapshot_corrupt"}"#;
        assert_eq!(answer_to(b"snapshot_file"), refused);
        assert_eq!(answer_to(b"snapshot_file \r\n"), refused);
        assert_eq!(answer_to(b"snapshot_file  GROUP\n"), refused);

        let blank = r#"before {"accepted":true,"decoded":{"term":0,"vote":""}}"#;
        assert_eq!(answer_to(b"term_vote \n"), blank);
    }

    #[test]
    fn answers_do_not_wait_for_the_end_of_input() {
        // Two reads: the second must find the first line answered.
        struct Input<'a>(&'a std::cell::RefCell<Vec<u8>>, u8);
        impl Read for Input<'_> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.1 += 1;
                if self.1 == 1 {
                    buf[..12].copy_from_slice(b"term_vote \nt");
                    return Ok(12);
                }
                assert!(self.0.borrow().ends_with(b"}\n"));
                Ok(0)
            }
        }
        struct Output<'a>(&'a std::cell::RefCell<Vec<u8>>);
        impl Write for Output<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.borrow_mut().write(buf)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let written = std::cell::RefCell::default();
        run(Input(&written, 0), Output(&written)).unwrap();
        assert_eq!(
            written
                .borrow()
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
            2
        );
    }
}
