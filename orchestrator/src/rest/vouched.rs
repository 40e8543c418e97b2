//! Request bodies that come while the credential counts by which their request was let in: what is finished after that is not taken.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{problem::Problem, standing::Standing, steady::TooSlow};
use crate::orchestrator::Orchestrator;

/// What a body fails of.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Unvouched {
    #[error("the credential counts no longer")]
    Lapsed,
    #[error("whether the credential counts cannot be seen")]
    Unseen,
}

type Waits<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Vouched {
    body: Body,
    standing: Standing,
    orchestrator: Arc<Orchestrator>,
    /// From when its reader has to wait: what came with the head is as good as the head.
    lapsed: Option<Waits<()>>,
    /// The last look, when all of it is there.
    last: Option<Waits<Result<(), Unvouched>>>,
    is_over: bool,
}

/// The same request, whose body fails when the credential counts no longer.
pub(crate) fn vouched(request: Request, standing: &Standing, orchestrator: &Arc<Orchestrator>) -> Request {
    request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let (standing, orchestrator) = (standing.clone(), Arc::clone(orchestrator));
        Body::new(Vouched { body, standing, orchestrator, lapsed: None, last: None, is_over: false })
    })
}

/// What is told where a body failed of something other than its client's going away.
pub(crate) fn unfinished(error: &(dyn Error + 'static)) -> Option<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            return Some(Problem::too_slow(TooSlow.to_string()));
        }
        if let Some(unvouched) = error.downcast_ref::<Unvouched>() {
            return Some(match unvouched {
                Unvouched::Lapsed => Problem::unauthorized(),
                Unvouched::Unseen => Problem::unavailable(),
            });
        }
        cause = error.source();
    }
    None
}

async fn look(standing: Standing, orchestrator: Arc<Orchestrator>) -> Result<(), Unvouched> {
    match standing.counts(&orchestrator).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Unvouched::Lapsed),
        Err(error) => {
            tracing::warn!(%error, "whether a credential counts cannot be seen");
            Err(Unvouched::Unseen)
        }
    }
}

impl HttpBody for Vouched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.last.is_none() {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(None) if this.lapsed.is_some() => {
                    this.last = Some(Box::pin(look(this.standing.clone(), Arc::clone(&this.orchestrator))));
                }
                Poll::Ready(frame) => return Poll::Ready(frame),
                Poll::Pending => {
                    let (standing, orchestrator) = (&this.standing, &this.orchestrator);
                    let lapsed =
                        this.lapsed.get_or_insert_with(|| Box::pin(standing.clone().lapsed(Arc::clone(orchestrator))));
                    ready!(lapsed.as_mut().poll(cx));
                    this.is_over = true;
                    return Poll::Ready(Some(Err(axum::Error::new(Unvouched::Lapsed))));
                }
            }
        }
        let Some(last) = &mut this.last else { return Poll::Ready(None) };
        let looked = ready!(last.as_mut().poll(cx));
        this.is_over = true;
        Poll::Ready(looked.err().map(|error| Err(axum::Error::new(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.lapsed.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
