//! Bodies come back: what is read is what was stored, or an error that says which body is damaged.

use std::sync::Arc;

use bytes::Bytes;
use weir_artifact::Digest;
use weir_proto::v1::Exchange;

use super::{
    super::{Sql, StoreError, sql::Pool},
    Kept, Objects, Slot, kept,
    objects::Lack,
};

/// Larger ones are unpacked off the I/O threads.
const INLINE_BYTES: usize = 256 << 10;
/// A row may go, and come again under another key, while its bytes are asked for.
const TRIES: usize = 3;

/// Where bodies are.
#[derive(Clone)]
pub(in super::super) struct Shelves {
    pub(in super::super) reads: Pool,
    pub(in super::super) objects: Option<Arc<Objects>>,
    /// Packed bytes from which on a body goes to the body store.
    pub(in super::super) from_bytes: usize,
}

impl Shelves {
    /// Puts the bodies of these slots back into their exchange.
    pub(in super::super) async fn fill(
        &self,
        exchange: &mut Exchange,
        kept: &[Kept],
        which: impl Fn(&Kept) -> bool,
    ) -> Result<(), StoreError> {
        let mut last: Option<(Digest, Bytes)> = None;
        for one in kept.iter().filter(|one| which(one)) {
            let digest = one.digest()?;
            // The versions of a message often have the same body.
            let data = match &last {
                Some((known, data)) if *known == digest => data.clone(),
                _ => self.load(digest).await?,
            };
            last = Some((digest, data.clone()));
            for slot in [Slot::Request, Slot::FilteredRequest, Slot::Response, Slot::OriginalResponse] {
                if one.is(slot)
                    && let Some(body) = slot.body(exchange)
                {
                    body.data = data.clone();
                }
            }
        }
        Ok(())
    }

    /// The captured bytes.
    pub(in super::super) async fn load(&self, digest: Digest) -> Result<Bytes, StoreError> {
        let damaged = |reason: String| StoreError::Body { digest, reason };
        let mut reason = "no row is there for it".to_owned();
        for _ in 0..TRIES {
            let look = Sql::new("SELECT size, coding, object, bytes FROM bodies WHERE digest = $1");
            let row = look.bind(&digest.as_bytes()[..]).fetch_optional(&self.reads).await?;
            let Some(row) = row else { return Err(damaged(reason)) };
            let (size, coding) = (usize::try_from(row.number(0)?).unwrap_or(usize::MAX), row.get::<i64>(1)?);
            if size > weir_proto::MAX_MESSAGE_BYTES {
                return Err(damaged(format!("its row says that it has {size} bytes")));
            }
            let bytes: Bytes = match row.get::<Option<String>>(2)? {
                None => row.get::<Option<Vec<u8>>>(3)?.unwrap_or_default().into(),
                Some(key) => match self.object(&key).await {
                    Ok(bytes) => bytes,
                    Err(Lack::Missing) => {
                        reason = format!("{key} is missing in the body store");
                        continue;
                    }
                    Err(Lack::Away(error)) => return Err(StoreError::BodyAway(error)),
                },
            };
            if bytes.len().max(size) <= INLINE_BYTES {
                return kept::unpack(digest, size, coding, bytes);
            }
            let unpacked = tokio::task::spawn_blocking(move || kept::unpack(digest, size, coding, bytes)).await;
            return unpacked.unwrap_or(Err(StoreError::Closed));
        }
        Err(damaged(reason))
    }

    async fn object(&self, key: &str) -> Result<Bytes, Lack> {
        match &self.objects {
            Some(objects) => objects.get(key).await,
            None => Err(Lack::Away("no body store is configured".to_owned())),
        }
    }
}
