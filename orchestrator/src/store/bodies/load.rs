//! Bodies come back: what is read is what was stored, or an error that says which body is damaged.

use std::{fmt, sync::Arc};

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
    pub(in super::super) writes: Pool,
    pub(in super::super) objects: Option<Arc<Objects>>,
    /// Packed bytes from which on a body goes to the body store.
    pub(in super::super) from_bytes: usize,
}

/// A body of an exchange that is not what was stored.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    pub(crate) slot: Slot,
    digest: Digest,
    reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored body {} is damaged: {}", self.digest, self.reason)
    }
}

impl From<Damage> for StoreError {
    fn from(Damage { digest, reason, .. }: Damage) -> Self {
        Self::Body { digest, reason }
    }
}

impl Shelves {
    /// Puts the bodies of these slots back into their exchange, or fails for the first that is damaged.
    pub(in super::super) async fn fill_whole(&self, exchange: &mut Exchange, kept: &[Kept]) -> Result<(), StoreError> {
        let damaged = self.fill(exchange, kept, |_| true).await?;
        damaged.into_iter().next().map_or(Ok(()), |damage| Err(damage.into()))
    }

    /// Puts the bodies of these slots back into their exchange, but for those that are damaged.
    pub(in super::super) async fn fill(
        &self,
        exchange: &mut Exchange,
        kept: &[Kept],
        which: impl Fn(&Kept) -> bool,
    ) -> Result<Vec<Damage>, StoreError> {
        let mut damaged = Vec::new();
        let mut last: Option<(Digest, Result<Bytes, String>)> = None;
        for one in kept.iter().filter(|one| which(one)) {
            let (digest, Some(slot)) = (one.digest()?, one.slot()) else { continue };
            // The versions of a message often have the same body.
            let data = match last.take() {
                Some((known, data)) if known == digest => data,
                _ => match self.load(digest).await {
                    Ok(data) => Ok(data),
                    Err(StoreError::Body { reason, .. }) => Err(reason),
                    Err(error) => return Err(error),
                },
            };
            match &data {
                Ok(data) => {
                    if let Some(body) = slot.body(exchange) {
                        body.data = data.clone();
                    }
                }
                Err(reason) => damaged.push(Damage { slot, digest, reason: reason.clone() }),
            }
            last = Some((digest, data));
        }
        Ok(damaged)
    }

    /// The captured bytes.
    pub(in super::super) async fn load(&self, digest: Digest) -> Result<Bytes, StoreError> {
        let damaged = |reason: String| StoreError::Body { digest, reason };
        // As of one that was damaged when the backup was taken that this database was restored from.
        let mut reason = "the database does not have it".to_owned();
        let mut missing = None;
        for _ in 0..TRIES {
            let look = Sql::new("SELECT size, coding, object, bytes, number, lost FROM bodies WHERE digest = $1");
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
                        missing = (row.get::<i64>(5)? == 0).then_some((row.get(4)?, key));
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
        if let Some((number, key)) = missing {
            self.is_lost(number, &key).await;
        }
        Err(damaged(reason))
    }

    /// Notes that the body store does not have what the row names: the next body with the same bytes is put there again.
    pub(in super::super) async fn is_lost(&self, number: i64, key: &str) {
        let note = Sql::new("UPDATE bodies SET lost = 1 WHERE number = $1 AND object = $2 AND lost = 0");
        if let Err(error) = note.bind(number).bind(key).execute(&self.writes).await {
            // Whoever reads it next tries again.
            tracing::warn!(%error, key, "that a body is missing in the body store cannot be noted");
        }
    }

    /// The packed bytes that lie in the body store under this key.
    pub(in super::super) async fn object(&self, key: &str) -> Result<Bytes, Lack> {
        match &self.objects {
            Some(objects) => objects.get(key).await,
            None => Err(Lack::Away("no body store is configured".to_owned())),
        }
    }
}
