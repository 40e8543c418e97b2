//! Batches: what the workers queued, cut into messages of the protocol that are sent as they are. Encoded exchanges
//! enter, payloads of `TrafficBatch` without its number leave.

use bytes::Bytes;

use super::{spool::Frame, wire};

/// A batch is closed when it holds this much; one exchange more may come on top.
const BATCH_BYTES: usize = 1 << 20;

/// Cuts queued `exchanges` fields into payloads, in order.
pub(super) fn cut(queued: Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let queued = Bytes::from(queued);
    let (mut from, mut at, mut exchanges) = (0, 0, 0);
    while at < queued.len() {
        at += field_len(&queued[at..]);
        exchanges += 1;
        if at - from >= BATCH_BYTES || at == queued.len() {
            frames.push(Frame { payload: queued.slice(from..at), exchanges });
            (from, exchanges) = (at, 0);
        }
    }
    frames
}

/// The payload that only says how many exchanges were lost.
pub(super) fn lost(exchanges: u64) -> Frame {
    let mut payload = Vec::new();
    wire::number(&mut payload, 3, exchanges);
    Frame { payload: payload.into(), exchanges: 0 }
}

/// Bytes of the length-delimited field at the beginning. The worker wrote it, so it is whole.
fn field_len(bytes: &[u8]) -> usize {
    let mut length = 0;
    for (at, byte) in bytes[1..].iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (at + 2 + length).min(bytes.len());
        }
    }
    bytes.len()
}

/// A whole `TrafficBatch`: the number goes before the payload.
pub(super) fn head(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(12);
    wire::number(&mut out, 1, number);
    out
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use weir_proto::v1::{Exchange, TrafficBatch};

    use super::*;

    #[test]
    fn batches_hold_every_exchange_in_order() {
        let exchange =
            |n: usize| Exchange { error: "x".repeat(n * 40_000), duration_us: n as u64, ..Exchange::default() };
        let exchanges: Vec<Exchange> = (0..60).map(exchange).collect();
        let queued = TrafficBatch { exchanges: exchanges.clone(), ..TrafficBatch::default() }.encode_to_vec();
        let frames = cut(queued);
        assert!(frames.len() > 10, "{}", frames.len());
        let batches: Vec<TrafficBatch> = frames
            .iter()
            .zip(1..)
            .map(|(frame, number)| TrafficBatch::decode(&*[&head(number)[..], &frame.payload].concat()).unwrap())
            .collect();
        assert_eq!((batches[0].batch, batches[2].batch), (1, 3));
        assert!(batches.iter().zip(&frames).all(|(batch, frame)| batch.exchanges.len() == frame.exchanges as usize));
        assert_eq!(batches.into_iter().flat_map(|batch| batch.exchanges).collect::<Vec<_>>(), exchanges);
    }

    #[test]
    fn drops_are_told_even_with_nothing_else_to_tell() {
        assert!(cut(Vec::new()).is_empty());
        assert_eq!(TrafficBatch::decode(&lost(3).payload[..]).unwrap().dropped, 3);
    }
}
