//! Writes everything in `bindings/` that is generated from the sources of `raft-ffi`.
//!
//! ```text
//! natsraft-bindings FFI_SOURCES OUT_DIR SHIP_LIBRARY TESTING_LIBRARY
//! ```
//!
//! The sources are the only list: a function, a struct, a handle or a constant added to them needs
//! no change here. Whatever the generator does not understand is an error, never left out.

mod abi;
mod constant;
mod csharp;
mod header;
mod source;
mod symbols;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// What every step of the generator yields.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [sources, out, ship, testing] = arguments.as_slice() else {
        eprintln!("usage: natsraft-bindings FFI_SOURCES OUT_DIR SHIP_LIBRARY TESTING_LIBRARY");
        return ExitCode::from(2);
    };
    match generate(sources, out, ship, testing) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindings: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the sources, checks both libraries against them and writes all outputs.
fn generate(sources: &Path, out: &Path, ship: &Path, testing: &Path) -> Outcome<()> {
    let abi = source::read_crate(sources)?;
    let exported = symbols::exported(ship)?;
    let exported_for_tests = symbols::exported(testing)?;
    symbols::check(&abi, &exported, &exported_for_tests)?;
    let csharp = csharp::declarations(&abi)?;

    write(out, "c/nrg.h", &header::ship(&abi)?)?;
    write(out, "c/nrg_testing.h", &header::testing(&abi)?)?;
    write(out, "csharp/Nrg.Native.cs", &csharp.native)?;
    write(out, "csharp/Nrg.Testing.cs", &csharp.testing)?;
    write(out, "csharp/Nrg.Constants.cs", &csharp::constants(&abi))?;
    write(out, "nrg.symbols.txt", &symbols::list(&exported))?;
    let only_for_tests = exported_for_tests.difference(&exported).cloned().collect();
    write(
        out,
        "nrg_testing.symbols.txt",
        &symbols::list(&only_for_tests),
    )
}

fn write(out: &Path, name: &str, text: &str) -> Outcome<()> {
    let path = out.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Tidied here, once: the outputs are committed, and no tool leaves blanks at line ends.
    let mut tidy = String::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && (tidy.is_empty() || tidy.ends_with("\n\n"))) {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy.truncate(tidy.trim_end().len());
    tidy.push('\n');
    fs::write(&path, tidy).map_err(|error| format!("{}: {error}", path.display()).into())
}
