//! The C ABI of the Raft engine, as the library `natsraft`.
//!
//! This crate translates and decides nothing. Every entry point is four steps: [`guard`], convert,
//! call, map the result. The conventions a caller has to know are in `docs/abi.md`; the header is
//! generated from these sources and committed as `bindings/c/nrg.h`.
//!
//! Open [`status`] first (what a call can answer), then [`library`] (the simplest entry points),
//! then [`node`].

#[cfg(panic = "abort")]
compile_error!("natsraft turns panics into statuses and needs panic = \"unwind\"");

pub mod constants;
pub mod status;
pub mod types;

pub mod layout;
pub mod library;

pub mod runtime;

pub mod node;

pub mod propose;

pub mod apply;
pub mod batch;

pub mod lead;
pub mod membership;
pub mod query;
pub mod snapshot;

pub mod loopback;
pub mod transport;

pub mod convert;
pub mod guard;
pub mod live;

mod errors;

#[cfg(feature = "testing")]
pub mod testing;
