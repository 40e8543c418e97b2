//! What reading a message would take, found out without reading it: a byte of a message may stand for a thousand in memory.
//! Bytes enter; whether they fit, and which of their fields are not known here, leaves. Pure.

use crate::v1;

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// Of an entry of a map, and of a text or bytes beside their content.
const ENTRY: usize = 96;
const TEXT: usize = 24;
const BYTES: usize = 32;
/// Of a number, the largest.
const NUMBER: usize = 8;
/// Of messages in messages; there are not nearly as many.
const DEPTH: u32 = 16;
/// Fields that are not known, of one message.
const UNKNOWN: usize = 16;

/// A message of the protocol.
pub(crate) struct Shape {
    name: &'static str,
    /// in memory, its content aside
    size: usize,
    fields: &'static [(u32, Kind)],
}

enum Kind {
    Message(&'static Shape),
    Text,
    Bytes,
    Number,
}

/// Whose shape is known.
pub(crate) trait Shaped {
    const SHAPE: &'static Shape;
}

/// A field that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) message: &'static str,
    pub(super) field: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Heavy,
    /// Or it has groups, which nobody here writes.
    Malformed,
}

/// How much there is room for, and what was seen.
pub(super) struct Scale {
    room: usize,
    pub(super) unknown: Vec<Unknown>,
}

impl Scale {
    pub(super) fn new(room: usize) -> Self {
        Self { room, unknown: Vec::new() }
    }

    /// Nothing is decoded that was not weighed: what is not understood here is refused.
    pub(super) fn weigh<T: Shaped>(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        self.message(bytes, T::SHAPE, DEPTH)
    }

    fn message(&mut self, mut bytes: &[u8], shape: &'static Shape, depth: u32) -> Result<(), Unfit> {
        let deeper = depth.checked_sub(1).ok_or(Unfit::Malformed)?;
        self.take(shape.size)?;
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let field = u32::try_from(key >> 3).map_err(|_| Unfit::Malformed)?;
            let kind = shape.fields.iter().find(|(number, _)| *number == field).map(|(_, kind)| kind);
            match key & 7 {
                0 => {
                    varint(&mut bytes)?;
                }
                1 => {
                    advance(&mut bytes, 8)?;
                }
                5 => {
                    advance(&mut bytes, 4)?;
                }
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).map_err(|_| Unfit::Malformed)?;
                    let content = advance(&mut bytes, length)?;
                    match kind {
                        Some(Kind::Message(inner)) => self.message(content, inner, deeper)?,
                        Some(Kind::Text) => self.take(TEXT + length)?,
                        // they stay where they are
                        Some(Kind::Bytes) => self.take(BYTES)?,
                        Some(Kind::Number) => self.take(length.saturating_mul(NUMBER))?,
                        None => {}
                    }
                }
                _ => return Err(Unfit::Malformed),
            }
            match kind {
                Some(Kind::Number) => self.take(NUMBER)?,
                Some(_) => {}
                None => self.note(Unknown { message: shape.name, field }),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Unfit> {
        self.room = self.room.checked_sub(bytes).ok_or(Unfit::Heavy)?;
        Ok(())
    }

    fn note(&mut self, unknown: Unknown) {
        if self.unknown.len() < UNKNOWN && !self.unknown.contains(&unknown) {
            self.unknown.push(unknown);
        }
    }
}

fn advance<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Unfit> {
    let (content, rest) = bytes.split_at_checked(length).ok_or(Unfit::Malformed)?;
    *bytes = rest;
    Ok(content)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Unfit> {
    prost::encoding::decode_varint(bytes).map_err(|_| Unfit::Malformed)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn weigh<T: Shaped>(bytes: &[u8], room: usize) -> Result<(usize, Vec<Unknown>), Unfit> {
        let mut scale = Scale::new(room);
        scale.weigh::<T>(bytes).map(|()| (room - scale.room, scale.unknown))
    }

    #[test]
    fn few_bytes_may_stand_for_many() {
        // 100,000 empty exchanges in 200,000 bytes
        let bytes = [0x12, 0].repeat(100_000);
        let (weight, _) = weigh::<v1::TrafficBatch>(&bytes, usize::MAX).unwrap();
        assert!(weight > 50_000_000, "{weight}");
        assert_eq!(weigh::<v1::TrafficBatch>(&bytes, 32 << 20), Err(Unfit::Heavy));
        // numbers that are packed, an entry of a map, texts of no length
        let figures =
            v1::FilterFigures { times: vec![1; 1000], failures: [("trap".into(), 1)].into(), ..Default::default() };
        let heartbeat = v1::Heartbeat { filters: vec![figures], ..Default::default() }.encode_to_vec();
        assert!(weigh::<v1::Heartbeat>(&heartbeat, usize::MAX).unwrap().0 > 8_000);
        let texts = v1::Hello { commands: vec![String::new(); 1000], ..Default::default() }.encode_to_vec();
        assert!(weigh::<v1::Hello>(&texts, usize::MAX).unwrap().0 > 24_000);
        let body = v1::Body { data: vec![7; 1 << 20].into(), ..Default::default() }.encode_to_vec();
        assert!(weigh::<v1::Body>(&body, 1000).is_ok(), "bytes stay where they are");
    }

    #[test]
    fn what_is_not_known_is_named() {
        let hello = v1::Hello { name: "edge".into(), ..Default::default() };
        let mut message = v1::AgentMessage { message: Some(v1::agent_message::Message::Hello(hello)) }.encode_to_vec();
        message.extend([0xf2, 0x79, 1, 0]); // field 1950, a byte long
        let (_, unknown) = weigh::<v1::AgentMessage>(&message, 1 << 20).unwrap();
        assert_eq!(unknown, [Unknown { message: "AgentMessage", field: 1950 }]);
    }

    #[test]
    fn no_bytes_panic_and_what_is_read_was_weighed() {
        let exchange = v1::Exchange {
            request: Some(v1::Request { path: "/".into(), ..Default::default() }),
            ..Default::default()
        };
        let whole = v1::TrafficBatch { batch: 300, exchanges: vec![exchange; 3], ..Default::default() }.encode_to_vec();
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let weighed = weigh::<v1::TrafficBatch>(&bytes, 1 << 20);
                if v1::TrafficBatch::decode(&bytes[..]).is_err() {
                    continue;
                }
                // a group is read by nobody
                assert!(weighed.is_ok() || bytes.iter().any(|byte| byte & 7 == 3), "{bytes:?}");
            }
            let _ = weigh::<v1::TrafficBatch>(&whole[..at], 1 << 20);
        }
        let deep = [0x0a, 0].repeat(100);
        let _ = weigh::<v1::Heartbeat>(&deep, 1 << 20);
    }
}
