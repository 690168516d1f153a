//! Judges a results file of `dotnet test`.
//!
//! The console can say "Passed!" although the test process died: only the exit code, the outcome
//! of the whole run and a definition without a result tell.

use std::collections::BTreeMap;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::minimum::Minimum;
use crate::{Verdict, read};

/// The filters that have to select a green set.
const FILTERS: [&str; 3] = ["RaftTypes", "RaftNodeTests", "ImplBacklog"];

/// How much of the suite a run was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extent {
    /// All of it: the counts and the filters are judged too.
    Whole,
    /// A part of it, in a process of its own.
    Filtered,
}

/// A test as it was defined, with the outcomes of its cases.
#[derive(Debug, Default)]
struct Test {
    /// Class and method, as the filters see them.
    name: String,
    outcomes: Vec<String>,
}

/// What a results file holds.
#[derive(Debug, Default)]
pub(crate) struct Run {
    outcome: String,
    tests: BTreeMap<String, Test>,
    /// Display name and duration of each case.
    durations: Vec<(String, String)>,
}

/// Judges a results file with the exit code of the run that wrote it.
pub(crate) fn judge(file: &Path, exit_code: &str, extent: Extent) -> Verdict {
    let run = Run::load(file)?;
    let minimum = Minimum::load()?;
    let line = run.verdict(exit_code, extent, &minimum)?;
    Ok(match extent {
        Extent::Whole => format!("{line}\n{}", run.slowest(10)),
        Extent::Filtered => line,
    })
}

impl Run {
    /// Reads a results file.
    pub(crate) fn load(file: &Path) -> Result<Self, String> {
        Self::parse(&read(file)?).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let (mut run, mut definition) = (Self::default(), String::new());
        let mut results = Vec::new();
        loop {
            let element = match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(element) | Event::Empty(element) => element,
                Event::Eof => break,
                _ => continue,
            };
            match element.name().as_ref() {
                b"UnitTest" => definition = attribute(&element, "id")?,
                b"TestMethod" => {
                    let class = attribute(&element, "className")?;
                    let name = format!("{class}.{}", method(&attribute(&element, "name")?, &class));
                    run.tests.insert(
                        definition.clone(),
                        Test {
                            name,
                            outcomes: Vec::new(),
                        },
                    );
                }
                b"UnitTestResult" => {
                    results.push((
                        attribute(&element, "testId")?,
                        attribute(&element, "outcome")?,
                    ));
                    // A test that was not executed has no duration.
                    let duration = attribute(&element, "duration").unwrap_or_default();
                    run.durations
                        .push((attribute(&element, "testName")?, duration));
                }
                b"ResultSummary" => run.outcome = attribute(&element, "outcome")?,
                _ => {}
            }
        }
        for (id, outcome) in results {
            let test = run
                .tests
                .get_mut(&id)
                .ok_or_else(|| format!("no definition of {id}"))?;
            test.outcomes.push(outcome);
        }
        Ok(run)
    }

    /// Whether a test of this class and method name ran and every case of it passed.
    pub(crate) fn passed(&self, wanted: &str) -> bool {
        let mut cases = self
            .tests
            .values()
            .filter(|test| test.name.ends_with(wanted))
            .peekable();
        cases.peek().is_some() && cases.all(Test::passed)
    }

    fn verdict(&self, exit_code: &str, extent: Extent, minimum: &Minimum) -> Verdict {
        let mut complaints = Vec::new();
        if exit_code != "0" {
            complaints.push(format!("exit code {exit_code}"));
        }
        if self.outcome != "Completed" {
            complaints.push(format!("the run's outcome is '{}'", self.outcome));
        }
        for test in self.tests.values().filter(|test| !test.passed()) {
            let skipped = test.outcomes.iter().all(|outcome| outcome == "NotExecuted");
            if test.outcomes.is_empty() {
                complaints.push(format!("{} has no result", test.name));
            } else if !(skipped && minimum.may_skip(&test.name)) {
                complaints.push(format!("{}: {}", test.name, test.outcomes.join(", ")));
            }
        }
        let total = self.tests.len();
        if total == 0 {
            complaints.push("no test was defined".to_owned());
        }
        let mut counts = vec![format!("{total} tests")];
        if extent == Extent::Whole {
            let least = minimum.of("dotnet")?;
            if total < least {
                complaints.push(format!("{total} tests, expected at least {least}"));
            }
            for filter in FILTERS {
                let least = minimum.of(&format!("~{filter}"))?;
                let selected = self
                    .tests
                    .values()
                    .filter(|test| test.name.contains(filter));
                let green = selected.filter(|test| test.passed()).count();
                if green < least.max(1) {
                    complaints.push(format!("~{filter}: {green} green, expected {least}"));
                }
                counts.push(format!("~{filter} {green}"));
            }
        }
        if complaints.is_empty() {
            Ok(format!("dotnet test: passed; {}", counts.join(", ")))
        } else {
            Err(format!("dotnet test: {}", complaints.join("; ")))
        }
    }

    /// The slowest cases, one a line.
    fn slowest(&self, count: usize) -> String {
        let mut cases = self.durations.clone();
        // hh:mm:ss.fffffff sorts as text.
        cases.sort_by(|a, b| b.1.cmp(&a.1));
        let lines = cases
            .iter()
            .take(count)
            .map(|(name, time)| format!("  {time} {name}\n"));
        format!("slowest tests:\n{}", lines.collect::<String>().trim_end())
    }
}

impl Test {
    fn passed(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|outcome| outcome == "Passed")
    }
}

/// The method's own name: some adapters write it with its class, some with its arguments.
fn method(name: &str, class: &str) -> String {
    let bare = name.split('(').next().unwrap_or(name);
    bare.strip_prefix(class)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(bare)
        .to_owned()
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<String, String> {
    let found = element
        .try_get_attribute(name)
        .map_err(|error| error.to_string())?;
    let tag = String::from_utf8_lossy(element.name().as_ref()).into_owned();
    found
        .ok_or_else(|| format!("{tag} without {name}"))?
        .unescape_value()
        .map(|value| value.into_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of two tests, the second a theory of two cases.
    fn trx(second_outcome: &str, run_outcome: &str) -> Run {
        Run::parse(&format!(
            r#"<TestRun><Results>
            <UnitTestResult testId="1" testName="A" outcome="Passed" duration="00:00:01.5"/>
            <UnitTestResult testId="2" testName="B(1)" outcome="Passed" duration="00:00:09.1"/>
            <UnitTestResult testId="2" testName="B(2)" outcome="{second_outcome}"/>
            </Results><TestDefinitions>
            <UnitTest id="1"><TestMethod className="N.ImplBacklog.RaftNodeTests" name="A"/></UnitTest>
            <UnitTest id="2"><TestMethod className="N.RaftTypesTests" name="B(x: 1)"/></UnitTest>
            </TestDefinitions><ResultSummary outcome="{run_outcome}"/></TestRun>"#
        ))
        .unwrap()
    }

    fn minimum(count: usize) -> Minimum {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let text = format!(
            "dotnet {count}\n~RaftTypes 1\n~RaftNodeTests 1\n~ImplBacklog 1\n\
             skip N.RaftTypesTests.B needs a broker\n"
        );
        std::fs::write(&path, text).unwrap();
        Minimum::parse_file(&path).unwrap()
    }

    #[test]
    fn a_green_run_names_its_counts_and_its_slowest_case() {
        let run = trx("Passed", "Completed");
        let line = run.verdict("0", Extent::Whole, &minimum(2)).unwrap();

        assert_eq!(
            line,
            "dotnet test: passed; 2 tests, ~RaftTypes 1, ~RaftNodeTests 1, ~ImplBacklog 1"
        );
        assert!(run.slowest(1).contains("00:00:09.1 B(1)"));
        assert!(run.passed("RaftTypesTests.B") && !run.passed("RaftTypesTests.C"));
    }

    #[test]
    fn a_crash_that_the_console_calls_passed_is_not_green() {
        let whole = Extent::Whole;
        assert!(
            trx("Passed", "Failed")
                .verdict("0", whole, &minimum(2))
                .is_err()
        );
        assert!(
            trx("Passed", "Completed")
                .verdict("1", whole, &minimum(2))
                .is_err()
        );
        let mut killed = trx("Passed", "Completed");
        killed.tests.get_mut("1").unwrap().outcomes.clear();
        assert!(killed.verdict("0", whole, &minimum(2)).is_err());
        assert!(
            Run::default()
                .verdict("0", Extent::Filtered, &minimum(0))
                .is_err()
        );
    }

    #[test]
    fn failures_skips_and_too_few_tests_are_not_green() {
        let whole = Extent::Whole;
        assert!(
            trx("Failed", "Completed")
                .verdict("0", whole, &minimum(2))
                .is_err()
        );
        assert!(
            trx("Passed", "Completed")
                .verdict("0", whole, &minimum(3))
                .is_err()
        );
        assert!(
            trx("NotExecuted", "Completed")
                .verdict("0", whole, &minimum(2))
                .is_err()
        );
    }

    #[test]
    fn a_listed_skip_is_allowed_but_does_not_count_for_its_filter() {
        let mut run = trx("NotExecuted", "Completed");
        run.tests.get_mut("2").unwrap().outcomes = vec!["NotExecuted".to_owned()];

        assert!(run.verdict("0", Extent::Filtered, &minimum(2)).is_ok());
        assert!(run.verdict("0", Extent::Whole, &minimum(2)).is_err());
    }
}
