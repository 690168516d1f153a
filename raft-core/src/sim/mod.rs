//! A seeded world for the engine: the same code over a disk that crashes on demand, a network that
//! misbehaves, and time that jumps.
//!
//! A seed names a run: [`Plan::of`] draws from it how large the group is and what goes wrong, and
//! [`run`] plays it, one [`Shard`](crate::shard::Shard) for each server, checking from outside
//! after every turn what must hold in every world (`properties`). When the trouble ends the group
//! has to come back to life under load.
//!
//! | Module | Job |
//! | --- | --- |
//! | [`faults`] | the plan: everything a run is decided by, from the seed |
//! | `runner` | one seed from its first step to its verdict |
//! | `inject` | makes things go wrong, and right again |
//! | `rescue` | a majority is gone for good, and the rest goes on |
//! | [`cluster`] | the scheduler: time jumps to the next thing that happens |
//! | `server` | one machine: disk, clock, process |
//! | `host` | the application on it, and its clients |
//! | [`network`] | messages between servers |
//! | [`disk`] | what a crash leaves |
//! | `properties` | what must hold, one file for each |
//! | `transcript` | what happened, line by line |

pub mod cluster;
pub mod disk;
pub mod faults;
mod host;
mod inject;
pub mod network;
mod properties;
mod rescue;
mod runner;
mod server;
mod transcript;

pub use cluster::{Cluster, ClusterOptions};
pub use disk::{Keep, SimDisk};
pub use faults::{Fault, Mix, Plan};
pub use host::Pace;
pub use network::NetworkOptions;
pub use properties::Violation;
pub use runner::{Failure, Report, Tally, run};
