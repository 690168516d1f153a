//! Reading the golden vectors: `tests/vectors` at the root of the repository.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The path of a vector file.
pub(crate) fn path(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|dir| dir.join("tests/vectors"))
        .find(|dir| dir.join("malformed.json").is_file());
    root.expect("tests/vectors holds the golden vectors")
        .join(name)
}

/// The whole of a vector file.
pub(crate) fn load(name: &str) -> Value {
    let path = path(name);
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cases of a vector file: as many as it says it has.
pub(crate) fn cases(name: &str) -> Vec<Value> {
    let mut file = load(name);
    let count = u64_of(&file, "case_count");
    let Value::Array(cases) = file["cases"].take() else {
        panic!("{name} has no cases")
    };
    assert_eq!(cases.len() as u64, count, "{name}");
    cases
}

/// The name of a case, for messages.
pub(crate) fn name(case: &Value) -> &str {
    text(case, "name")
}

/// A text field that must be there.
pub(crate) fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {case}"))
}

/// A number field that must be there: a full u64, never by way of a double.
pub(crate) fn u64_of(case: &Value, field: &str) -> u64 {
    case[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} in {case}"))
}

/// A flag, false when absent.
pub(crate) fn flag(case: &Value, field: &str) -> bool {
    case.get(field)
        .is_some_and(|value| value == &Value::Bool(true))
}

/// The bytes that hex digits spell.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .chars()
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty());
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a field spelled in full, or in parts with repetitions.
pub(crate) fn bytes(case: &Value, full: &str, parts: &str) -> Option<Vec<u8>> {
    if let Some(digits) = case[full].as_str() {
        return Some(unhex(digits));
    }
    let part = |part: &Value| match part["hex"].as_str() {
        Some(digits) => unhex(digits),
        None => unhex(text(part, "repeat")).repeat(u64_of(part, "count") as usize),
    };
    Some(case[parts].as_array()?.iter().flat_map(part).collect())
}

/// The bytes of a case's whole message or file.
pub(crate) fn frame(case: &Value) -> Option<Vec<u8>> {
    bytes(case, "hex", "hex_parts")
}

/// The id in `<field>` or `<field>_hex`, or what it decodes to when it is not eight bytes long.
pub(crate) fn id(case: &Value, field: &str) -> Vec<u8> {
    if let Some(digits) = case[format!("decoded_{field}_hex")].as_str() {
        return unhex(digits);
    }
    match case[format!("{field}_hex")].as_str() {
        Some(digits) => unhex(digits),
        None => text(case, field).into(),
    }
}

/// Puts an id into a JSON object as the vectors do: as text when printable, else in hex.
pub(crate) fn put_id(object: &mut Map<String, Value>, field: &str, id: &[u8]) {
    let printable = id.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let (field, value) = if printable {
        (field.to_owned(), String::from_utf8(id.to_vec()).unwrap())
    } else {
        (format!("{field}_hex"), hex(id))
    };
    object.insert(field, json!(value));
}

/// The captured messages: one for each line that is not a mark of the driver.
pub(crate) fn traffic() -> Vec<Value> {
    let file = fs::File::open(path("traffic/traffic.jsonl.gz")).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("mark").is_none()).collect()
}
