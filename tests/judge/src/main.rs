//! Judges the suites, because a green line is not yet a green run.
//!
//! A crashed test process, a filter that matches nothing and a skipped test can all end in
//! "Passed!". So `build.sh test` hands the records of each run to this program:
//!
//! ```text
//! judge cargo LOG               every test binary of `cargo test`, and the least number of tests
//! judge trx FILE EXIT_CODE      a whole run of the xUnit suite, its filters, its slowest tests
//! judge stress FILE EXIT_CODE   a filtered run: no counts
//! judge parity LEDGER TRX OUT   the ledger against sources, symbols and results; writes a report
//! ```

mod cargo_log;
mod ledger;
mod minimum;
mod parity;
mod scan;
mod sources;
mod trx;

use std::path::Path;
use std::process::ExitCode;

/// What a judgement ends with: the closing line, or why the run is not green.
type Verdict = Result<String, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let verdict = match arguments.as_slice() {
        ["cargo", log] => cargo_log::judge(Path::new(log)),
        ["trx", file, exit_code] => trx::judge(Path::new(file), exit_code, trx::Extent::Whole),
        ["stress", file, exit_code] => {
            trx::judge(Path::new(file), exit_code, trx::Extent::Filtered)
        }
        ["parity", ledger, trx, out] => {
            parity::judge(Path::new(ledger), Path::new(trx), Path::new(out))
        }
        _ => Err(
            "usage: judge cargo LOG | trx FILE EXIT_CODE | stress FILE EXIT_CODE \
                  | parity LEDGER TRX OUT"
                .to_owned(),
        ),
    };
    match verdict {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("judge: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The text of a file, with its name in the error.
fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
