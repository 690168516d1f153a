//! Reads `tests/minimum-counts.txt`: the least number of tests, and the tests that may be skipped.

use std::collections::BTreeMap;
use std::path::Path;

use crate::read;

/// Where the numbers stand, seen from the root of the repository.
pub(crate) const FILE: &str = "tests/minimum-counts.txt";

/// The least numbers of tests.
#[derive(Debug, Default)]
pub(crate) struct Minimum {
    counts: BTreeMap<String, usize>,
    /// Tests that may stay unexecuted, each with a reason.
    skips: BTreeMap<String, String>,
}

impl Minimum {
    /// Reads the committed file.
    pub(crate) fn load() -> Result<Self, String> {
        Self::parse_file(Path::new(FILE))
    }

    /// Reads a file of this form.
    pub(crate) fn parse_file(path: &Path) -> Result<Self, String> {
        Self::parse(&read(path)?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut minimum = Self::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || format!("{FILE}: '{line}' is neither NAME COUNT nor skip NAME REASON");
            let (first, rest) = line.split_once(' ').ok_or_else(wrong)?;
            if first == "skip" {
                let (name, reason) = rest.trim().split_once(' ').ok_or_else(wrong)?;
                minimum
                    .skips
                    .insert(name.to_owned(), reason.trim().to_owned());
            } else {
                let count = rest.trim().parse().map_err(|_| wrong())?;
                minimum.counts.insert(first.to_owned(), count);
            }
        }
        Ok(minimum)
    }

    /// The least number for a suite or a filter, which has to be there.
    pub(crate) fn of(&self, name: &str) -> Result<usize, String> {
        self.counts
            .get(name)
            .copied()
            .ok_or_else(|| format!("{FILE} has no line for {name}"))
    }

    /// Whether a test may stay unexecuted.
    pub(crate) fn may_skip(&self, test: &str) -> bool {
        self.skips.contains_key(test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_skips_are_read_and_anything_else_is_refused() {
        let minimum = Minimum::parse("# c\n\ncargo 12\nskip A.B needs a broker\n").unwrap();

        assert_eq!(minimum.of("cargo"), Ok(12));
        assert!(minimum.may_skip("A.B") && !minimum.may_skip("A.C"));
        assert!(minimum.of("dotnet").is_err());
        assert!(Minimum::parse("cargo many").is_err());
        assert!(Minimum::parse("skip A.B").is_err(), "a skip needs a reason");
    }
}
