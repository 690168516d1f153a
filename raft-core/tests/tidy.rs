//! House rules no linter knows: which module may use which and which may touch the world, the tests
//! of the differences, orders and failures, file heads, line length outside Rust, blanks at line
//! ends, paths of somebody's machine.

#![allow(clippy::unwrap_used, reason = "it may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Arrows point one way: a module uses those before it, never one after it.
const ORDER: [&[&str]; 7] = [
    &["types", "time", "quorum", "rng"],
    &["wire"],
    &["storage"],
    &["config"],
    &["node"],
    &["shard"],
    &["runtime", "sim"],
];

/// Folders that hold what is built, generated, or somebody else's data.
const LEFT_OUT: [&str; 8] = [
    ".git",
    "target",
    "artifacts",
    "bin",
    "obj",
    "bindings/c",
    "bindings/csharp",
    "tests/vectors",
];

const COLUMNS_MAX: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every text file of the project below `folder`, by its path from the root, with its content.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            let last = name.rsplit('/').next().unwrap_or(name);
            if LEFT_OUT.contains(&name) || LEFT_OUT.contains(&last) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((name.to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    name.rsplit('.')
        .next()
        .is_some_and(|ending| endings.contains(&ending))
}

/// The lines for which `breaks` holds, as `file:line: text`.
fn broken<'a>(
    files: impl IntoIterator<Item = &'a (String, String)>,
    breaks: impl Fn(&str) -> bool,
) -> Vec<String> {
    let lines = files.into_iter().flat_map(|(name, text)| {
        let numbered = text.lines().enumerate();
        numbered.map(move |(at, line)| (name, at + 1, line))
    });
    let broken = lines.filter(|(.., line)| breaks(line));
    broken
        .map(|(name, at, line)| format!("{name}:{at}: {line}"))
        .collect()
}

fn declares(code: &str, function: &str) -> bool {
    let heads = [format!("fn {function}("), format!("fn {function}<")];
    heads.iter().any(|head| code.contains(head))
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|modules| modules.contains(&module))
}

/// The code of the engine by file, without tests and comments, and the module each belongs to.
fn engine() -> Vec<(String, String, String)> {
    let mut code = Vec::new();
    for (name, text) in files("raft-core/src") {
        let inner = name.trim_start_matches("raft-core/src/");
        let module = inner.split(['/', '.']).next().unwrap_or(inner).to_owned();
        let last = inner.rsplit('/').next().unwrap_or(inner);
        if last.ends_with("tests.rs") || ["rig.rs", "conformance.rs"].contains(&last) {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        let tests = lines.windows(2).position(|pair| match pair {
            [above, line] => {
                let is_test = above.starts_with("#[cfg(") && above.contains("test");
                is_test && line.starts_with("mod ") && line.ends_with('{')
            }
            _ => false,
        });
        let (own, _) = lines.split_at(tests.unwrap_or(lines.len()));
        let own = own.iter().filter(|line| !line.trim().starts_with("//"));
        let own: Vec<&str> = own.copied().collect();
        code.push((name.clone(), module, own.join("\n")));
    }
    code
}

#[test]
fn modules_use_only_what_stands_before_them() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, module, code) in engine() {
        let Some(own) = rank(&module) else {
            continue;
        };
        for (at, _) in code.match_indices("crate::") {
            let used = code[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric());
            let used = used.into_iter().next().unwrap_or_default();
            seen += 1;
            if rank(used).is_none_or(|used| used > own) {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }

    assert!(seen > 150, "the test has lost its subject: {seen} uses");
    assert_eq!(wrong, Vec::<String>::new());
}

/// Time, randomness, threads and files come in from above; only the disk itself opens a file.
#[test]
fn only_the_runtime_waits_and_only_the_disk_opens_files() {
    let world = [
        "std::thread",
        "std::net",
        "std::env",
        "std::process",
        "SystemTime",
        "std::time::Instant",
        "tokio",
        "async ",
        "std::fs",
        "fs::",
    ];
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, module, code) in engine() {
        let disk = name == "raft-core/src/storage/disk.rs";
        if ["runtime", "detached"].contains(&module.as_str()) || disk {
            continue;
        }
        seen += 1;
        let found = world.iter().filter(|word| code.contains(*word));
        wrong.extend(found.map(|word| format!("{name} uses {word}")));
    }

    assert!(seen > 50, "the test has lost its subject: {seen} files");
    assert_eq!(wrong, Vec::<String>::new());
}

/// A difference from the server is where the table says, and a test that exists keeps it. Every
/// sharp edge of the specification is among them, changed or kept.
#[test]
fn every_place_and_test_named_among_the_differences_exists() {
    let table = document("differences.md");
    let code = Code::of_the_core();
    let rows: Vec<Vec<&str>> = rows(&table).collect();
    let places = rows.iter().filter(|row| row.len() == 5);
    let methods = places
        .flat_map(|row| row[3].split('`'))
        .filter_map(|place| place.strip_prefix("Node::"));

    assert_eq!(code.without(methods), Vec::<String>::new());
    let tests: Vec<&str> = rows.iter().flat_map(|row| names_in(row.last())).collect();
    assert!(tests.len() > 60, "the test has lost its subject: {tests:?}");
    assert_eq!(code.without(tests), Vec::<String>::new());
    let edges = (1..=44).map(|number| format!("SE-{number}"));
    assert_eq!(absent(&table, edges), Vec::<String>::new());
}

/// Each order that must hold, and each failure others had, has a test that exists.
#[test]
fn every_test_of_an_order_and_of_a_failure_exists() {
    let code = Code::of_the_core();
    let (orders, failures) = (document("protocol.md"), document("failures.md"));
    let (_, orders) = orders.split_once("### Orders that hold").unwrap();
    for (table, numbers) in [
        (orders, (1..=15).map(|n| format!("O-{n}")).collect()),
        (
            &failures,
            (1..=20).map(|n| n.to_string()).collect::<Vec<_>>(),
        ),
    ] {
        let rows: Vec<Vec<&str>> = rows(table).collect();
        let first: Vec<&str> = rows.iter().map(|row| row[0]).collect();
        assert_eq!(first.get(1..).unwrap(), numbers, "each once, in order");
        for row in rows.iter().skip(1) {
            let tests: Vec<&str> = names_in(row.last()).collect();
            assert!(!tests.is_empty(), "{} has no test", row[0]);
            assert_eq!(code.without(tests), Vec::<String>::new(), "{}", row[0]);
        }
    }
}

/// A document of the core.
fn document(name: &str) -> String {
    fs::read_to_string(root().join("raft-core/docs").join(name)).unwrap()
}

/// The rows of its tables, heads included.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| -"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// What stands in backquotes in a cell.
fn names_in<'a>(cell: Option<&&'a str>) -> impl Iterator<Item = &'a str> {
    let cell = cell.copied().unwrap_or_default();
    cell.split('`').skip(1).step_by(2)
}

/// The names, whole, that a text does not hold.
fn absent(text: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .collect();
    let is_absent = |name: &String| !words.contains(&name.as_str());
    names.filter(is_absent).collect()
}

/// The sources of the core.
struct Code(Vec<(String, String)>);

impl Code {
    fn of_the_core() -> Self {
        let sources = files("raft-core").into_iter();
        Self(
            sources
                .filter(|(name, _)| has_ending(name, &["rs"]))
                .collect(),
        )
    }

    /// Those of `names` that are neither a function nor a file.
    fn without<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let root = root();
        let exists = |name: &str| {
            self.0.iter().any(|(_, code)| declares(code, name))
                || root.join("raft-core/src").join(name).exists()
                || root.join(format!("raft-core/tests/{name}.rs")).exists()
        };
        let missing = names.into_iter().filter(|name| !exists(name));
        missing.map(str::to_owned).collect()
    }
}

/// Each function of the server has its place, or a reason why it has none.
#[test]
fn every_function_of_the_server_has_its_place() {
    let root = root();
    let table = fs::read_to_string(root.join("raft-core/docs/functions.md")).unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let &[server, here, note] = cells.as_slice() else {
            panic!("not three cells: {row}");
        };
        seen += 1;
        let is_there = match here.trim_matches('`').split_once("::") {
            Some((file, function)) => fs::read_to_string(root.join("raft-core/src").join(file))
                .is_ok_and(|code| declares(&code, function)),
            None => here == "–" && !note.is_empty(),
        };
        if !is_there {
            wrong.push(format!("{server}: {here}"));
        }
    }

    assert_eq!(seen, 215, "the server has so many");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_rust_file_says_what_it_is() {
    let sources = files("")
        .into_iter()
        .filter(|(name, _)| has_ending(name, &["rs"]));
    let silent = sources
        .filter(|(_, text)| !text.starts_with("//!") && !text.starts_with("#![doc = include_str!"));

    let silent: Vec<String> = silent.map(|(name, _)| name).collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn lines_outside_rust_keep_to_a_hundred_columns() {
    let endings = ["cs", "c", "cpp", "h", "sh", "toml", "md"];
    let kept: Vec<_> = files("")
        .into_iter()
        .filter(|(name, _)| has_ending(name, &endings) && !name.starts_with("docs/parity"))
        .collect();

    // A table's row is one line however long it is.
    let wide =
        |line: &str| line.chars().count() > COLUMNS_MAX && !line.trim_start().starts_with('|');
    assert_eq!(broken(&kept, wide), Vec::<String>::new());
}

#[test]
fn no_line_ends_in_a_blank_and_none_names_somebodys_machine() {
    let all = files("");
    let is_ours = |(name, _): &&(String, String)| !name.ends_with("tests/tidy.rs");

    let blank = |line: &str| line.ends_with([' ', '\t']);
    let machine = |line: &str| {
        let homes = ["/work/", "/home/", "/Users/", "/tmp/"];
        homes.iter().any(|home| {
            line.match_indices(home).any(|(at, _)| {
                let before = line.get(..at).and_then(|text| text.chars().next_back());
                before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '}'))
            })
        })
    };
    assert_eq!(
        broken(all.iter().filter(is_ours), blank),
        Vec::<String>::new()
    );
    assert_eq!(
        broken(all.iter().filter(is_ours), machine),
        Vec::<String>::new()
    );
}
