//! Components on their way to agents: however many fetch one at a time, it is in memory once.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::Mutex;
use weir_artifact::Digest;

#[derive(Default)]
pub(crate) struct InTransit(Mutex<HashMap<Digest, Weak<Bytes>>>);

impl InTransit {
    /// The bytes that somebody is being sent already, else what `load` gives.
    pub(crate) async fn share<E, F: Future<Output = Result<Option<Bytes>, E>>>(
        &self,
        digest: Digest,
        load: impl FnOnce() -> F,
    ) -> Result<Option<Arc<Bytes>>, E> {
        let shared = self.0.lock().get(&digest).and_then(Weak::upgrade);
        if shared.is_some() {
            return Ok(shared);
        }
        let Some(bytes) = load().await? else { return Ok(None) };
        let mut all = self.0.lock();
        // Another may have been faster.
        if let Some(shared) = all.get(&digest).and_then(Weak::upgrade) {
            return Ok(Some(shared));
        }
        all.retain(|_, bytes| bytes.strong_count() > 0);
        let bytes = Arc::new(bytes);
        all.insert(digest, Arc::downgrade(&bytes));
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn one_copy_while_anybody_needs_it() {
        let transit = InTransit::default();
        let digest = Digest::of(b"x");
        let load = |bytes: &'static [u8]| async move { Ok::<_, Infallible>(Some(Bytes::from_static(bytes))) };
        let first = transit.share(digest, || load(b"one")).await.unwrap().unwrap();
        let second = transit.share(digest, || load(b"two")).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        assert_eq!(transit.share(digest, || load(b"two")).await.unwrap().unwrap()[..], *b"two");
    }
}
