//! Bytes as hex digits.

/// No digit has a value with any of these bits.
const NO_DIGIT: u8 = 0xf0;

/// The bytes that pairs of digits spell, upper or lower case; nothing else may stand between.
pub(crate) fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks() else {
        return None;
    };
    let mut bytes = vec![0; pairs.len()];
    // Faults are gathered and looked at once, which lets the loop take many digits at a time.
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    if seen & NO_DIGIT == 0 {
        Some(bytes)
    } else {
        None
    }
}

/// Appends two lower-case digits for each byte.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    let pairs = out.get_mut(start..).unwrap_or_default().as_chunks_mut().0;
    for ([high, low], byte) in pairs.iter_mut().zip(bytes) {
        (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
    }
}

const fn value(digit: u8) -> u8 {
    let decimal = digit.wrapping_sub(b'0');
    let letter = (digit | 0x20).wrapping_sub(b'a');
    if decimal < 10 {
        decimal
    } else if letter < 6 {
        letter + 10
    } else {
        NO_DIGIT
    }
}

const fn digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' + value - 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_spelled_and_read_back() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let mut digits = Vec::new();
        encode(&bytes, &mut digits);

        assert_eq!(&digits[..8], b"00010203");
        assert_eq!(decode(&digits).as_ref(), Some(&bytes));
        assert_eq!(decode(&digits.to_ascii_uppercase()), Some(bytes));
    }

    #[test]
    fn anything_but_pairs_of_digits_is_refused() {
        for byte in 0..=u8::MAX {
            let digit = byte.is_ascii_hexdigit();
            assert_eq!(decode(&[b'0', byte]).is_some(), digit, "{byte}");
            assert_eq!(decode(&[byte, b'f']).is_some(), digit, "{byte}");
        }
        assert_eq!(decode(b"0"), None);
        assert_eq!(decode(b"00 "), None);
        assert_eq!(decode(b""), Some(Vec::new()));
    }
}
