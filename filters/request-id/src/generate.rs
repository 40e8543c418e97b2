//! New ids.

use serde::Deserialize;
use weir_sdk::{Request, clock, random};

/// What a new id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The exchange's id in the traffic store: whoever has the id finds the exchange.
    Exchange,
    /// Random (RFC 9562 section 5.4).
    Uuid4,
    /// Sorts by time (RFC 9562 section 5.7).
    Uuid7,
}

impl Kind {
    pub(crate) fn generate(self, request: &Request) -> String {
        match self {
            Self::Exchange => request.id(),
            Self::Uuid4 => uuid(random_bytes(), 4),
            Self::Uuid7 => {
                let mut bytes = random_bytes();
                // Whole milliseconds from 1970 to the year 10889; what is not a time then is 0 (`as` saturates).
                let now = clock::now_ms() as u64;
                bytes[..6].copy_from_slice(&now.to_be_bytes()[2..]);
                uuid(bytes, 7)
            }
        }
    }
}

/// As many random bytes.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for (byte, random) in bytes.iter_mut().zip(random::bytes(N as u32)) {
        *byte = random;
    }
    bytes
}

/// RFC 9562 section 4: version and variant in their places, groups of 4, 2, 2, 2 and 6 bytes.
fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_has_its_version_and_variant() {
        assert_eq!(super::uuid([0xff; 16], 4), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(super::uuid([0; 16], 7), "00000000-0000-7000-8000-000000000000");
    }
}
