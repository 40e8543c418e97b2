//! Long answers that lie in memory until their readers have taken them: so many bytes for each name, and for all. Who asks for more
//! than they take is told to go on reading first; others never wait for that.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use super::problem::Problem;

/// What is not longer does not count, bytes.
const SMALL: u64 = 64 << 10;
/// Of one name, bytes; one answer may be longer.
const EACH: u64 = 32 << 20;
/// Of all that have more than one.
const ALL: u64 = 128 << 20;

/// Bytes of each name.
#[derive(Default)]
pub(crate) struct Untaken(Mutex<HashMap<String, u64>>);

/// Some of them, until it is dropped.
struct Share {
    of: Arc<Untaken>,
    name: String,
    bytes: u64,
}

impl Untaken {
    /// The same answer, which counts until it was taken, or another where that would be too much.
    pub(super) fn count(self: &Arc<Self>, name: &str, response: Response) -> Response {
        let Some(bytes) = response.body().size_hint().exact().filter(|bytes| *bytes > SMALL) else { return response };
        match self.take(name, bytes) {
            Some(share) => response.map(|body| Body::new(Counted { body, _share: share })),
            None => Problem::busy("other long answers were not taken yet: read them first, or ask for less at a time")
                .into_response(),
        }
    }

    fn take(self: &Arc<Self>, name: &str, bytes: u64) -> Option<Share> {
        let mut all = self.0.lock();
        let own = all.get(name).copied().unwrap_or(0);
        if own > 0 && (own + bytes > EACH || all.values().sum::<u64>() + bytes > ALL) {
            return None;
        }
        all.insert(name.to_owned(), own + bytes);
        Some(Share { of: Arc::clone(self), name: name.to_owned(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.of.0.lock();
        if let Some(own) = all.get_mut(&self.name) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                all.remove(&self.name);
            }
        }
    }
}

/// An answer with its share.
struct Counted {
    body: Body,
    _share: Share,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn told(untaken: &Arc<Untaken>, name: &str, bytes: u64) -> Response {
        untaken.count(name, Response::new(Body::from(vec![0; usize::try_from(bytes).unwrap()])))
    }

    #[tokio::test]
    async fn who_takes_nothing_is_told_so_and_others_are_not() {
        let untaken = Arc::<Untaken>::default();
        let half = || told(&untaken, "a", EACH / 2);
        let mut kept = vec![half(), half()];
        assert_eq!(half().status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(told(&untaken, "a", SMALL).status(), StatusCode::OK, "short ones do not count");
        assert_eq!(told(&untaken, "b", EACH * 2).status(), StatusCode::OK, "one is told, however long");
        kept.remove(0);
        let again = half();
        assert_eq!(again.status(), StatusCode::OK);
        let whole = axum::body::to_bytes(again.into_body(), usize::MAX).await.unwrap();
        assert_eq!(whole.len() as u64, EACH / 2);
        drop(kept);
        assert!(untaken.0.lock().is_empty());
    }

    #[test]
    fn who_has_none_gets_one_whatever_others_have() {
        let untaken = Arc::<Untaken>::default();
        let kept: Vec<_> = (0..5).map(|n| told(&untaken, &n.to_string(), EACH)).collect();
        assert!(kept.iter().all(|response| response.status() == StatusCode::OK));
        let first = told(&untaken, "last", SMALL + 1);
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(told(&untaken, "last", SMALL + 1).status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
