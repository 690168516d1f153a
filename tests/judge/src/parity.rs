//! Judges the ledger: a status without its evidence is an error.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::ledger::{Ledger, Row, Status};
use crate::sources::{Sources, is_empty};
use crate::trx::Run;
use crate::{Verdict, read, scan};

/// Where members and their tests are looked for.
const SHIM: &str = "dotnet-shim/src";
const TESTS: &str = "tests/ZB.MOM.NatsNet.Server.Tests";

/// What the rows are held against.
struct Evidence {
    sources: Sources,
    symbols: BTreeSet<String>,
    /// The last run of the suite, if there was one.
    run: Option<Run>,
}

/// Judges the ledger, scans for stubs, and writes the report.
pub(crate) fn judge(ledger: &Path, trx: &Path, report: &Path) -> Verdict {
    let ledger = Ledger::load(ledger)?;
    let folders = [
        "raft-core",
        "raft-ffi",
        "bindings/generator",
        "dotnet-shim",
        "tests",
    ];
    let mut symbols = BTreeSet::new();
    for file in [
        "bindings/nrg.symbols.txt",
        "bindings/nrg_testing.symbols.txt",
    ] {
        symbols.extend(read(Path::new(file))?.lines().map(str::to_owned));
    }
    let evidence = Evidence {
        sources: Sources::load(&folders, &["rs", "cs", "c", "cpp"])?,
        symbols,
        run: if trx.exists() {
            Some(Run::load(trx)?)
        } else {
            None
        },
    };
    let mut complaints = scan::complaints(&evidence.sources);
    for row in &ledger.feature {
        complaints.extend(missing(row, true, &evidence));
    }
    for row in &ledger.test {
        complaints.extend(missing(row, false, &evidence));
    }
    if !complaints.is_empty() {
        return Err(format!("parity:\n  {}", complaints.join("\n  ")));
    }
    let text = write_report(&ledger);
    if fs::read_to_string(report).is_ok_and(|old| old == text) {
        return Ok(closing(&ledger));
    }
    if let Some(folder) = report.parent() {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    fs::write(report, text).map_err(|error| format!("{}: {error}", report.display()))?;
    Ok(closing(&ledger))
}

/// What a row claims and the evidence does not show.
fn missing(row: &Row, is_feature: bool, evidence: &Evidence) -> Vec<String> {
    let mut missing = Vec::new();
    let mut lacks = |what: String| {
        missing.push(format!(
            "{} {} ({}): {what}",
            row.id,
            row.reference,
            row.status.name()
        ));
    };
    // A test of the reference need not exist in Rust, but a function does.
    if row.status >= Status::Stub && (is_feature || !row.rust.is_empty()) {
        match evidence.sources.rust_body(&row.rust) {
            None => lacks(format!("no Rust function '{}'", row.rust)),
            Some(body) if is_empty(body) => lacks(format!("'{}' is empty", row.rust)),
            Some(_) => {}
        }
    }
    if row.status >= Status::Complete {
        if is_feature && !evidence.symbols.contains(&row.abi) {
            lacks(format!("no exported symbol '{}'", row.abi));
        }
        match evidence.sources.csharp_body(&row.csharp) {
            None => lacks(format!("no C# member '{}'", row.csharp)),
            Some(body) if is_empty(body) => lacks(format!("'{}' is empty", row.csharp)),
            Some(body) if is_unsupported(body) => lacks(format!("'{}' throws", row.csharp)),
            Some(_) if is_feature && !evidence.sources.reaches(SHIM, &row.csharp, &row.abi) => {
                lacks(format!("'{}' does not call '{}'", row.csharp, row.abi));
            }
            Some(_) => {}
        }
        if is_feature {
            for what in misnamed(row) {
                lacks(what);
            }
        }
    }
    if row.status >= Status::Verified {
        let own = [row.csharp.clone()];
        let tests = if is_feature {
            row.tests.as_slice()
        } else {
            &own
        };
        if tests.is_empty() {
            lacks("no test is named".to_owned());
        }
        match &evidence.run {
            None => lacks("no results of a run: ./build.sh test makes them".to_owned()),
            Some(run) => {
                for test in tests.iter().filter(|test| !run.passed(&format!(".{test}"))) {
                    lacks(format!("{test} did not pass in the last run"));
                }
            }
        }
        let member = row.csharp.rsplit('.').next().unwrap_or_default();
        let call = format!(".{member}");
        for test in tests.iter().filter(|_| is_feature) {
            if !evidence.sources.reaches(TESTS, test, &call) {
                lacks(format!("{test} does not call '{}'", row.csharp));
            }
        }
    }
    missing
}

/// A mapped function has the reference's name everywhere, spelled as each language spells it.
fn misnamed(row: &Row) -> Vec<String> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let last = |path: &str, mark: &str| path.rsplit(mark).next().map(plain).unwrap_or_default();
    let name = last(&row.reference, ".");
    let mut wrong = Vec::new();
    if last(&row.rust, "::") != name {
        wrong.push(format!("'{}' has another name", row.rust));
    }
    if last(&row.csharp, ".") != name {
        wrong.push(format!("'{}' has another name", row.csharp));
    }
    // The public members reach the node by what is shipped.
    let for_tests = row.abi.strip_prefix("nrg_test_").map(plain);
    if for_tests.is_some_and(|symbol| symbol != name) {
        wrong.push(format!("'{}' has another name", row.abi));
    }
    wrong
}

/// Whether a member only says that it cannot do it.
fn is_unsupported(body: &str) -> bool {
    ["NotSupportedException", "NotYet("]
        .iter()
        .any(|word| body.contains(word))
}

fn closing(ledger: &Ledger) -> String {
    format!(
        "parity: features {}; tests {}",
        counts(&ledger.feature),
        counts(&ledger.test)
    )
}

fn counts(rows: &[Row]) -> String {
    let count = |status| rows.iter().filter(|row| row.status == status).count();
    let parts: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| format!("{} {}", count(status), status.name()))
        .collect();
    parts.join(", ")
}

fn write_report(ledger: &Ledger) -> String {
    let mut out = String::from(
        "# Parity with the reference\n\n\
         Written by `./build.sh parity` from `tests/parity.toml`. A row is *stub* when the Rust\n\
         function is there, *complete* when it works and C# reaches it, *verified* when the named\n\
         tests passed in the last run; the command fails when a status lacks this evidence.\n",
    );
    let sections = [("Functions", &ledger.feature), ("Tests", &ledger.test)];
    for (title, rows) in sections {
        let _ = write!(out, "\n## {title}\n\n{}.\n\n", counts(rows));
        out.push_str("| ID | Reference | Rust | ABI | C# | Tests | Status |\n");
        out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        for row in rows {
            let cells = [&row.reference, &row.rust, &row.abi, &row.csharp].map(|text| code(text));
            let tests: Vec<String> = row.tests.iter().map(|test| code(test)).collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                row.id,
                cells.join(" | "),
                tests.join(" "),
                row.status.name()
            );
        }
    }
    out
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: Status) -> Row {
        Row {
            id: 1,
            reference: "raft.send".to_owned(),
            rust: "send.rs::send".to_owned(),
            abi: "nrg_test_send".to_owned(),
            csharp: "Raft.Send".to_owned(),
            tests: vec!["RaftNodeTests.Send".to_owned()],
            status,
        }
    }

    fn evidence(symbols: &[&str]) -> Evidence {
        Evidence {
            sources: Sources::load(&[], &[]).unwrap(),
            symbols: symbols.iter().map(|name| (*name).to_owned()).collect(),
            run: None,
        }
    }

    #[test]
    fn every_step_of_the_status_needs_more_evidence() {
        let none = evidence(&[]);
        let lacking = |status| missing(&row(status), true, &none).len();

        assert_eq!(lacking(Status::Deferred), 0);
        assert_eq!(lacking(Status::Stub), 1, "the Rust function");
        assert_eq!(
            lacking(Status::Complete),
            3,
            "and the symbol, and the member"
        );
        assert_eq!(
            lacking(Status::Verified),
            5,
            "and a run, and the test's call"
        );
        let with_symbol = evidence(&["nrg_test_send"]);
        assert_eq!(missing(&row(Status::Complete), true, &with_symbol).len(), 2);
    }

    #[test]
    fn a_row_has_one_name_in_all_languages() {
        let mut row = row(Status::Complete);
        row.reference = "raft.storeToWAL".to_owned();
        row.rust = "persist.rs::store_to_wal".to_owned();
        row.abi = "nrg_test_store_to_wal".to_owned();
        row.csharp = "Raft.StoreToWAL".to_owned();
        assert_eq!(misnamed(&row), Vec::<String>::new());

        row.rust = "persist.rs::store".to_owned();
        row.abi = "nrg_test_store".to_owned();
        row.csharp = "Raft.Store".to_owned();
        assert_eq!(misnamed(&row).len(), 3);
    }

    #[test]
    fn a_mandated_test_needs_no_symbol() {
        let mut test = row(Status::Complete);
        test.rust.clear();

        assert_eq!(
            missing(&test, false, &evidence(&[])).len(),
            1,
            "only the C# method"
        );
    }
}
