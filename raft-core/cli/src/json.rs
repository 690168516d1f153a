//! Writing JSON objects, one field after the other.

use std::io::Write;

use raft_core::types::PeerId;

use crate::hex;

/// An object being written. Ends with [`Object::end`].
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a field's name; whatever is written to the result next is its value. Names are
    /// ours and need no escape.
    pub(crate) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        quote(name.as_bytes(), self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn number(&mut self, name: &str, value: impl Into<u64>) {
        decimal(value.into(), self.field(name));
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        let value: &[u8] = if value { b"true" } else { b"false" };
        self.field(name).extend_from_slice(value);
    }

    /// Text that needs no escape.
    pub(crate) fn word(&mut self, name: &str, value: &str) {
        quote(value.as_bytes(), self.field(name));
    }

    pub(crate) fn hex(&mut self, name: &str, value: &[u8]) {
        quoted_hex(value, self.field(name));
    }

    /// An id: text when all of it is printable ASCII, else `<name>_hex`.
    pub(crate) fn id(&mut self, name: &str, id: &PeerId) {
        let id = id.as_bytes();
        if !id.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.hex(&format!("{name}_hex"), id);
        }
        let out = self.field(name);
        out.push(b'"');
        for &byte in id {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes a list, each item by `write`.
pub(crate) fn list<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

pub(crate) fn quoted_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    hex::encode(bytes, out);
    out.push(b'"');
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn decimal(value: u64, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(bytes: &[u8; 8]) -> String {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        object.id("peer", &PeerId(*bytes));
        object.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn printable_id_is_text_and_escaped() {
        assert_eq!(id(b"S1Nunr6R"), r#"{"peer":"S1Nunr6R"}"#);
        assert_eq!(id(br#"a"b\c d~"#), r#"{"peer":"a\"b\\c d~"}"#);
    }

    #[test]
    fn other_id_is_hex() {
        assert_eq!(id(b"abc\0\0\0\0\0"), r#"{"peer_hex":"6162630000000000"}"#);
        assert_eq!(id(b"abcdefg\x7f"), r#"{"peer_hex":"616263646566677f"}"#);
        assert_eq!(id(b"\xffbcdefgh"), r#"{"peer_hex":"ff62636465666768"}"#);
    }
}
