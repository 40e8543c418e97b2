//! What filters wait for: calls and guests that they have begun, and who is woken when these have news.

use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;
use weir_host::{Answer, CallOutcome, Direction, Progress, Run};

use super::super::calls;
use super::{Live, Stop};

/// What filters wait for.
#[derive(Default)]
pub(super) struct Waits {
    /// what was started for the exchange and ends with it
    pub(super) calls: Vec<AbortHandle>,
    /// who carries a direction on, where a hook of it waits
    wakers: [Option<Waker>; 2],
}

impl Live {
    /// What filters have started in a step begins, and what can go on after it is woken.
    pub(super) fn attend(&self, run: &mut Run) {
        let tasks = run.take_tasks();
        if !tasks.is_empty() {
            let begin = |task| tokio::task::spawn_local(task).abort_handle();
            let mut waits = self.waits.borrow_mut();
            waits.calls.extend(tasks.into_iter().map(begin));
            // they call when they like, whatever else the exchange waits for
            waits.calls.push(tokio::task::spawn_local(calls::of_guests(Weak::clone(&self.me))).abort_handle());
        }
        let calls = run.take_calls();
        if !calls.is_empty() {
            let begin = |call| calls::start(&self.worker, Weak::clone(&self.me), call);
            let mut waits = self.waits.borrow_mut();
            // a guest with streams may make many, one after the other
            waits.calls.retain(|call| !call.is_finished());
            waits.calls.extend(calls.into_iter().map(begin));
        }
        for direction in [Direction::Request, Direction::Response] {
            if run.can_resume(direction)
                && let Some(waker) = self.waits.borrow_mut().wakers[direction as usize].take()
            {
                waker.wake();
            }
        }
    }

    /// Begins what guests beside the exchange ask for, as they ask for it.
    pub(in super::super) fn attend_to_calls(&self, cx: &Context<'_>) {
        let has_calls = self.run.borrow().as_ref().is_some_and(|run| {
            run.listen_for_calls(cx.waker());
            run.has_calls()
        });
        if has_calls {
            self.with_run(|_| ());
        }
    }

    pub(in super::super) fn call_ended(&self, id: u32, outcome: CallOutcome) {
        self.with_run(|run| run.call_ended(id, outcome));
    }

    /// After [`Progress::Waiting`]: how it goes on.
    pub(in super::super) fn poll_resume(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<Progress> {
        match self.with_run(|run| run.resume(direction)) {
            Some(Some(progress)) => Poll::Ready(progress),
            Some(None) => {
                self.waits.borrow_mut().wakers[direction as usize] = Some(cx.waker().clone());
                self.listen(direction, cx);
                Poll::Pending
            }
            None => Poll::Ready(Progress::Answer(Answer::Abort)),
        }
    }

    /// Whoever carries this direction on is woken when a guest that runs beside the exchange has something for it.
    pub(in super::super) fn listen(&self, direction: Direction, cx: &Context<'_>) {
        if let Some(run) = &mut *self.run.borrow_mut() {
            run.listen(direction, cx.waker());
        }
    }

    /// While the response is awaited: a filter may answer before it is there.
    pub(in super::super) fn poll_early_answer(&self, cx: &Context<'_>) -> Poll<Stop> {
        self.listen(Direction::Response, cx);
        self.with_run(Run::early_answer).flatten().map_or(Poll::Pending, |answer| Poll::Ready(answer.into()))
    }

    pub(in super::super) async fn resumed(&self, direction: Direction) -> Progress {
        poll_fn(|cx| self.poll_resume(direction, cx)).await
    }
}
