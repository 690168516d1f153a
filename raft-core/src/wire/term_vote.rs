//! The term and vote of a group as `tav.idx` holds them.
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 8 | term |
//! | 8 | 0 or 8 | vote, absent when none was given |
//!
//! Tolerant: fewer than 8 bytes read as term zero, fewer than 16 as no vote, more are ignored.
//!
//! Differs from the server: it takes every byte behind the term as the vote, and fails when it
//! writes a vote of another length than 8 back.

use bytes::{BufMut, Bytes};

use super::cursor::{PutWire, Reader};
use crate::types::{PEER_ID_LEN, PeerId, Term};

/// The current term and the vote given in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermVote {
    /// The current term. A file that says zero says nothing: the caller ignores it, vote
    /// included.
    pub term: Term,
    /// Whom this server voted for in that term.
    pub vote: Option<PeerId>,
}

impl TermVote {
    /// The content of the file.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(8 + self.vote.map_or(0, |_| PEER_ID_LEN));
        out.put_u64_le(self.term.0);
        if let Some(vote) = &self.vote {
            out.put_id(vote);
        }
        out.into()
    }

    /// What the content of a file says. Never fails: a file too short to say anything reads as
    /// term zero without a vote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut reader = Reader::new(bytes);
        reader.u64().map_or_else(Self::default, |term| Self {
            term: Term(term),
            vote: reader.id(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_reads_as_what_is_whole() {
        let given = TermVote {
            term: Term(77),
            vote: Some(PeerId(*b"S1Nunr6R")),
        };
        let mut bytes = given.encode().to_vec();
        bytes.extend_from_slice(b"zzzzzzzz");

        for (len, expected) in [
            (0, TermVote::default()),
            (7, TermVote::default()),
            (
                8,
                TermVote {
                    vote: None,
                    ..given
                },
            ),
            (
                15,
                TermVote {
                    vote: None,
                    ..given
                },
            ),
            (16, given),
            (17, given),
            (24, given),
        ] {
            assert_eq!(TermVote::decode(&bytes[..len]), expected, "{len}");
        }
    }

    #[test]
    fn no_vote_is_eight_bytes() {
        let blank = TermVote {
            term: Term(1),
            vote: None,
        };

        assert_eq!(blank.encode().len(), 8);
        assert_eq!(TermVote::decode(&blank.encode()), blank);
    }
}
