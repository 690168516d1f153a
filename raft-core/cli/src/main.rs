//! The program `nrg`: what an operator reads a captured frame or a group's files with.

mod decode;
mod hex;
mod json;

use std::io::{self, Write};
use std::process::ExitCode;

const HELP: &str = "\
Reads what NRG groups say and store.

Usage: nrg <command>

Commands:
  decode   read frames in hex from standard input, print each as a JSON object

Options:
  -h, --help      print this text; `nrg <command> --help` says more about a command
  -V, --version   print the version
";

fn main() -> ExitCode {
    // Arguments that are not Unicode are no commands of ours, so any stand-in will do.
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
    let result = match args[..] {
        ["-h" | "--help" | "help"] => print(HELP),
        ["-V" | "--version"] => print(concat!("nrg ", env!("CARGO_PKG_VERSION"), "\n")),
        ["decode"] => decode::run(io::stdin().lock(), io::stdout().lock()),
        ["decode", "-h" | "--help"] => print(decode::HELP),
        [] => return misuse("a command is missing"),
        ["decode", other, ..] => return misuse(&format!("decode takes no argument {other:?}")),
        [other, ..] => return misuse(&format!("{other:?} is no command")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the answers has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn misuse(what: &str) -> ExitCode {
    complain(&format!("{what}\nTry 'nrg --help'."));
    ExitCode::from(2)
}

/// Says what is wrong on standard error; where that is closed too, the exit code has to do.
fn complain(what: &str) {
    let _ = writeln!(io::stderr().lock(), "nrg: {what}");
}
