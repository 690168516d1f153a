//! The Raft paper (Ongaro, Ousterhout: In Search of an Understandable Consensus Algorithm,
//! extended version), section by section, on a small network of nodes.
//!
//! Time is moved, messages are handed over one by one, disks are real folders that survive a
//! server's end. Every message is checked against what holds at all times: one leader for a term,
//! and the same entry at the same index on every state machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod net;
mod section_5;
mod section_6;
mod section_7;
mod section_8;
