//! Judges the output of `cargo test`.

use std::path::Path;

use crate::minimum::Minimum;
use crate::{Verdict, read};

/// One test binary.
#[derive(Debug, PartialEq)]
struct Binary {
    name: String,
    passed: usize,
    failed: usize,
    ignored: usize,
    seconds: f64,
}

/// Every binary passed, nothing was ignored, and there were enough tests.
pub(crate) fn judge(log: &Path) -> Verdict {
    let text = read(log)?;
    verdict(&text, Minimum::load()?.of("cargo")?)
}

fn verdict(text: &str, minimum: usize) -> Verdict {
    let binaries = binaries(text)?;
    let passed: usize = binaries.iter().map(|binary| binary.passed).sum();
    let failed: usize = binaries.iter().map(|binary| binary.failed).sum();
    let ignored: usize = binaries.iter().map(|binary| binary.ignored).sum();
    if failed > 0 || text.lines().any(|line| line.starts_with("error: ")) {
        return Err(format!("cargo test: {failed} failed"));
    }
    if ignored > 0 {
        return Err(format!(
            "cargo test: {ignored} ignored; a test runs or is not there"
        ));
    }
    if passed < minimum {
        return Err(format!(
            "cargo test: {passed} tests, expected at least {minimum}"
        ));
    }
    let mut slowest: Vec<&Binary> = binaries.iter().collect();
    slowest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let slowest: Vec<String> = slowest
        .iter()
        .take(3)
        .map(|binary| format!("{} {:.1} s", binary.name, binary.seconds))
        .collect();
    Ok(format!(
        "cargo test: ok. {passed} passed in {} binaries; slowest: {}",
        binaries.len(),
        slowest.join(", ")
    ))
}

fn binaries(text: &str) -> Result<Vec<Binary>, String> {
    let mut binaries = Vec::new();
    let (mut name, mut announced) = (String::new(), 0_usize);
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("Running ") {
            announced += 1;
            name = rest.split(" (").next().unwrap_or(rest).to_owned();
        } else if let Some(rest) = line.strip_prefix("Doc-tests ") {
            announced += 1;
            name = format!("doc {rest}");
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            let count = |word: &str| number_before(rest, word);
            binaries.push(Binary {
                name: name.clone(),
                passed: count(" passed")?,
                failed: count(" failed")?,
                ignored: count(" ignored")?,
                seconds: rest
                    .rsplit("finished in ")
                    .next()
                    .and_then(|text| text.strip_suffix('s'))
                    .and_then(|text| text.parse().ok())
                    .unwrap_or_default(),
            });
        }
    }
    // One bench or example binary without a harness prints no result; tests always do.
    if binaries.is_empty() || announced < binaries.len() {
        return Err(format!(
            "cargo test: {} results of {announced} binaries",
            binaries.len()
        ));
    }
    if let Some(line) = text.lines().find(|line| line.contains("(signal: ")) {
        return Err(format!("cargo test: {line}"));
    }
    Ok(binaries)
}

fn number_before(text: &str, word: &str) -> Result<usize, String> {
    text.split(word)
        .next()
        .and_then(|head| head.rsplit(' ').next())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("cargo test: no number before '{word}' in '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREEN: &str = "     Running unittests src/lib.rs (target/debug/deps/x)\n\
        test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
        finished in 1.50s\n   Doc-tests x\ntest result: ok. 1 passed; 0 failed; 0 ignored; \
        0 measured; 0 filtered out; finished in 0.10s\n";

    #[test]
    fn a_green_log_is_counted() {
        let line = verdict(GREEN, 4).unwrap();
        assert!(
            line.starts_with("cargo test: ok. 4 passed in 2 binaries"),
            "{line}"
        );
    }

    #[test]
    fn failures_ignored_tests_crashes_and_too_few_tests_are_not_green() {
        assert!(verdict(GREEN, 5).is_err());
        assert!(verdict(&GREEN.replace("0 failed", "1 failed"), 1).is_err());
        assert!(verdict(&GREEN.replace("0 ignored", "2 ignored"), 1).is_err());
        assert!(verdict(&format!("{GREEN}  (signal: 6, SIGABRT)\n"), 1).is_err());
        assert!(verdict(&format!("{GREEN}error: test failed\n"), 1).is_err());
        assert!(verdict("", 0).is_err());
    }
}
