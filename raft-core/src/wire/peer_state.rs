//! The membership of a group: in `peers.idx`, in a new leader's first entry, in snapshots.
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 4 | cluster size |
//! | 4 | 4 | n, number of peers |
//! | 8 | 8·n | peers |
//! | 8 + 8·n | 2 | domain extension, optional |
//!
//! Tolerant at the end: a missing or halved extension reads as zero, bytes behind it are ignored.
//! Strict before it: all n ids must be there.

use bytes::{BufMut, Bytes};

use super::DecodeError;
use super::cursor::{PutWire, Reader};
use crate::types::{PEER_ID_LEN, PeerId};

/// Bytes of a peer state besides its peers.
const FIXED_LEN: usize = 4 + 4 + 2;

/// The peers a server knows, and how large it takes the group to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// The size quorum is counted from. Not always the number of known peers: a group may boot
    /// before all of them are known.
    pub cluster_size: u32,
    /// The known peers. The server writes them in no particular order; compare them as a set.
    pub peers: Vec<PeerId>,
    /// Whether the group's domain is extended: 0 undetermined, 1 yes, 2 no; others are carried.
    pub domain_ext: u16,
}

impl PeerState {
    /// The bytes of the peer state.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        // The count is a 32-bit field; what it cannot count is not written either.
        let count = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(FIXED_LEN + PEER_ID_LEN * self.peers.len());
        out.put_u32_le(self.cluster_size);
        out.put_u32_le(count);
        for (peer, _) in self.peers.iter().zip(0..count) {
            out.put_id(peer);
        }
        out.put_u16_le(self.domain_ext);
        out.into()
    }

    /// The peer state at the start of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError::CorruptPeers`] when the fixed part or an announced peer is missing. The
    /// count is checked before any memory is reserved for it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        read(&mut Reader::new(bytes)).ok_or(DecodeError::CorruptPeers)
    }
}

fn read(reader: &mut Reader<'_>) -> Option<PeerState> {
    let cluster_size = reader.u32()?;
    let count = usize::try_from(reader.u32()?).ok()?;
    let mut ids = Reader::new(reader.take(count.checked_mul(PEER_ID_LEN)?)?);
    let mut peers = Vec::with_capacity(count);
    while let Some(peer) = ids.id() {
        peers.push(peer);
    }
    let domain_ext = reader.u16().unwrap_or(0);
    Some(PeerState {
        cluster_size,
        peers,
        domain_ext,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> PeerState {
        let peers = [b"S1Nunr6R", b"yrzKKRBu", b"cnrtt3eg"]
            .map(|id| PeerId(*id))
            .to_vec();
        PeerState {
            cluster_size: 3,
            peers,
            domain_ext: 1,
        }
    }

    #[test]
    fn cut_inside_the_peers_is_corrupt_and_behind_them_reads_as_extension_zero() {
        let bytes = three().encode();

        for len in 0..32 {
            let cut = PeerState::decode(&bytes[..len]);
            assert_eq!(cut, Err(DecodeError::CorruptPeers), "{len}");
        }
        for len in 32..34 {
            let cut = PeerState::decode(&bytes[..len]);
            assert_eq!(
                cut,
                Ok(PeerState {
                    domain_ext: 0,
                    ..three()
                }),
                "{len}"
            );
        }
    }

    #[test]
    fn bytes_behind_the_extension_are_ignored() {
        let mut bytes = three().encode().to_vec();
        bytes.extend_from_slice(&[9; 20]);

        assert_eq!(PeerState::decode(&bytes), Ok(three()));
    }

    #[test]
    fn announced_count_reserves_nothing_before_it_is_checked() {
        let mut bytes = three().encode().to_vec();
        bytes[4..8].fill(0xff);

        assert_eq!(PeerState::decode(&bytes), Err(DecodeError::CorruptPeers));
    }
}
