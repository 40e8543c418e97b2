//! Components on their way to agents: however many fetch one at a time, it is read once and in memory once.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use weir_artifact::Digest;

#[derive(Default)]
pub(crate) struct InTransit(Mutex<HashMap<Digest, Weak<OnceCell<Bytes>>>>);

/// Stays in memory as long as one of these.
#[derive(Debug)]
pub(crate) struct Shared(Arc<OnceCell<Bytes>>);

impl Deref for Shared {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        self.0.get().expect("made of a cell that was filled")
    }
}

enum Missing<E> {
    Nothing,
    Failed(E),
}

impl InTransit {
    /// The bytes that somebody is being sent already, or waits for, else what `load` gives.
    pub(crate) async fn share<E, F: Future<Output = Result<Option<Bytes>, E>>>(
        &self,
        digest: Digest,
        load: impl FnOnce() -> F,
    ) -> Result<Option<Shared>, E> {
        let cell = self.cell(digest);
        let fill = async || match load().await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Missing::Nothing),
            Err(error) => Err(Missing::Failed(error)),
        };
        match cell.get_or_try_init(fill).await {
            Ok(_) => Ok(Some(Shared(cell))),
            Err(Missing::Nothing) => Ok(None),
            Err(Missing::Failed(error)) => Err(error),
        }
    }

    fn cell(&self, digest: Digest) -> Arc<OnceCell<Bytes>> {
        let mut all = self.0.lock();
        if let Some(cell) = all.get(&digest).and_then(Weak::upgrade) {
            return cell;
        }
        all.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::new(OnceCell::new());
        all.insert(digest, Arc::downgrade(&cell));
        cell
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;

    #[tokio::test]
    async fn one_copy_while_anybody_needs_it() {
        let transit = InTransit::default();
        let digest = Digest::of(b"x");
        let load = |bytes: &'static [u8]| async move { Ok::<_, Infallible>(Some(Bytes::from_static(bytes))) };
        let first = transit.share(digest, || load(b"one")).await.unwrap().unwrap();
        let second = transit.share(digest, || load(b"two")).await.unwrap().unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr());
        drop((first, second));
        assert_eq!(transit.share(digest, || load(b"two")).await.unwrap().unwrap()[..], *b"two");
    }

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_reading() {
        let (transit, reads) = (InTransit::default(), AtomicUsize::new(0));
        let load = async || {
            reads.fetch_add(1, Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Some(Bytes::from_static(b"one")))
        };
        let ask = (0..20).map(|_| transit.share(Digest::of(b"x"), load));
        let all = futures_util::future::join_all(ask).await;
        assert!(all.into_iter().all(|got| got.unwrap().is_some_and(|bytes| bytes[..] == *b"one")));
        assert_eq!(reads.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn a_reading_that_failed_is_nobodys_but_its_own() {
        let transit = InTransit::default();
        let failed = transit.share(Digest::of(b"x"), || async { Err("no") }).await;
        assert_eq!(failed.unwrap_err(), "no");
        assert!(transit.share(Digest::of(b"x"), || async { Ok::<_, &str>(None) }).await.unwrap().is_none());
        let bytes = || async { Ok::<_, &str>(Some(Bytes::from_static(b"x"))) };
        assert!(transit.share(Digest::of(b"x"), bytes).await.unwrap().is_some());
    }
}
