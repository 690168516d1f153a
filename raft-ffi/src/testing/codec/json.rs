//! Messages and files as the JSON of the golden vectors.

use bytes::Bytes;
use raft_core::types::{Entry, EntryType, Index, PeerId, Term};
use raft_core::wire::{
    AppendEntry, AppendEntryHead, AppendEntryResponse, ChecksumKey, PeerState, SnapshotFile,
    TermVote, VoteRequest, VoteResponse, leader_from_text,
};
use serde_json::{Map, Value, json};

use crate::guard::Failure;
use crate::status::{NRG_STATUS_BAD_PEER_ID, NRG_STATUS_MALFORMED, NRG_STATUS_NOT_FOUND};

/// The JSON of some wire bytes.
pub(super) fn decode(name: &str, group: &str, input: &[u8]) -> Result<String, Failure> {
    let mut fields = Fields(Map::new());
    match name {
        "append_entry" => {
            let message = AppendEntry::decode(Bytes::copy_from_slice(input))?;
            let head = message.head;
            fields.id("leader", head.leader);
            fields.put("term", head.term.0);
            fields.put("commit", head.commit.0);
            fields.put("pterm", head.prev_term.0);
            fields.put("pindex", head.prev_index.0);
            fields.put("lterm", head.leader_term.0);
            let entries = message.entries().map(|record| {
                let data = to_hex(record.data);
                json!({ "type": record.kind.code(), "data_hex": data })
            });
            fields.put("entries", entries.collect::<Vec<_>>());
        }
        "append_entry_response" => {
            let message = AppendEntryResponse::decode(input)?;
            fields.put("term", message.term.0);
            fields.put("index", message.index.0);
            fields.id("peer", message.peer);
            fields.put("success", message.success);
        }
        "vote_request" => {
            let message = VoteRequest::decode(input)?;
            fields.put("term", message.term.0);
            fields.put("last_term", message.last_term.0);
            fields.put("last_index", message.last_index.0);
            fields.id("candidate", message.candidate);
        }
        "vote_response" => {
            let message = VoteResponse::decode(input)?;
            fields.put("term", message.term.0);
            fields.id("peer", message.peer);
            fields.put("granted", message.granted);
            fields.put("empty", message.empty);
        }
        "peer_state" => {
            let state = PeerState::decode(input)?;
            fields.put("cluster_size", state.cluster_size);
            let peers = state.peers.iter().map(|peer| to_hex(peer.as_bytes()));
            fields.put("peers_hex", peers.collect::<Vec<_>>());
            fields.put("domain_ext", state.domain_ext);
        }
        "snapshot_file" => {
            let key = ChecksumKey::of_text(group);
            let file = SnapshotFile::decode(Bytes::copy_from_slice(input), &key)?;
            fields.put("last_term", file.last_term.0);
            fields.put("last_index", file.last_index.0);
            fields.put("peer_state_hex", to_hex(&file.peer_state));
            fields.put("data_hex", to_hex(&file.data));
        }
        "term_vote" => {
            let file = TermVote::decode(input);
            fields.put("term", file.term.0);
            match file.vote {
                Some(vote) => fields.id("vote", vote),
                None => fields.put("vote", ""),
            }
        }
        other => return Err(unknown(other)),
    }
    Ok(Value::Object(fields.0).to_string())
}

/// The wire bytes of some JSON.
pub(super) fn encode(name: &str, group: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let value = serde_json::from_slice(input).map_err(|error| malformed(error.to_string()))?;
    let Value::Object(fields) = value else {
        return Err(malformed("not a JSON object"));
    };
    let fields = Fields(fields);
    Ok(match name {
        "append_entry" => {
            let head = AppendEntryHead {
                leader: leader_from_text(&fields.bytes("leader")?)?,
                term: Term(fields.number("term")?),
                commit: Index(fields.number("commit")?),
                prev_term: Term(fields.number("pterm")?),
                prev_index: Index(fields.number("pindex")?),
                leader_term: Term(fields.number("lterm")?),
            };
            AppendEntry::encode_entries(head, &fields.entries()?)?
                .into_frame()
                .to_vec()
        }
        "append_entry_response" => AppendEntryResponse {
            term: Term(fields.number("term")?),
            index: Index(fields.number("index")?),
            peer: fields.peer("peer")?,
            success: fields.flag("success")?,
        }
        .encode()
        .to_vec(),
        "vote_request" => VoteRequest {
            term: Term(fields.number("term")?),
            last_term: Term(fields.number("last_term")?),
            last_index: Index(fields.number("last_index")?),
            candidate: fields.peer("candidate")?,
        }
        .encode()
        .to_vec(),
        "vote_response" => VoteResponse {
            term: Term(fields.number("term")?),
            peer: fields.peer("peer")?,
            granted: fields.flag("granted")?,
            empty: fields.flag("empty")?,
        }
        .encode()
        .to_vec(),
        "peer_state" => PeerState {
            cluster_size: fields.small("cluster_size")?,
            peers: fields.peers()?,
            domain_ext: fields.small("domain_ext")?,
        }
        .encode()
        .to_vec(),
        "snapshot_file" => SnapshotFile {
            last_term: Term(fields.number("last_term")?),
            last_index: Index(fields.number("last_index")?),
            peer_state: fields.bytes("peer_state")?.into(),
            data: fields.bytes("data")?.into(),
        }
        .encode(&ChecksumKey::of_text(group))
        .to_vec(),
        "term_vote" => {
            let term = Term(fields.number("term")?);
            let has_vote = !fields.bytes("vote")?.is_empty();
            let vote = if has_vote {
                Some(fields.peer("vote")?)
            } else {
                None
            };
            TermVote { term, vote }.encode().to_vec()
        }
        "node_id" => {
            let name = fields.bytes("server_name")?;
            let name = str::from_utf8(&name).map_err(|error| malformed(error.to_string()))?;
            PeerId::from_server_name(name).as_bytes().to_vec()
        }
        other => return Err(unknown(other)),
    })
}

/// The fields of one message or file. A number that is absent is 0, bytes that are absent are none.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// An id as text if it is printable, else as hex under another name.
    fn id(&mut self, name: &str, id: PeerId) {
        let bytes = id.as_bytes();
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
                self.put(name, text);
            }
            _ => self.put(&format!("{name}_hex"), to_hex(bytes)),
        }
    }

    fn number(&self, name: &str) -> Result<u64, Failure> {
        match self.0.get(name) {
            None => Ok(0),
            Some(value) => value
                .as_u64()
                .ok_or_else(|| malformed(format!("{name} is no u64"))),
        }
    }

    fn small<T: TryFrom<u64>>(&self, name: &str) -> Result<T, Failure> {
        let number = self.number(name)?;
        T::try_from(number).map_err(|_| malformed(format!("{name} is {number}, too large")))
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.0.get(name) {
            None => Ok(false),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| malformed(format!("{name} is no bool"))),
        }
    }

    /// The bytes of a text, or of the hex under `<name>_hex`.
    fn bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let hex_name = format!("{name}_hex");
        match (self.0.get(name), self.0.get(&hex_name)) {
            (Some(Value::String(text)), None) => Ok(text.clone().into_bytes()),
            (None, Some(Value::String(hex))) => from_hex(hex, &hex_name),
            (None, None) => Ok(Vec::new()),
            _ => Err(malformed(format!("{name} is no text"))),
        }
    }

    fn peer(&self, name: &str) -> Result<PeerId, Failure> {
        to_peer(&self.bytes(name)?)
    }

    /// `peers` as texts or `peers_hex`.
    fn peers(&self) -> Result<Vec<PeerId>, Failure> {
        let list = |name: &str| self.0.get(name).and_then(Value::as_array);
        if let Some(peers) = list("peers") {
            let texts = peers.iter().map(|peer| peer.as_str().unwrap_or_default());
            return texts.map(|text| to_peer(text.as_bytes())).collect();
        }
        let peers = list("peers_hex").into_iter().flatten();
        let texts = peers.map(|peer| peer.as_str().unwrap_or_default());
        texts
            .map(|hex| to_peer(&from_hex(hex, "peers_hex")?))
            .collect()
    }

    /// The entries; one with a `count` stands for so many.
    fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        for value in self
            .0
            .get("entries")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Value::Object(fields) = value else {
                return Err(malformed("entry is no object"));
            };
            let fields = Self(fields.clone());
            let kind = EntryType::from_code(fields.small("type")?);
            let entry = Entry {
                kind,
                data: fields.bytes("data")?.into(),
            };
            let count = if fields.0.contains_key("count") {
                fields.small("count")?
            } else {
                1_u32
            };
            entries.extend(std::iter::repeat_n(entry, count as usize));
        }
        Ok(entries)
    }
}

fn to_peer(bytes: &[u8]) -> Result<PeerId, Failure> {
    PeerId::from_text(bytes)
        .map_err(|error| Failure::new(NRG_STATUS_BAD_PEER_ID, error.to_string()))
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn from_hex(hex: &str, name: &str) -> Result<Vec<u8>, Failure> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or_else(|| malformed(format!("{name} is no hex")))
}

fn malformed(text: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(NRG_STATUS_MALFORMED, text)
}

fn unknown(name: &str) -> Failure {
    Failure::new(NRG_STATUS_NOT_FOUND, format!("{name:?} is no decoder"))
}
