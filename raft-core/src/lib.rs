//! A deterministic Raft engine that speaks nats-server's NRG protocol.
//!
//! The protocol reads no clock, starts no thread, draws no randomness of its own and opens no
//! socket or file. It is a value: time and messages go in, what to send, what to write and what
//! was committed come out.
//!
//! A driver's loop, as [`Shard`] has it:
//!
//! 1. Hand in what arrived: [`Node::handle_message`], [`Node::handle_durable`], and the commands
//!    of the application, such as [`Node::propose`].
//! 2. Give the node its turn: [`Node::turn`] with the time.
//! 3. Drain it: [`Node::poll_output`] to the transport, [`Node::take_writes`] to the disk,
//!    [`Node::take_applied`] to the application.
//! 4. Sleep until [`Node::next_deadline`] or the next arrival.
//!
//! Nothing that rests on a write leaves the node before the write is durable, so a driver cannot
//! get that order wrong.
//!
//! | Module | Job |
//! | --- | --- |
//! | [`types`], [`time`], [`config`], [`quorum`] | the values everybody speaks in |
//! | [`wire`] | messages and small files to bytes and back |
//! | [`storage`] | logs, group folders, the disk below them |
//! | [`node`] | the protocol: one group on one server |
//! | [`shard`] | many nodes in one loop, still without I/O |
//! | `runtime` | threads, clocks, disks and a transport around shards (feature `runtime`) |
//! | `sim` | the same nodes in a seeded world (feature `sim`) |
//!
//! Open [`node`] first; `docs/protocol.md` tells it in prose.

#![forbid(unsafe_code)]

pub mod config;
pub mod node;
pub mod quorum;
pub mod shard;
pub mod storage;
pub mod time;
pub mod types;
pub mod wire;

#[cfg(feature = "runtime")]
pub mod runtime;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

mod rng;

pub use node::Node;
#[cfg(feature = "runtime")]
pub use runtime::Runtime;
pub use shard::Shard;
pub use storage::{Disk, Log};
