//! NATS subject patterns: `*` stands for one token, `>` at the end for one or more.

/// A pattern, split once.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Box<[Box<str>]>);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.split('.').map(Box::from).collect())
    }

    pub(super) fn matches(&self, subject: &str) -> bool {
        let mut tokens = subject.split('.');
        let mut wanted = self.0.iter().peekable();
        while let Some(want) = wanted.next() {
            let Some(token) = tokens.next() else {
                return false;
            };
            let rest = &**want == ">" && wanted.peek().is_none();
            if rest {
                return true;
            }
            if &**want != "*" && **want != *token {
                return false;
            }
        }
        tokens.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_nats_matches_them() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.b", "a", false),
            ("a", "a.b", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.*.c", "a.b.c", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            // Only at the end does it mean the rest.
            ("a.>.c", "a.b.c", false),
        ];
        for (pattern, subject, expected) in cases {
            assert_eq!(
                Pattern::new(pattern).matches(subject),
                expected,
                "{pattern} {subject}"
            );
        }
    }
}
