//! A question or subscription that goes on beside its connection. What it waits for, of the database above all, it gets and
//! gives back at its own pace, though the client takes nothing; but the next answer is made when the last one was taken.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_graphql::{Request, Response};
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Api, answer::Kept};

/// What takes longer to begin goes on beginning, and nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Its answers, and once that there are no more. It ends when this is dropped.
pub(super) struct Operation {
    answers: mpsc::Receiver<(Response, Turn)>,
    is_over: bool,
    _task: AbortOnDropHandle<()>,
}

/// Until it is dropped no further answer is made.
pub(super) struct Turn {
    kept: Kept,
    next: Arc<Semaphore>,
}

/// Goes with a request. It is over when what that asks for has begun, or is answered: from then on nothing that comes is passed
/// over.
#[derive(Clone)]
pub(super) struct Beginning(Arc<Mutex<Option<oneshot::Sender<()>>>>);

/// Told when that is.
pub(super) struct Begun {
    told: oneshot::Receiver<()>,
    until: Instant,
}

impl Operation {
    pub(super) fn begin(api: &Api, request: Request) -> (Self, Begun) {
        let (begins, told) = oneshot::channel();
        let beginning = Beginning(Arc::new(Mutex::new(Some(begins))));
        let kept = Kept::default();
        let request = request.data(kept.clone()).data(beginning.clone());
        let (tell, answers) = mpsc::channel(1);
        let task = tokio::spawn(answer(api.execute_stream(request), (kept, beginning), tell));
        let operation = Self { answers, is_over: false, _task: AbortOnDropHandle::new(task) };
        (operation, Begun { told, until: Instant::now() + PATIENCE })
    }
}

async fn answer(
    mut answers: BoxStream<'static, Response>,
    (kept, beginning): (Kept, Beginning),
    tell: mpsc::Sender<(Response, Turn)>,
) {
    let next = Arc::new(Semaphore::new(1));
    while let Ok(permit) = next.acquire().await {
        permit.forget();
        let answer = answers.next().await;
        beginning.is_over();
        let Some(answer) = answer else { return };
        let turn = Turn { kept: kept.clone(), next: Arc::clone(&next) };
        if tell.send((answer, turn)).await.is_err() {
            return;
        }
    }
}

impl Stream for Operation {
    type Item = Option<(Response, Turn)>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.answers.poll_recv(context).map(|answer| {
            self.is_over = answer.is_none();
            Some(answer)
        })
    }
}

impl Turn {
    /// The answer is on its way: what it took to make it is free.
    pub(super) fn release(&self) {
        self.kept.release();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.next.add_permits(1);
    }
}

impl Beginning {
    pub(super) fn is_over(&self) {
        self.0.lock().take();
    }
}

impl Begun {
    /// May be dropped and called again.
    pub(super) async fn wait(&mut self) {
        let _ = timeout_at(self.until, &mut self.told).await;
    }
}
