//! Finds functions and members in the sources of the repository, by their text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Source files, found once.
#[derive(Debug)]
pub(crate) struct Sources(Vec<(PathBuf, String)>);

/// How far calls are followed from a member to what it has to reach.
const CALLS_FOLLOWED: u32 = 4;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 5] = ["target", "artifacts", "bin", "obj", "vectors"];

impl Sources {
    /// All files of these kinds below these folders, in the order of their names.
    pub(crate) fn load(folders: &[&str], extensions: &[&str]) -> Result<Self, String> {
        let mut paths = Vec::new();
        for folder in folders {
            collect(Path::new(folder), extensions, &mut paths)
                .map_err(|error| format!("{folder}: {error}"))?;
        }
        paths.sort();
        let read = |path: PathBuf| crate::read(&path).map(|text| (path, text));
        Ok(Self(paths.into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Path and text of each file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.0
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// The body of the Rust function that `file::name` points to.
    pub(crate) fn rust_body(&self, place: &str) -> Option<&str> {
        let (file, name) = place.split_once("::")?;
        let (_, text) = self.iter().find(|(path, _)| *path == Path::new(file))?;
        let at = find_word(text, &format!("fn {name}"))?;
        block(text.get(at..)?)
    }

    /// Whether the C# member that `Class.Member` points to says `word`, or one of the members below
    /// `folder` does that it calls, or one that those call.
    pub(crate) fn reaches(&self, folder: &str, place: &str, word: &str) -> bool {
        let Some(body) = self.csharp_body(place) else {
            return false;
        };
        let mut bodies = vec![body];
        let mut seen = BTreeSet::new();
        for _ in 0..CALLS_FOLLOWED {
            if bodies.iter().any(|body| find_word(body, word).is_some()) {
                return true;
            }
            let called: BTreeSet<&str> = bodies.iter().flat_map(|body| calls(body)).collect();
            let fresh = called.into_iter().filter(|name| seen.insert(*name));
            bodies = fresh.flat_map(|name| self.members(folder, name)).collect();
        }
        false
    }

    /// The bodies of all C# members of a name below a folder.
    fn members<'a>(&'a self, folder: &'a str, name: &str) -> Vec<&'a str> {
        self.iter()
            .filter(|(path, _)| path.starts_with(folder))
            .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "cs"))
            .filter_map(|(_, text)| declaration(text, name))
            .collect()
    }

    /// The body of the C# member that `Class.Member` points to.
    pub(crate) fn csharp_body(&self, place: &str) -> Option<&str> {
        let (class, member) = place.rsplit_once('.')?;
        self.iter()
            .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "cs"))
            .filter(|(_, text)| find_word(text, &format!("class {class}")).is_some())
            .find_map(|(_, text)| declaration(text, member))
    }
}

fn collect(folder: &Path, extensions: &[&str], out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED.contains(&name) && !name.starts_with('.') {
                collect(&path, extensions, out)?;
            }
        } else if path
            .extension()
            .is_some_and(|found| extensions.iter().any(|e| found == *e))
        {
            out.push(path);
        }
    }
    Ok(())
}

/// Where a text stands that does not go on as an identifier.
fn find_word(text: &str, word: &str) -> Option<usize> {
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let after = text
            .get(at + word.len()..)
            .and_then(|rest| rest.chars().next());
        !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

/// The names that a body calls, or hands on to be called.
fn calls(body: &str) -> impl Iterator<Item = &str> {
    body.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| word.chars().next().is_some_and(char::is_uppercase))
}

/// The body of a C# member: a declaration line names an accessibility.
fn declaration<'a>(text: &'a str, member: &str) -> Option<&'a str> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let called = [format!(" {member}("), format!(" {member}<")];
        let declared = ["public ", "internal ", "private ", "protected "];
        let head = line.split(['{', '=']).next().unwrap_or(line);
        if called.iter().any(|name| head.contains(name))
            && declared
                .iter()
                .any(|word| line.trim_start().starts_with(word))
        {
            return csharp_block(text.get(offset..)?);
        }
        offset += line.len();
    }
    None
}

/// The block of a member, or the expression after `=>`.
fn csharp_block(text: &str) -> Option<&str> {
    let arrow = text.find("=>").unwrap_or(usize::MAX);
    let brace = text.find('{').unwrap_or(usize::MAX);
    if arrow < brace {
        let rest = text.get(arrow + 2..)?;
        return rest.get(..end_of_expression(rest)?);
    }
    block(text)
}

/// Where the semicolon stands that is within no brackets.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ';' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// What stands between the first brace and its partner, without the comments.
fn block(text: &str) -> Option<&str> {
    let start = text.find('{')? + 1;
    let mut depth = 1_u32;
    for (at, letter) in text.get(start..)?.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(start..start + at);
        }
    }
    None
}

/// Whether a body does nothing: blanks and comments only.
pub(crate) fn is_empty(body: &str) -> bool {
    body.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(path: &str, text: &str) -> Sources {
        Sources(vec![(PathBuf::from(path), text.to_owned())])
    }

    fn sources_of(text: &str) -> Sources {
        sources("a/T.cs", text)
    }

    #[test]
    fn a_rust_function_is_found_by_its_whole_name() {
        let sources = sources(
            "a/b.rs",
            "fn send_all() { 1 }\npub fn send(x: u8) -> u8 { { x } }",
        );

        assert_eq!(sources.rust_body("a/b.rs::send"), Some(" { x } "));
        assert_eq!(sources.rust_body("a/b.rs::sen"), None);
        assert_eq!(sources.rust_body("a/c.rs::send"), None);
    }

    #[test]
    fn a_member_reaches_a_symbol_through_what_it_calls_and_no_other() {
        let text = "class Raft\n{\n    public int One() => Two(x => x.Three());\n\
                    \n    private int Two(F f) { return Interop.nrg_two(f); }\n\
                    \n    private int Three() => Interop.nrg_three();\n\
                    \n    private int Four() => Interop.nrg_three_more();\n}\n";
        let sources = sources("a/Raft.cs", text);

        assert!(sources.reaches("a", "Raft.One", "nrg_two"));
        assert!(sources.reaches("a", "Raft.One", "nrg_three"));
        assert!(!sources.reaches("a", "Raft.Four", "nrg_three"));
        assert!(!sources.reaches("b", "Raft.One", "nrg_two"), "elsewhere");
    }

    #[test]
    fn a_csharp_member_is_found_in_its_class_and_not_where_it_is_called() {
        let text = "public sealed partial class Raft\n{\n    public void Other() { Send(1); }\n\
                    \n    internal void Send(int x) => Call(x);\n    internal void Empty()\n\
                    \n    {\n        // later\n    }\n}\n";
        let sources = sources("a/Raft.cs", text);

        assert_eq!(sources.csharp_body("Raft.Send"), Some(" Call(x)"));
        assert!(sources.csharp_body("Raft.Empty").is_some_and(is_empty));
        let lambda = sources_of(
            "class T\n{\n    public void A() => On(x =>\n    {\n        x.B();\n\
                                        \n        x.C();\n    });\n}\n",
        );
        assert!(lambda.csharp_body("T.A").unwrap().contains("x.C()"));
        assert_eq!(sources.csharp_body("Raft.Call"), None);
        assert_eq!(sources.csharp_body("Node.Send"), None);
    }
}
