//! Protobuf as it stands on the wire (protobuf.dev/programming-guides/encoding), written straight into a buffer: no
//! message structs, no second pass. Fields enter, bytes leave; must not know what they mean.

/// Length prefixes of messages written in place take this many bytes, padded with continuation bits: every decoder takes
/// a padded varint, and the content need not be moved once its length is known.
const LENGTH_BYTES: usize = 4;
const MAX_LENGTH: usize = (1 << (7 * LENGTH_BYTES)) - 1;

/// Bytes of a varint.
pub(crate) fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// A number; nothing for 0, which is what an absent field means.
pub(crate) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        tag(out, field, 0);
        varint(out, value);
    }
}

/// A flag of a oneof, which is there even when it is false.
pub(crate) fn flag(out: &mut Vec<u8>, field: u32, value: bool) {
    tag(out, field, 0);
    out.push(u8::from(value));
}

/// A double of a oneof.
pub(crate) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    tag(out, field, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Bytes or a string; nothing when empty.
pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        tag(out, field, 2);
        varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }
}

/// A string from what writes itself.
pub(crate) fn text(out: &mut Vec<u8>, field: u32, value: impl std::fmt::Display) {
    use std::io::Write as _;
    message(out, field, |out| drop(write!(out, "{value}")));
}

/// Bytes that come in pieces; nothing when they are empty.
pub(crate) fn chunks<T: AsRef<[u8]>>(out: &mut Vec<u8>, field: u32, chunks: &[T]) {
    let length: usize = chunks.iter().map(|chunk| chunk.as_ref().len()).sum();
    if length != 0 {
        tag(out, field, 2);
        varint(out, length as u64);
        for chunk in chunks {
            out.extend_from_slice(chunk.as_ref());
        }
    }
}

/// A message whose length is not known before it is written.
pub(crate) fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, 2);
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    write(out);
    let length = out.len() - start - LENGTH_BYTES;
    debug_assert!(length <= MAX_LENGTH, "captures are bounded far below 256 MiB");
    for (at, byte) in out[start..start + LENGTH_BYTES].iter_mut().enumerate() {
        let more = if at + 1 < LENGTH_BYTES { 0x80 } else { 0 };
        *byte = (length >> (7 * at)) as u8 & 0x7f | more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_varints() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
            assert_eq!(prost::encoding::decode_varint(&mut &out[..]).unwrap(), value);
        }
    }
}
