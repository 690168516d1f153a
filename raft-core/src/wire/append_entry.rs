//! The message a leader replicates with, which is also what every log stores.
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 8 | leader |
//! | 8 | 8 | term |
//! | 16 | 8 | commit |
//! | 24 | 8 | previous term |
//! | 32 | 8 | previous index |
//! | 40 | 2 | number of records |
//! | 42 | … | records: u32 size (1 + data), u8 type, data |
//! | end | 1–10 | leader term as uvarint, optional |
//!
//! Tolerant at the end: the trailer may be missing, unfinished or followed by more, and a count
//! of records that is too low only moves where the trailer is looked for.

use std::fmt;

use bytes::{BufMut, Bytes};

use super::cursor::{PutWire, Reader, UVARINT_LEN_MAX, uvarint_len};
use super::{DecodeError, EncodeError};
use crate::types::{Entry, EntryType, Index, PEER_ID_LEN, PeerId, Term};

/// Length of the part every append entry has: 42 bytes.
pub const APPEND_ENTRY_HEAD_LEN: usize = PEER_ID_LEN + 4 * 8 + 2;
/// Bytes a record takes besides its data.
pub const RECORD_HEAD_LEN: usize = 4 + 1;
/// Most records one append entry can hold.
pub const ENTRIES_MAX: usize = 65_535;
/// Most data bytes one record can hold.
pub const ENTRY_DATA_LEN_MAX: usize = (1 << 31) - 1;
/// Longest append entry that still fits a log record of the server: 32 MiB less the 30 bytes
/// such a record adds.
pub const MESSAGE_LEN_MAX: usize = (32 << 20) - 30;

/// Longest body [`AppendEntry::encode`] makes: whatever leader term catch-up puts under it later,
/// the result can be stored by every peer.
const BODY_LEN_MAX: u64 = (MESSAGE_LEN_MAX - UVARINT_LEN_MAX) as u64;

const _: () = assert!(APPEND_ENTRY_HEAD_LEN == 42);
const _: () = assert!(ENTRIES_MAX == u16::MAX as usize);

/// The fixed fields of an append entry, and its trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AppendEntryHead {
    /// The server that first appended these entries; in a catch-up message not the sender. Eight
    /// zero bytes are an id like any other.
    pub leader: PeerId,
    /// The term under which the entries were first appended.
    pub term: Term,
    /// The leader's commit index when the message was made.
    pub commit: Index,
    /// Term of the entry before these (paper: prevLogTerm, server: `pterm`).
    pub prev_term: Term,
    /// Index of the entry before these (paper: prevLogIndex, server: `pindex`).
    pub prev_index: Index,
    /// The sender's own term in a catch-up message made from the log (server: `lterm`). Zero in
    /// live messages, and where an older server sent none.
    pub leader_term: Term,
}

/// An append entry, kept as the bytes it travels and is stored as. Decoding allocates nothing;
/// clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct AppendEntry {
    /// The fixed fields, as they stand in the bytes.
    pub head: AppendEntryHead,
    /// Number of records.
    count: u16,
    /// Offset behind the last record, where the trailer begins.
    body_end: usize,
    /// The whole message. Invariant: `count` whole records lie between the fixed part and
    /// `body_end`.
    frame: Bytes,
}

/// One record of an append entry, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// What the data is.
    pub kind: EntryType,
    /// The data.
    pub data: &'a [u8],
}

impl AppendEntry {
    /// The append entry of `head` and `entries`: one allocation of the exact size. The leader
    /// term is always written, zero as one byte.
    ///
    /// # Errors
    /// [`EncodeError`] for more entries or bytes than the format or a peer's log can hold.
    pub fn encode<'a>(
        head: AppendEntryHead,
        entries: impl ExactSizeIterator<Item = (EntryType, &'a [u8])> + Clone,
    ) -> Result<Self, EncodeError> {
        let have = entries.len();
        let count = u16::try_from(have).map_err(|_| EncodeError::TooManyEntries { have })?;
        let mut body_end = APPEND_ENTRY_HEAD_LEN;
        for (_, data) in entries.clone() {
            body_end = body_end.saturating_add(record_len(data.len())?);
        }
        let have = body_end as u64;
        if have > BODY_LEN_MAX {
            return Err(EncodeError::MessageTooLong {
                have,
                max: BODY_LEN_MAX,
            });
        }

        let mut out = Vec::with_capacity(body_end + uvarint_len(head.leader_term.0));
        put_head(&mut out, &head, count);
        for (kind, data) in entries {
            put_record(&mut out, kind, data);
        }
        debug_assert_eq!(
            out.len(),
            body_end,
            "entries changed between two passes over them"
        );
        out.put_uvarint(head.leader_term.0);
        Ok(Self {
            head,
            count,
            body_end,
            frame: out.into(),
        })
    }

    /// [`AppendEntry::encode`] for entries at hand.
    ///
    /// # Errors
    /// As [`AppendEntry::encode`].
    pub fn encode_entries(head: AppendEntryHead, entries: &[Entry]) -> Result<Self, EncodeError> {
        Self::encode(
            head,
            entries
                .iter()
                .map(|entry| (entry.kind, entry.data.as_ref())),
        )
    }

    /// Takes a received or stored message. Walks the records once to check their bounds; their
    /// content is not looked at.
    ///
    /// # Errors
    /// [`DecodeError::BadAppendEntry`] when the fixed part or a record is not whole.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame);
        let (mut head, count) =
            read_head(&mut reader).ok_or(DecodeError::BadAppendEntry { at: 0 })?;
        let at = |reader: &Reader<'_>| frame.len() - reader.rest().len();
        for _ in 0..count {
            let start = at(&reader);
            read_record(&mut reader).ok_or(DecodeError::BadAppendEntry { at: start })?;
        }
        let body_end = at(&reader);
        // An unfinished or oversized trailer reads as none; so it is with the server.
        head.leader_term = Term(reader.uvarint().unwrap_or(0));
        Ok(Self {
            head,
            count,
            body_end,
            frame,
        })
    }

    /// The message's bytes: what is sent, and what a log stores.
    #[must_use]
    pub const fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The message's bytes, without the value around them.
    #[must_use]
    pub fn into_frame(self) -> Bytes {
        self.frame
    }

    /// The number of entries.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no entries. Such a message is never stored.
    #[must_use]
    pub const fn is_heartbeat(&self) -> bool {
        self.count == 0
    }

    /// The log index all of its entries share.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.head.prev_index.next()
    }

    /// The term the sender claims: the leader term when there is one, else the entries' own.
    #[must_use]
    pub const fn effective_term(&self) -> Term {
        if self.head.leader_term.0 == 0 {
            self.head.term
        } else {
            self.head.leader_term
        }
    }

    /// The entries, in place.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        let body = self
            .frame
            .get(APPEND_ENTRY_HEAD_LEN..self.body_end)
            .unwrap_or_default();
        Entries {
            reader: Reader::new(body),
            left: self.count,
        }
    }

    /// The entries as values that share the message's bytes.
    pub fn shared_entries(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        self.entries().map(|entry| Entry {
            kind: entry.kind,
            data: self.frame.slice_ref(entry.data),
        })
    }

    /// The same message under another leader term, as a leader sends it out of its log to a
    /// lagging peer. All other fields stay as stored, the sender's name and commit included.
    #[must_use]
    pub fn with_leader_term(&self, leader_term: Term) -> Self {
        let body = self.frame.get(..self.body_end).unwrap_or_default();
        let mut out = Vec::with_capacity(body.len() + uvarint_len(leader_term.0));
        out.put_slice(body);
        out.put_uvarint(leader_term.0);
        Self {
            head: AppendEntryHead {
                leader_term,
                ..self.head
            },
            count: self.count,
            body_end: self.body_end,
            frame: out.into(),
        }
    }
}

impl fmt::Debug for AppendEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AppendEntryHead {
            leader,
            term,
            commit,
            prev_term,
            prev_index,
            leader_term,
        } = self.head;
        write!(
            f,
            "AppendEntry({leader} t{term} c{commit} @{prev_term}/{prev_index}"
        )?;
        write!(
            f,
            " lt{leader_term} n{} {} bytes)",
            self.count,
            self.frame.len()
        )
    }
}

/// The entries of an [`AppendEntry`], in order.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Entries<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        read_record(&mut self.reader)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for Entries<'_> {}
impl std::iter::FusedIterator for Entries<'_> {}

/// The leader an append entry carries for `text`: none is eight zero bytes, else it is an id.
///
/// # Errors
/// [`EncodeError::LeaderLen`] for text of any other length.
pub fn leader_from_text(text: &[u8]) -> Result<PeerId, EncodeError> {
    if text.is_empty() {
        return Ok(PeerId::default());
    }
    PeerId::from_text(text).map_err(|_| EncodeError::LeaderLen { have: text.len() })
}

/// Bytes of the record that holds `data_len` bytes of data.
const fn record_len(data_len: usize) -> Result<usize, EncodeError> {
    if data_len > ENTRY_DATA_LEN_MAX {
        return Err(EncodeError::EntryTooLong {
            have: data_len,
            max: ENTRY_DATA_LEN_MAX,
        });
    }
    Ok(RECORD_HEAD_LEN + data_len)
}

#[inline]
fn put_head(out: &mut Vec<u8>, head: &AppendEntryHead, count: u16) {
    let mut fixed = [0; APPEND_ENTRY_HEAD_LEN];
    let mut to = &mut fixed[..];
    to.put_id(&head.leader);
    to.put_u64_le(head.term.0);
    to.put_u64_le(head.commit.0);
    to.put_u64_le(head.prev_term.0);
    to.put_u64_le(head.prev_index.0);
    to.put_u16_le(count);
    out.put_slice(&fixed);
}

#[inline]
fn read_head(reader: &mut Reader<'_>) -> Option<(AppendEntryHead, u16)> {
    let head = AppendEntryHead {
        leader: reader.id()?,
        term: Term(reader.u64()?),
        commit: Index(reader.u64()?),
        prev_term: Term(reader.u64()?),
        prev_index: Index(reader.u64()?),
        leader_term: Term::ZERO,
    };
    Some((head, reader.u16()?))
}

/// Writes one record. `encode` has bounded the length of `data` before.
#[inline]
fn put_record(out: &mut Vec<u8>, kind: EntryType, data: &[u8]) {
    let size = u32::try_from(data.len()).map_or(u32::MAX, |len| len.saturating_add(1));
    let [a, b, c, d] = size.to_le_bytes();
    out.put_slice(&[a, b, c, d, kind.code()]);
    out.put_slice(data);
}

/// Reads one record; a size of zero has no room for the type and is no record.
#[inline]
fn read_record<'a>(reader: &mut Reader<'a>) -> Option<EntryRef<'a>> {
    let size = reader.u32()?;
    let (&code, data) = reader.take_u32(size)?.split_first()?;
    Some(EntryRef {
        kind: EntryType::from_code(code),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> AppendEntryHead {
        AppendEntryHead {
            leader: PeerId(*b"S1Nunr6R"),
            term: Term(3),
            commit: Index(41),
            prev_term: Term(2),
            prev_index: Index(42),
            leader_term: Term::ZERO,
        }
    }

    fn empty_entries(count: usize) -> Vec<Entry> {
        vec![Entry::normal(Bytes::new()); count]
    }

    #[test]
    fn heartbeat_is_43_bytes() {
        let heartbeat = AppendEntry::encode_entries(head(), &[]).unwrap();

        assert_eq!(heartbeat.frame().len(), 43);
        assert!(heartbeat.is_heartbeat());
        assert_eq!(heartbeat.entries().next(), None);
    }

    #[test]
    fn entries_share_the_index_after_the_previous_one() {
        let entries = [
            Entry::normal("a"),
            Entry::about(EntryType::AddPeer, PeerId(*b"yrzKKRBu")),
        ];
        let message = AppendEntry::encode_entries(head(), &entries).unwrap();

        assert_eq!(message.index(), Index(43));
        assert_eq!(message.count(), 2);
        assert_eq!(message.entries().len(), 2);
        assert_eq!(message.shared_entries().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn encoded_and_decoded_message_are_equal() {
        let message = AppendEntry::encode_entries(head(), &[Entry::normal("hello")]).unwrap();

        assert_eq!(AppendEntry::decode(message.frame().clone()), Ok(message));
    }

    #[test]
    fn shared_entries_lie_in_the_frame() {
        let message = AppendEntry::encode_entries(head(), &[Entry::normal("hello")]).unwrap();
        let frame = message.frame().as_ptr_range();
        let data = message.shared_entries().next().unwrap().data;

        assert!(frame.contains(&data.as_ptr()));
    }

    #[test]
    fn leader_term_outweighs_the_entries_term_unless_zero() {
        let live = AppendEntry::encode_entries(head(), &[Entry::normal("x")]).unwrap();
        let caught_up = live.with_leader_term(Term(300));

        assert_eq!(live.effective_term(), Term(3));
        assert_eq!(caught_up.effective_term(), Term(300));
        assert_eq!(
            caught_up.head,
            AppendEntryHead {
                leader_term: Term(300),
                ..live.head
            }
        );
        assert_eq!(
            AppendEntry::decode(caught_up.frame().clone()),
            Ok(caught_up.clone())
        );
        assert_eq!(caught_up.with_leader_term(Term::ZERO), live);
    }

    #[test]
    fn leader_term_replaces_whatever_follows_the_records() {
        let live = AppendEntry::encode_entries(head(), &[Entry::normal("x")]).unwrap();
        let mut bytes = live.frame().to_vec();
        bytes.extend_from_slice(&[0xde, 0xad]);
        let noisy = AppendEntry::decode(bytes.into()).unwrap();

        assert_eq!(noisy.with_leader_term(Term::ZERO), live);
    }

    #[test]
    fn count_of_entries_ends_at_65535() {
        let most = AppendEntry::encode_entries(head(), &empty_entries(ENTRIES_MAX)).unwrap();

        assert_eq!(most.count(), ENTRIES_MAX);
        assert_eq!(
            AppendEntry::encode_entries(head(), &empty_entries(ENTRIES_MAX + 1)),
            Err(EncodeError::TooManyEntries { have: 65_536 })
        );
    }

    #[test]
    fn longest_message_has_room_for_the_longest_leader_term() {
        let most = MESSAGE_LEN_MAX - UVARINT_LEN_MAX - APPEND_ENTRY_HEAD_LEN - RECORD_HEAD_LEN;
        let data = vec![7; most + 1];

        let longest = AppendEntry::encode_entries(head(), &[Entry::normal(data[1..].to_vec())]);
        let longest = longest.unwrap();
        assert_eq!(longest.frame().len(), 33_554_402 - 9);
        let caught_up = longest.with_leader_term(Term(u64::MAX));
        assert_eq!(caught_up.frame().len(), 33_554_402);

        let max = BODY_LEN_MAX;
        assert_eq!(
            AppendEntry::encode_entries(head(), &[Entry::normal(data)]),
            Err(EncodeError::MessageTooLong { have: max + 1, max })
        );
    }

    #[test]
    fn entry_data_ends_where_its_size_field_does_for_the_reference() {
        let max = ENTRY_DATA_LEN_MAX;

        assert_eq!(record_len(max), Ok(max + 5));
        let too_long = EncodeError::EntryTooLong { have: max + 1, max };
        assert_eq!(record_len(max + 1), Err(too_long));
    }

    #[test]
    fn leader_text_is_empty_or_an_id() {
        assert_eq!(leader_from_text(b""), Ok(PeerId([0; 8])));
        assert_eq!(leader_from_text(b"DEREK123"), Ok(PeerId(*b"DEREK123")));
        for text in ["A", "ABCDEFG", "ABCDEFGHI", "ELEVENBYTES"] {
            let refused = EncodeError::LeaderLen { have: text.len() };
            assert_eq!(leader_from_text(text.as_bytes()), Err(refused), "{text}");
        }
    }

    #[test]
    fn fault_names_the_record_that_is_not_whole() {
        let entries = [Entry::normal("hello"), Entry::normal("bye")];
        let message = AppendEntry::encode_entries(head(), &entries).unwrap();
        let cut = |len| AppendEntry::decode(message.frame().slice(..len));

        assert_eq!(cut(41), Err(DecodeError::BadAppendEntry { at: 0 }));
        assert_eq!(cut(42), Err(DecodeError::BadAppendEntry { at: 42 }));
        assert_eq!(cut(59), Err(DecodeError::BadAppendEntry { at: 52 }));
        assert!(cut(60).is_ok());
    }

    #[test]
    fn debug_is_one_short_line() {
        let message = AppendEntry::encode_entries(head(), &[Entry::normal("hello")]).unwrap();

        let text = "AppendEntry(S1Nunr6R t3 c41 @2/42 lt0 n1 53 bytes)";
        assert_eq!(format!("{message:?}"), text);
    }
}
