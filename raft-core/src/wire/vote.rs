//! A candidate's request for a vote, and the answer to it.
//!
//! Request:
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 8 | term |
//! | 8 | 8 | term of the candidate's last entry |
//! | 16 | 8 | the candidate's last index |
//! | 24 | 8 | candidate |
//!
//! Response:
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 8 | term |
//! | 8 | 8 | voter |
//! | 16 | 1 | bit 0 granted, bit 1 the voter's log is empty; others 0, ignored on read |
//!
//! Strict: 32 and 17 bytes, no more and no fewer.

use bytes::BufMut;

use super::DecodeError;
use super::cursor::{PutWire, Reader};
use super::error::exact_len;
use crate::types::{Index, PEER_ID_LEN, PeerId, Term};

/// The length every vote request has.
pub const VOTE_REQUEST_LEN: usize = 3 * 8 + PEER_ID_LEN;
/// The length every vote response has.
pub const VOTE_RESPONSE_LEN: usize = 8 + PEER_ID_LEN + 1;

const _: () = assert!(VOTE_REQUEST_LEN == 32);
const _: () = assert!(VOTE_RESPONSE_LEN == 17);

const GRANTED: u8 = 1;
const EMPTY: u8 = 1 << 1;

/// A candidate asks for a vote (paper: RequestVote).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// The term the candidate stands for.
    pub term: Term,
    /// Term of the candidate's last entry.
    pub last_term: Term,
    /// The candidate's last index.
    pub last_index: Index,
    /// The candidate.
    pub candidate: PeerId,
}

/// The answer to a vote request.
///
/// Servers before 2.12 wrote and read the last byte as a plain flag, so to them a vote granted
/// from an empty log looks refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteResponse {
    /// The voter's current term.
    pub term: Term,
    /// The voter.
    pub peer: PeerId,
    /// Whether the vote was given.
    pub granted: bool,
    /// Whether the voter's log is empty.
    pub empty: bool,
}

impl VoteRequest {
    /// The bytes of the request.
    #[must_use]
    pub fn encode(&self) -> [u8; VOTE_REQUEST_LEN] {
        let mut out = [0; VOTE_REQUEST_LEN];
        let mut to = &mut out[..];
        to.put_u64_le(self.term.0);
        to.put_u64_le(self.last_term.0);
        to.put_u64_le(self.last_index.0);
        to.put_id(&self.candidate);
        out
    }

    /// The request `bytes` hold.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when they are not exactly 32.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        exact_len(bytes, VOTE_REQUEST_LEN)?;
        read_request(&mut Reader::new(bytes)).ok_or(DecodeError::Length {
            need: VOTE_REQUEST_LEN,
            have: bytes.len(),
        })
    }
}

impl VoteResponse {
    /// The bytes of the response.
    #[must_use]
    pub fn encode(&self) -> [u8; VOTE_RESPONSE_LEN] {
        let granted = if self.granted { GRANTED } else { 0 };
        let empty = if self.empty { EMPTY } else { 0 };
        let mut out = [0; VOTE_RESPONSE_LEN];
        let mut to = &mut out[..];
        to.put_u64_le(self.term.0);
        to.put_id(&self.peer);
        to.put_u8(granted | empty);
        out
    }

    /// The response `bytes` hold.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when they are not exactly 17.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        exact_len(bytes, VOTE_RESPONSE_LEN)?;
        read_response(&mut Reader::new(bytes)).ok_or(DecodeError::Length {
            need: VOTE_RESPONSE_LEN,
            have: bytes.len(),
        })
    }
}

fn read_request(reader: &mut Reader<'_>) -> Option<VoteRequest> {
    Some(VoteRequest {
        term: Term(reader.u64()?),
        last_term: Term(reader.u64()?),
        last_index: Index(reader.u64()?),
        candidate: reader.id()?,
    })
}

fn read_response(reader: &mut Reader<'_>) -> Option<VoteResponse> {
    let (term, peer, flags) = (Term(reader.u64()?), reader.id()?, reader.u8()?);
    let (granted, empty) = (flags & GRANTED != 0, flags & EMPTY != 0);
    Some(VoteResponse {
        term,
        peer,
        granted,
        empty,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(*b"S1Nunr6R");

    #[test]
    fn unknown_flag_bits_are_ignored_and_not_written() {
        for flags in 0..=u8::MAX {
            let (granted, empty) = (flags & 1 != 0, flags & 2 != 0);
            let response = VoteResponse {
                term: Term(4),
                peer: PEER,
                granted,
                empty,
            };
            let mut bytes = response.encode();
            assert_eq!(bytes[16], flags & 3);

            bytes[16] = flags;
            assert_eq!(VoteResponse::decode(&bytes), Ok(response));
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        for have in 0..64 {
            let bytes = vec![1; have];
            let request = VoteRequest::decode(&bytes).map(|_| ());
            let response = VoteResponse::decode(&bytes).map(|_| ());

            let length = |need| {
                if have == need {
                    Ok(())
                } else {
                    refused(need, have)
                }
            };
            assert_eq!(request, length(VOTE_REQUEST_LEN));
            assert_eq!(response, length(VOTE_RESPONSE_LEN));
        }
    }

    fn refused(need: usize, have: usize) -> Result<(), DecodeError> {
        Err(DecodeError::Length { need, have })
    }
}
