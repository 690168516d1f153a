//! A follower's answer to an append entry.
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 8 | term |
//! | 8 | 8 | index |
//! | 16 | 8 | peer |
//! | 24 | 1 | success: 1 is yes, anything else is no |
//!
//! Strict: 25 bytes, no more and no fewer.

use bytes::BufMut;

use super::DecodeError;
use super::cursor::{PutWire, Reader};
use super::error::exact_len;
use crate::types::{Index, PEER_ID_LEN, PeerId, Term};

/// The length every append entry response has.
pub const APPEND_ENTRY_RESPONSE_LEN: usize = 8 + 8 + PEER_ID_LEN + 1;

const _: () = assert!(APPEND_ENTRY_RESPONSE_LEN == 25);

/// A follower's answer. What `term` means depends on the case: the responder's own current term
/// in a refusal without a catch-up inbox as its reply subject, else the term of its last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendEntryResponse {
    /// See above.
    pub term: Term,
    /// The responder's last index.
    pub index: Index,
    /// The responder.
    pub peer: PeerId,
    /// Whether the append entry was taken.
    pub success: bool,
}

impl AppendEntryResponse {
    /// The bytes of the response.
    #[must_use]
    pub fn encode(&self) -> [u8; APPEND_ENTRY_RESPONSE_LEN] {
        let mut out = [0; APPEND_ENTRY_RESPONSE_LEN];
        let mut to = &mut out[..];
        to.put_u64_le(self.term.0);
        to.put_u64_le(self.index.0);
        to.put_id(&self.peer);
        to.put_u8(self.success.into());
        out
    }

    /// The response `bytes` hold.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when they are not exactly 25.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        exact_len(bytes, APPEND_ENTRY_RESPONSE_LEN)?;
        read(&mut Reader::new(bytes)).ok_or(DecodeError::Length {
            need: APPEND_ENTRY_RESPONSE_LEN,
            have: bytes.len(),
        })
    }
}

fn read(reader: &mut Reader<'_>) -> Option<AppendEntryResponse> {
    Some(AppendEntryResponse {
        term: Term(reader.u64()?),
        index: Index(reader.u64()?),
        peer: reader.id()?,
        success: reader.u8()? == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_the_byte_one_and_nothing_else() {
        let response = AppendEntryResponse {
            term: Term(5),
            index: Index(6),
            peer: PeerId(*b"S1Nunr6R"),
            success: true,
        };
        let mut bytes = response.encode();

        for flag in 0..=u8::MAX {
            bytes[24] = flag;
            let expected = AppendEntryResponse {
                success: flag == 1,
                ..response
            };
            assert_eq!(AppendEntryResponse::decode(&bytes), Ok(expected));
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        for have in (0..64).filter(|&len| len != APPEND_ENTRY_RESPONSE_LEN) {
            let refused = DecodeError::Length { need: 25, have };
            assert_eq!(AppendEntryResponse::decode(&vec![1; have]), Err(refused));
        }
    }
}
