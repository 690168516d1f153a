//! Reads `tests/parity.toml`: what of the reference is mapped, and how far it has come.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::read;

/// The rows the ledger has to have: the mapped functions, and the mandated tests.
const FEATURES: usize = 53;
const TESTS: usize = 19;

/// The whole ledger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    pub(crate) feature: Vec<Row>,
    pub(crate) test: Vec<Row>,
}

/// One function or one test of the reference.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: u32,
    /// The name in the reference.
    pub(crate) reference: String,
    /// `file::function`.
    #[serde(default)]
    pub(crate) rust: String,
    /// The exported symbol that reaches it.
    #[serde(default)]
    pub(crate) abi: String,
    /// `Class.Member`.
    #[serde(default)]
    pub(crate) csharp: String,
    /// xUnit tests, `Class.Method`, that prove it.
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    pub(crate) status: Status,
}

/// How far a row has come; each step includes the ones before it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Not begun.
    Deferred,
    /// The Rust function is there.
    Stub,
    /// It works, and C# reaches it.
    Complete,
    /// The named tests passed in the last run.
    Verified,
}

impl Status {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 4] = [Self::Deferred, Self::Stub, Self::Complete, Self::Verified];

    /// As the ledger writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Stub => "stub",
            Self::Complete => "complete",
            Self::Verified => "verified",
        }
    }
}

impl Ledger {
    /// Reads a ledger that has all its rows, each once.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        Self::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let ledger: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if (ledger.feature.len(), ledger.test.len()) != (FEATURES, TESTS) {
            return Err(format!(
                "{} features and {} tests, not {FEATURES} and {TESTS}",
                ledger.feature.len(),
                ledger.test.len()
            ));
        }
        let mut seen = BTreeSet::new();
        let twice = ledger
            .rows()
            .find(|row| !seen.insert(row.id))
            .map(|row| row.id);
        twice.map_or(Ok(ledger), |id| Err(format!("{id} is there twice")))
    }

    /// Features, then tests.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.feature.iter().chain(&self.test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(first: u32, tests: u32) -> String {
        let row = |kind: &str, id: u32| {
            format!("[[{kind}]]\nid = {id}\nreference = \"x\"\nstatus = \"deferred\"\n")
        };
        let features = (0..53).map(|id| row("feature", first.max(id)));
        features
            .chain((0..tests).map(|id| row("test", 100 + id)))
            .collect()
    }

    #[test]
    fn a_ledger_has_every_row_once() {
        assert_eq!(Ledger::parse(&text(0, 19)).unwrap().rows().count(), 72);
        assert!(Ledger::parse(&text(0, 18)).is_err());
        assert!(Ledger::parse(&text(1, 19)).is_err(), "id 1 twice");
        let unknown = text(0, 19).replacen("deferred", "nearly", 1);
        assert!(Ledger::parse(&unknown).is_err());
    }
}
