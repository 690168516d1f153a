//! The stub scan: what must not stand in any source.

use crate::sources::Sources;

/// A text, and why it must not be there.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!(", "code that is not written"),
    ("unimplemented!(", "code that is not written"),
    ("NotImplementedException", "code that is not written"),
    ("assert!(true", "an assertion that can not fail"),
    ("assert_eq!(true, true", "an assertion that can not fail"),
    ("assert(1)", "an assertion that can not fail"),
    ("assert(true)", "an assertion that can not fail"),
    (
        "Should.NotThrow(() => {})",
        "an assertion that can not fail",
    ),
    ("Assert.True(true", "an assertion that can not fail"),
    ("true.ShouldBeTrue(", "an assertion that can not fail"),
    ("false.ShouldBeFalse(", "an assertion that can not fail"),
    ("#[ignore", "a test that does not run"),
    ("[Fact(Skip", "a test that does not run"),
    ("[Theory(Skip", "a test that does not run"),
    ("[RaftFact(Skip", "a test that does not run"),
];

/// One complaint for each place where something forbidden stands.
pub(crate) fn complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources.iter() {
        // The list above is not a stub.
        if path.ends_with("tests/judge/src/scan.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for (word, reason) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
                complaints.push(format!(
                    "{}:{}: {word} ({reason})",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_found_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rs"), "fn f() {\n    todo!()\n}\n").unwrap();
        let name = folder.path().to_str().unwrap();

        let found = complaints(&Sources::load(&[name], &["rs"]).unwrap());

        assert_eq!(found.len(), 1);
        assert!(
            found[0].ends_with("a.rs:2: todo!( (code that is not written)"),
            "{found:?}"
        );
    }
}
