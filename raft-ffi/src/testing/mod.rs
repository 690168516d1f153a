//! White-box access for the suites: the symbols `nrg_test_*` (feature `testing`).
//!
//! Nothing here is promised to anyone but the tests of this repository, and nothing here is in a
//! shipped library. The header of these functions is `bindings/c/nrg_testing.h`.

mod call;

pub mod catchup;
pub mod clock;
pub mod codec;
pub mod echo;
pub mod elections;
pub mod fault;
pub mod hands;
pub mod log;
pub mod loopback;
pub mod membership;
pub mod node;
pub mod objects;
pub mod replication;
pub mod snapshots;
pub mod types;
