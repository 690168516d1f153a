//! A seeded world for the engine: the same code over a disk that crashes on demand, a network that
//! misbehaves, and time that jumps.
//!
//! [`Cluster`] runs one [`Shard`](crate::shard::Shard) for each server and checks from outside,
//! after every step, what must hold in every world; a seed names a run.

mod cluster;
pub mod disk;
mod network;
mod properties;

pub use cluster::{Cluster, ClusterOptions};
pub use disk::{Keep, SimDisk};
pub use network::NetworkOptions;
pub use properties::Violation;
