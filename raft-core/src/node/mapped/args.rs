//! Arguments of calls by name, and hexadecimal text.

use bytes::Bytes;
use serde_json::Value;

use super::{CallError, Origin, PeerId, PeerState, Role, Subject, SubscriptionId};
use crate::types::{Entry, EntryType, Index, Term};

/// The arguments of one call, by position.
pub(super) struct Args(Vec<Value>);

impl Args {
    pub(super) fn parse(json: &str) -> Result<Self, CallError> {
        if json.is_empty() {
            return Ok(Self(Vec::new()));
        }
        serde_json::from_str(json)
            .map(Self)
            .map_err(|error| CallError::Json {
                want: "array",
                why: error.to_string(),
            })
    }

    pub(super) const fn refused(at: usize, want: &'static str) -> CallError {
        CallError::Argument { at, want }
    }

    fn take<'a, T>(
        &'a self,
        at: usize,
        want: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, CallError> {
        self.0
            .get(at)
            .and_then(read)
            .ok_or_else(|| Self::refused(at, want))
    }

    pub(super) fn number(&self, at: usize) -> Result<u64, CallError> {
        self.take(at, "a number", Value::as_u64)
    }

    pub(super) fn small(&self, at: usize) -> Result<u32, CallError> {
        self.take(at, "a small number", |value| {
            u32::try_from(value.as_u64()?).ok()
        })
    }

    pub(super) fn term(&self, at: usize) -> Result<Term, CallError> {
        self.number(at).map(Term)
    }

    pub(super) fn index(&self, at: usize) -> Result<Index, CallError> {
        self.number(at).map(Index)
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, CallError> {
        self.take(at, "true or false", Value::as_bool)
    }

    pub(super) fn text(&self, at: usize) -> Result<String, CallError> {
        self.take(at, "a text", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn bytes(&self, at: usize) -> Result<Bytes, CallError> {
        self.take(at, "hexadecimal text", |value| from_hex(value.as_str()?))
    }

    pub(super) fn peer(&self, at: usize) -> Result<PeerId, CallError> {
        self.take(at, "an id", peer)
    }

    /// An id; none for an empty one, a null and nothing.
    pub(super) fn peer_or_none(&self, at: usize) -> Result<Option<PeerId>, CallError> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(_) => self.peer(at).map(Some),
        }
    }

    pub(super) fn all_peers(&self) -> Result<Vec<PeerId>, CallError> {
        (0..self.0.len()).map(|at| self.peer(at)).collect()
    }

    /// A subject; none for an empty one, a null and nothing.
    pub(super) fn subject(&self, at: usize) -> Result<Option<Subject>, CallError> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.text(at).map(|text| subject(&text)),
        }
    }

    pub(super) fn role(&self, at: usize) -> Result<Role, CallError> {
        self.take(at, "a role from 0 to 3", |value| role(value.as_u64()?))
    }

    /// `"live"`, `"replay"` or the handle of a catch-up.
    pub(super) fn origin(&self, at: usize) -> Result<Origin, CallError> {
        self.take(at, "an origin", |value| {
            match (value.as_str(), value.as_u64()) {
                (Some("live"), _) => Some(Origin::Live),
                (Some("replay"), _) => Some(Origin::Replay),
                (_, Some(handle)) => Some(Origin::Catchup(SubscriptionId(handle))),
                _ => None,
            }
        })
    }

    /// An array of `{"type": code, "data": hex}`.
    pub(super) fn entries(&self, at: usize) -> Result<Vec<Entry>, CallError> {
        self.take(at, "an array of entries", |value| {
            value.as_array()?.iter().map(entry).collect()
        })
    }

    /// `{"peers": [id], "csz": size, "extSt": extension}`.
    pub(super) fn peer_state(&self, at: usize) -> Result<PeerState, CallError> {
        self.take(at, "a peer state", |value| {
            let peers = value.get("peers")?.as_array()?.iter().map(peer);
            Some(PeerState {
                cluster_size: u32::try_from(value.get("csz")?.as_u64()?).ok()?,
                peers: peers.collect::<Option<_>>()?,
                domain_ext: match value.get("extSt") {
                    Some(ext) => u16::try_from(ext.as_u64()?).ok()?,
                    None => 0,
                },
            })
        })
    }
}

fn entry(value: &Value) -> Option<Entry> {
    let kind = match value.get("type") {
        Some(code) => u8::try_from(code.as_u64()?).ok()?,
        None => 0,
    };
    let data = match value.get("data") {
        Some(data) => from_hex(data.as_str()?)?,
        None => Bytes::new(),
    };
    Some(Entry {
        kind: EntryType::from_code(kind),
        data,
    })
}

pub(super) fn peer(value: &Value) -> Option<PeerId> {
    PeerId::from_text(value.as_str()?.as_bytes()).ok()
}

/// A subject; none for an empty one.
pub(super) fn subject(text: &str) -> Option<Subject> {
    (!text.is_empty()).then(|| Subject::new(text))
}

pub(super) fn role(code: u64) -> Option<Role> {
    let all = [Role::Follower, Role::Leader, Role::Candidate, Role::Closed];
    all.into_iter().find(|role| *role as u64 == code)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a string cannot fail.
            let _infallible = write!(out, "{byte:02x}");
            out
        })
}

fn from_hex(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
        }
        _ => None,
    };
    digits
        .map(byte)
        .collect::<Option<Vec<_>>>()
        .map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_text_goes_both_ways_and_odd_or_foreign_text_is_refused() {
        let bytes: Vec<u8> = (0..=255).collect();

        assert_eq!(from_hex(&hex(&bytes)), Some(Bytes::from(bytes)));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_hex("+1"), None);
        assert_eq!(from_hex("é"), None);
    }
}
