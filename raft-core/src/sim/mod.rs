//! A seeded world for the engine: the same code over a disk that crashes on demand.

pub mod disk;

pub use disk::{Keep, SimDisk};
