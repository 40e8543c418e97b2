//! How messages are read off the wire: weighed first, since bytes of a peer may say that there are millions of parts; and what
//! they say that this version does not know is told to whoever wants to know.

mod shape;

use std::{marker::PhantomData, sync::OnceLock};

use prost::{Message, bytes::Buf as _};
use tonic::{
    Status,
    codec::{DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

use self::shape::{Scale, Shaped, Unfit, Unknown};
use crate::MAX_MESSAGE_BYTES;

/// Of what one message takes in memory, bytes, about. What agents send takes a quarter of it at most.
const MOST: usize = 2 * MAX_MESSAGE_BYTES;
/// Fields of one stream that are told of.
const TOLD: usize = 16;

type Tell = fn(&'static str, u32);

static UNKNOWN: OnceLock<Tell> = OnceLock::new();

/// From now on this hears of fields that peers of a later version send and that are left out here: the message and the field's
/// number, once for each stream. The first that is given counts.
pub fn on_unknown(tell: Tell) {
    let _ = UNKNOWN.set(tell);
}

/// protobuf, as agents and orchestrators speak it.
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Shaped + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Reader<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader { told: Vec::new(), of: PhantomData }
    }
}

/// Of one stream.
pub(crate) struct Reader<U> {
    told: Vec<Unknown>,
    of: PhantomData<U>,
}

impl<U: Message + Default + Shaped> Decoder for Reader<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let mut scale = Scale::new(MOST);
        scale.weigh::<U>(&bytes).map_err(|unfit| match unfit {
            Unfit::Heavy => {
                Status::resource_exhausted(format!("a message of {} bytes with too many parts", bytes.len()))
            }
            Unfit::Malformed => Status::internal("a message that cannot be read"),
        })?;
        for unknown in scale.unknown {
            if self.told.len() < TOLD && !self.told.contains(&unknown) {
                self.told.push(unknown);
                if let Some(tell) = UNKNOWN.get() {
                    tell(unknown.message, unknown.field);
                }
            }
        }
        U::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
