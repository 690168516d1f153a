//! A deterministic Raft engine that speaks nats-server's NRG protocol.
//!
//! The protocol ([`node`]) reads no clock, starts no thread and opens no socket or file: a driver
//! hands it messages and the time, and carries out what it asks for. [`shard`] is the one driver
//! loop, still without I/O; [`runtime`] puts threads, clocks and disks around it, `sim` a seeded
//! world.
//!
//! Open [`types`] first, then [`node`].

#[cfg(feature = "runtime")]
pub mod runtime;

pub mod config;
#[cfg(feature = "testing")]
pub mod detached;
pub mod node;
pub mod quorum;
mod rng;
pub mod shard;
#[cfg(feature = "sim")]
pub mod sim;
pub mod storage;
pub mod time;
pub mod types;
pub mod wire;
