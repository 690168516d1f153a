//! What a follower forwards to its leader.
//!
//! A forwarded proposal is the data of one [`Normal`](crate::types::EntryType::Normal) entry and
//! nothing else: there is no frame to encode or decode. A forwarded removal is the id of the peer
//! to remove.
//!
//! Strict: a removal has 8 bytes, no more and no fewer.

use super::DecodeError;
use super::error::exact_len;
use crate::types::{PEER_ID_LEN, PeerId};

/// The peer a forwarded removal names.
///
/// # Errors
/// [`DecodeError::Length`] when `payload` is not exactly an id.
pub fn removal_target(payload: &[u8]) -> Result<PeerId, DecodeError> {
    exact_len(payload, PEER_ID_LEN)?;
    PeerId::from_text(payload).map_err(|_| DecodeError::Length {
        need: PEER_ID_LEN,
        have: payload.len(),
    })
}

/// The payload of a forwarded removal of `peer`.
#[must_use]
pub const fn removal_payload(peer: PeerId) -> [u8; PEER_ID_LEN] {
    peer.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_is_exactly_an_id() {
        let peer = PeerId(*b"cnrtt3eg");

        assert_eq!(removal_target(&removal_payload(peer)), Ok(peer));
        for have in [0, 1, 7, 9, 16] {
            let refused = DecodeError::Length { need: 8, have };
            assert_eq!(removal_target(&vec![b'x'; have]), Err(refused));
        }
    }
}
