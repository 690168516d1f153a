//! The exported symbols of a library, read with `nm`, and their comparison with the sources.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::abi::Abi;

/// The names a shared library exports, without what belongs to the toolchain.
pub(crate) fn exported(library: &Path) -> Outcome<BTreeSet<String>> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=posix"])
        .arg(library)
        .output()
        .map_err(|error| format!("nm: {error} (part of binutils)"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| !matches!(*name, "_init" | "_fini" | "rust_eh_personality"))
        .map(str::to_owned)
        .collect())
}

/// Each library exports exactly what the sources declare for it.
pub(crate) fn check(abi: &Abi, ship: &BTreeSet<String>, testing: &BTreeSet<String>) -> Outcome<()> {
    let declared = |with_testing: bool| -> BTreeSet<String> {
        let functions = abi
            .functions
            .iter()
            .filter(|item| with_testing || !item.testing);
        functions.map(|item| item.name.clone()).collect()
    };
    for (flavour, exported, declared) in [
        ("ship", ship, declared(false)),
        ("testing", testing, declared(true)),
    ] {
        let missing: Vec<_> = declared.difference(exported).cloned().collect();
        let strange: Vec<_> = exported.difference(&declared).cloned().collect();
        if !missing.is_empty() || !strange.is_empty() {
            return Err(format!(
                "the {flavour} library lacks [{}] and exports without a source [{}]",
                missing.join(", "),
                strange.join(", ")
            )
            .into());
        }
    }
    Ok(())
}

/// One name a line, sorted.
pub(crate) fn list(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .flat_map(|name| [name.as_str(), "\n"])
        .collect()
}
