//! What holds for every message: it survives the way there and back, and no bytes panic.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use raft_core::types::{Entry, EntryType, Index, PeerId, Term};
use raft_core::wire::{
    AppendEntry, AppendEntryHead, AppendEntryResponse, ChecksumKey, PeerState, SnapshotFile,
    SnapshotName, TermVote, VoteRequest, VoteResponse, removal_target,
};

prop_compose! {
    fn head()(
        leader: [u8; 8],
        term: u64,
        commit: u64,
        prev_term: u64,
        prev_index: u64,
        leader_term in number(),
    ) -> AppendEntryHead {
        AppendEntryHead {
            leader: PeerId(leader),
            term: Term(term),
            commit: Index(commit),
            prev_term: Term(prev_term),
            prev_index: Index(prev_index),
            leader_term: Term(leader_term),
        }
    }
}

prop_compose! {
    fn entry()(code: u8, data in vec(any::<u8>(), 0..40)) -> Entry {
        Entry { kind: EntryType::from_code(code), data: data.into() }
    }
}

/// Numbers of every length in bits alike.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..=64).prop_map(|(value, bits)| value.checked_shr(bits).unwrap_or(0))
}

prop_compose! {
    /// A valid message with a few bytes changed, cut off or added: most still look like one.
    fn damaged()(
        head in head(),
        entries in vec(entry(), 0..6),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        kept in any::<prop::sample::Index>(),
        cut: bool,
        tail in vec(any::<u8>(), 0..12),
    ) -> Vec<u8> {
        let whole = AppendEntry::encode_entries(head, &entries).unwrap();
        let mut bytes = whole.frame().to_vec();
        for (at, to) in changes {
            let len = bytes.len();
            // Where lengths and counts are is where it hurts: prefer small values there.
            bytes[at.index(len)] = if to % 2 == 0 { to / 16 } else { to };
        }
        if cut {
            bytes.truncate(kept.index(bytes.len()));
        }
        bytes.extend(tail);
        bytes
    }
}

/// The type and the data of a record.
type Record<'a> = (u8, &'a [u8]);

/// A decoder with nothing in common with ours: whole numbers as wide as they come, no cursor.
fn model(bytes: &[u8]) -> Option<(u128, Vec<Record<'_>>)> {
    let number = |at: usize, len: usize| {
        let bytes = bytes.get(at..at + len)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u128, |value, byte| value << 8 | u128::from(*byte)),
        )
    };
    let count = number(40, 2)?;
    let (mut at, mut records) = (42, Vec::new());
    for _ in 0..count {
        let size = usize::try_from(number(at, 4)?).unwrap();
        let record = bytes.get(at + 4..at + 4 + size)?;
        records.push((*record.first()?, &record[1..]));
        at += 4 + size;
    }
    let trailer = &bytes[at..];
    let end = trailer.iter().position(|byte| byte & 0x80 == 0);
    let groups = end
        .filter(|&end| end < 10)
        .map_or(&[][..], |end| &trailer[..=end]);
    let value = groups
        .iter()
        .rev()
        .fold(0, |value, byte| value << 7 | u128::from(byte & 0x7f));
    Some((
        if value > u128::from(u64::MAX) {
            0
        } else {
            value
        },
        records,
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn append_entry_round_trips(head in head(), entries in vec(entry(), 0..20)) {
        let encoded = AppendEntry::encode_entries(head, &entries).unwrap();
        let decoded = AppendEntry::decode(encoded.frame().clone()).unwrap();

        prop_assert_eq!(&decoded, &encoded);
        prop_assert_eq!(decoded.head, head);
        prop_assert_eq!(decoded.count(), entries.len());
        let records: usize = entries.iter().map(|entry| 5 + entry.data.len()).sum();
        let trailer = 1..=10;
        prop_assert!(trailer.contains(&(encoded.frame().len() - 42 - records)));
        prop_assert_eq!(decoded.shared_entries().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn leader_term_is_all_that_catch_up_changes(
        head in head(),
        entries in vec(entry(), 0..6),
        term in number(),
    ) {
        let stored = AppendEntry::encode_entries(head, &entries).unwrap();
        let sent = stored.with_leader_term(Term(term));

        let leader_term = Term(term);
        let expected = AppendEntryHead { leader_term, ..head };
        let expected = AppendEntry::encode_entries(expected, &entries).unwrap();
        prop_assert_eq!(sent.frame(), expected.frame());
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn damaged_append_entry_is_read_as_the_model_reads_it(bytes in damaged()) {
        let decoded = AppendEntry::decode(Bytes::from(bytes.clone()));
        match (decoded, model(&bytes)) {
            (Ok(message), Some((leader_term, records))) => {
                prop_assert_eq!(u128::from(message.head.leader_term.0), leader_term);
                let ours = message.entries().map(|entry| (entry.kind.code(), entry.data));
                prop_assert_eq!(ours.collect::<Vec<_>>(), records);
                let same = message.with_leader_term(message.head.leader_term);
                prop_assert_eq!(AppendEntry::decode(same.frame().clone()), Ok(same));
            }
            (Err(_), None) => {}
            (ours, model) => prop_assert!(false, "{ours:?} but {model:?}"),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let shared = Bytes::from(bytes.clone());
        if let Ok(message) = AppendEntry::decode(shared.clone()) {
            prop_assert_eq!(message.shared_entries().count(), message.count());
        }
        let whole = |len: usize, ok: bool| ok == (bytes.len() == len);
        prop_assert!(whole(25, AppendEntryResponse::decode(&bytes).is_ok()));
        prop_assert!(whole(32, VoteRequest::decode(&bytes).is_ok()));
        prop_assert!(whole(17, VoteResponse::decode(&bytes).is_ok()));
        prop_assert!(whole(8, removal_target(&bytes).is_ok()));
        if let Ok(state) = PeerState::decode(&bytes) {
            prop_assert!(state.encode().len() <= bytes.len() + 2);
        }
        prop_assert_eq!(TermVote::decode(&bytes).vote.is_some(), bytes.len() >= 16);
        // No forged bytes pass a checksum of 64 bits.
        prop_assert!(SnapshotFile::decode(shared, &ChecksumKey::of_text("TEST")).is_err());
    }

    #[test]
    fn fixed_messages_round_trip(term: u64, last: u64, index: u64, id: [u8; 8], flags: [bool; 2]) {
        let (term, index, peer) = (Term(term), Index(index), PeerId(id));
        let [granted, empty] = flags;

        let response = AppendEntryResponse { term, index, peer, success: granted };
        prop_assert_eq!(AppendEntryResponse::decode(&response.encode()), Ok(response));
        let candidate = peer;
        let request = VoteRequest { term, last_term: Term(last), last_index: index, candidate };
        prop_assert_eq!(VoteRequest::decode(&request.encode()), Ok(request));
        let response = VoteResponse { term, peer, granted, empty };
        prop_assert_eq!(VoteResponse::decode(&response.encode()), Ok(response));
        let file = TermVote { term, vote: granted.then_some(peer) };
        prop_assert_eq!(TermVote::decode(&file.encode()), file);
        let name = SnapshotName { term, index };
        prop_assert_eq!(SnapshotName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn peer_state_round_trips(cluster_size: u32, ids in vec(any::<[u8; 8]>(), 0..9), ext: u16) {
        let peers = ids.into_iter().map(PeerId).collect();
        let state = PeerState { cluster_size, peers, domain_ext: ext };

        prop_assert_eq!(PeerState::decode(&state.encode()), Ok(state));
    }

    #[test]
    fn snapshot_file_round_trips_under_its_own_key_only(
        term: u64,
        index: u64,
        peers in vec(any::<u8>(), 0..40),
        data in vec(any::<u8>(), 0..200),
        group in "[a-zA-Z0-9_-]{1,12}",
    ) {
        let snapshot = SnapshotFile {
            last_term: Term(term),
            last_index: Index(index),
            peer_state: peers.into(),
            data: data.into(),
        };
        let file = snapshot.encode(&ChecksumKey::of_text(&group));

        let other = ChecksumKey::of_text(&format!("{group}x"));
        prop_assert!(SnapshotFile::decode(file.clone(), &other).is_err());
        prop_assert_eq!(SnapshotFile::decode(file, &ChecksumKey::of_text(&group)), Ok(snapshot));
    }

    #[test]
    fn snapshot_name_parses_only_what_it_prints(text in "(snap)?\\.?[0-9+.]{0,24}") {
        if let Some(name) = SnapshotName::parse(&text) {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
