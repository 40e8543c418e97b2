//! The largest bodies of a batch go to the body store before the batch is queued.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::try_join_all;
use weir_artifact::Digest;

use super::{
    super::{Row, Sql, Store, StoreError},
    Objects, Piece,
};

/// On their way at a time, of one batch.
const AT_ONCE: usize = 8;
/// Digests of one statement.
const ASKED: usize = 200;
/// What was put so long ago, and is still named by no row, is not relied upon: the sweep takes it after a day.
const STALE: Duration = Duration::from_secs(3600);

impl Store {
    /// Puts them; those that are there already stay in the batch, in case they go before it is written.
    pub(in super::super) async fn put_large(&self, rows: &mut [Row]) -> Result<(), StoreError> {
        let Some(objects) = &self.shelves.objects else { return Ok(()) };
        let from = self.shelves.from_bytes;
        let all = rows.iter().flat_map(|row| &row.pieces).filter(|piece| piece.bytes.len() >= from);
        let digests: Vec<Digest> = all.map(|piece| piece.digest).collect();
        if digests.is_empty() {
            return Ok(());
        }
        let known = self.known(&digests).await?;
        // Of several that are the same, the first: the others find its row.
        let mut seen = HashSet::new();
        let mut pieces: Vec<&mut Piece> = rows.iter_mut().flat_map(|row| &mut row.pieces).collect();
        pieces.retain(|piece| piece.bytes.len() >= from && !known.contains(&piece.digest) && seen.insert(piece.digest));
        for some in pieces.chunks_mut(AT_ONCE) {
            let puts: Vec<_> =
                some.iter().map(|piece| put(Arc::clone(objects), piece.digest, piece.bytes.clone())).collect();
            for (piece, key) in some.iter_mut().zip(try_join_all(puts).await?) {
                piece.object = Some(key);
                piece.bytes = Bytes::new();
            }
        }
        let now = Instant::now();
        for row in rows.iter_mut().filter(|row| row.pieces.iter().any(|piece| piece.object.is_some())) {
            row.put = Some(now);
        }
        Ok(())
    }

    async fn known(&self, digests: &[Digest]) -> Result<HashSet<Digest>, StoreError> {
        let mut known = HashSet::new();
        for some in digests.chunks(ASKED) {
            let mut query = Sql::new("SELECT digest FROM bodies WHERE lost = 0 AND digest IN (");
            for (place, digest) in some.iter().enumerate() {
                query.push(if place == 0 { "" } else { ", " }).push_bind(&digest.as_bytes()[..]);
            }
            query.push(")");
            for row in query.fetch_all(&self.reads).await? {
                known.extend(Digest::from_slice(row.get(0)?));
            }
        }
        Ok(known)
    }
}

async fn put(objects: Arc<Objects>, digest: Digest, bytes: Bytes) -> Result<String, StoreError> {
    objects.put(digest, bytes).await
}

/// Was any of it put so long ago that it may be swept before it is named?
pub(in super::super) fn is_stale(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.put.is_some_and(|put| put.elapsed() > STALE))
}
