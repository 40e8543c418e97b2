//! Batches: what the workers queued, cut into messages of the protocol that are sent as they are. Encoded exchanges
//! enter, payloads of `TrafficBatch` without its number leave.

use bytes::Bytes;

use super::{spool::Frame, wire};

/// A batch is closed when it holds this much; one exchange more may come on top.
const BATCH_BYTES: usize = 1 << 20;

/// What is lost to the record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) exchanges: u64,
    /// messages and the like
    pub(super) others: u64,
}

impl Lost {
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    pub(super) fn of(frame: &Frame) -> Self {
        Self { exchanges: u64::from(frame.exchanges), others: others(&frame.payload) }
    }
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, more: Self) {
        self.exchanges += more.exchanges;
        self.others += more.others;
    }
}

impl std::ops::SubAssign for Lost {
    fn sub_assign(&mut self, less: Self) {
        self.exchanges = self.exchanges.saturating_sub(less.exchanges);
        self.others = self.others.saturating_sub(less.others);
    }
}

impl std::iter::Sum for Lost {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// Field `exchanges` of `TrafficBatch`, length-delimited.
pub(super) const EXCHANGES_TAG: u8 = 2 << 3 | 2;
/// Field `messages`.
pub(super) const MESSAGES_TAG: u8 = 10 << 3 | 2;
/// Field `tunnels`.
pub(super) const TUNNELS_TAG: u8 = 11 << 3 | 2;
/// Field `connections`.
pub(super) const CONNECTIONS_TAG: u8 = 12 << 3 | 2;
/// Field `lines`.
pub(super) const LINES_TAG: u8 = 13 << 3 | 2;

/// Cuts queued fields into payloads, in order.
pub(super) fn cut(queued: Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let queued = Bytes::from(queued);
    let (mut from, mut at, mut exchanges) = (0, 0, 0);
    while at < queued.len() {
        exchanges += u32::from(queued[at] == EXCHANGES_TAG);
        at += field_len(&queued[at..]);
        if at - from >= BATCH_BYTES || at == queued.len() {
            frames.push(Frame { payload: queued.slice(from..at), exchanges });
            (from, exchanges) = (at, 0);
        }
    }
    frames
}

/// The payload that only says how much was lost.
pub(super) fn lost(Lost { exchanges, others }: Lost) -> Frame {
    let mut payload = Vec::new();
    wire::number(&mut payload, 3, exchanges);
    wire::number(&mut payload, 14, others);
    Frame { payload: payload.into(), exchanges: 0 }
}

/// How many of the records in a payload are no exchanges.
pub(super) fn others(payload: &[u8]) -> u64 {
    let (mut at, mut others) = (0, 0);
    while at < payload.len() {
        others += u64::from(payload[at] != EXCHANGES_TAG);
        at += field_len(&payload[at..]);
    }
    others
}

/// Bytes of the length-delimited field at the beginning. The worker wrote it, so it is whole.
fn field_len(bytes: &[u8]) -> usize {
    let mut length = 0;
    for (at, byte) in bytes[1..].iter().enumerate() {
        length |= usize::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            return (at + 2).saturating_add(length).min(bytes.len());
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
    use weir_proto::v1::{Exchange, Message, TrafficBatch};

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
        let told = TrafficBatch::decode(&lost(Lost { exchanges: 3, others: 5 }).payload[..]).unwrap();
        assert_eq!((told.dropped, told.dropped_records), (3, 5));
    }

    #[test]
    fn exchanges_and_others_are_told_apart() {
        let messages = vec![Message { number: 1, ..Message::default() }, Message::default(), Message::default()];
        let batch = TrafficBatch { exchanges: vec![Exchange::default()], messages, ..TrafficBatch::default() };
        let [frame] = &cut(batch.encode_to_vec())[..] else { panic!("one batch") };
        assert_eq!(Lost::of(frame), Lost { exchanges: 1, others: 3 });
    }

    proptest::proptest! {
        #[test]
        fn any_payload_is_counted_to_its_end(payload: Vec<u8>) {
            proptest::prop_assert!(others(&payload) <= payload.len() as u64);
        }
    }
}
