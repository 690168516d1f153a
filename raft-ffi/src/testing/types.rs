//! The structs of the testing flavour.

use raft_core::runtime::Message;

use crate::batch::start_of;
use crate::convert::peer_number;

/// `nrg_abi_layout`: `nrg_test_message`.
pub const NRG_TEST_STRUCT_MESSAGE: u32 = 1001;

/// One message that was sent: a record of a batch of messages. What it points to belongs to the
/// batch and lives until it is freed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NrgTestMessage {
    /// Who sent it, the eight bytes of the id in memory order; 0 for an injected one.
    pub source: u64,
    /// The subject, UTF-8.
    pub subject_ptr: *const u8,
    /// Its length in bytes.
    pub subject_len: usize,
    /// The subject for answers; null when there is none.
    pub reply_ptr: *const u8,
    /// Its length in bytes.
    pub reply_len: usize,
    /// The message itself.
    pub payload_ptr: *const u8,
    /// Its length in bytes.
    pub payload_len: usize,
}

impl NrgTestMessage {
    /// The record of a message, pointing into it.
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            source: message.from.map_or(0, peer_number),
            subject_ptr: start_of(message.subject.as_bytes()),
            subject_len: message.subject.len(),
            reply_ptr: start_of(message.reply.as_bytes()),
            reply_len: message.reply.len(),
            payload_ptr: start_of(&message.payload),
            payload_len: message.payload.len(),
        }
    }
}
