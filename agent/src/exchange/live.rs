//! What the parts of one exchange share while it lives: the run through the chain, the record that is being written,
//! and why it has to stop, if it has to. Its parts are the future of the exchange, the request body on its way up and
//! the reply on its way down; when the last lets go the exchange is over, and the filters and the record are told, once,
//! whatever happened. Must not know sockets.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::header::ACCEPT;
use http::{HeaderValue, Method, Version, request};
use tokio::task::AbortHandle;
use uuid::Uuid;
use weir_host::{Answer, CallOutcome, Connection, Direction, DoneReason, LocalResponse, Progress, Run, Summary};

use super::calls;
use super::expect::Leave;
use super::ledger::Ledger;
use super::pause::Asked;
use super::problem::{Blame, Problem};
use crate::config::InForce;
use crate::record::{Messages, Outcome, Side};
use crate::stats::Way;
use crate::worker::Worker;

/// An exchange takes another course than to the upstream and back.
#[derive(Debug)]
pub(super) enum Stop {
    /// A filter answers.
    Respond(LocalResponse),
    /// The agent answers, because it is the one that was asked.
    Reply(LocalResponse),
    /// The agent answers, because there is nothing better.
    Problem(Problem),
    /// Nobody does: the client sees its connection or its stream end.
    Abort,
}

pub(super) struct Live {
    me: Weak<Live>,
    pub(super) worker: Rc<Worker>,
    /// in force when the exchange began
    pub(super) tuning: Rc<InForce>,
    pub(super) id: Uuid,
    /// of the request as it came: what its reply may hold, and in which form an error is told
    pub(super) method: Method,
    /// which its response has, too, whatever the upstream speaks
    pub(super) version: Version,
    pub(super) accept: Option<HeaderValue>,
    entry: weir_host::Entry,
    began: Instant,
    /// none where no filter meets this exchange
    run: RefCell<Option<Run>>,
    rewrites_responses: Cell<bool>,
    ledger: RefCell<Option<Ledger>>,
    outcome: RefCell<Option<(Outcome, Option<String>)>>,
    stopping: RefCell<Stopping>,
    /// the last byte of the response is out
    replied: Cell<bool>,
    /// where the client's body waits for the upstream to want it
    leave: RefCell<Option<Arc<Leave>>>,
    waits: RefCell<Waits>,
    /// where the request went, and when the response's head was there
    answered: Cell<Option<(SocketAddr, Duration)>>,
    /// where a breakpoint may pause the response
    asked: RefCell<Option<Box<Asked>>>,
    /// a person changed the request's head
    edited: Cell<bool>,
}

/// What filters wait for.
#[derive(Default)]
struct Waits {
    /// what was started for the exchange and ends with it
    calls: Vec<AbortHandle>,
    /// who carries a direction on, where a hook of it waits
    wakers: [Option<Waker>; 2],
}

#[derive(Default)]
struct Stopping {
    stop: Option<Stop>,
    waker: Option<Waker>,
}

impl Live {
    /// The request head is there, as the client sent it.
    pub(super) fn begin(worker: &Rc<Worker>, connection: &Connection, id: Uuid, request: &request::Parts) -> Rc<Self> {
        let tuning = worker.tuning.now();
        let mut recording = worker.recorder.begin(id, &tuning);
        recording.connection(connection);
        recording.request_head(Side::Original, request);
        worker.shared.stats.exchange_began();
        let limit = worker.recorder.body_limit(&tuning);
        Rc::new_cyclic(|me| Live {
            me: Weak::clone(me),
            worker: Rc::clone(worker),
            tuning,
            id,
            method: request.method.clone(),
            version: request.version,
            // a copy: its own keeps the buffer alive that the head was read into
            accept: request.headers.get(ACCEPT).and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()),
            entry: connection.entry,
            began: Instant::now(),
            run: RefCell::new(None),
            rewrites_responses: Cell::new(false),
            ledger: RefCell::new(Some(Ledger::new(recording, limit, request))),
            outcome: RefCell::new(None),
            stopping: RefCell::default(),
            replied: Cell::new(false),
            leave: RefCell::new(None),
            waits: RefCell::default(),
            answered: Cell::new(None),
            asked: RefCell::new(None),
            edited: Cell::new(false),
        })
    }

    /// The upstream has answered.
    pub(super) fn answered(&self, by: SocketAddr) {
        self.answered.set(Some((by, self.began.elapsed())));
        self.record(|ledger| ledger.recording().upstream(by));
    }

    /// A breakpoint may ask about the response.
    pub(super) fn asks(&self, asked: Asked) {
        self.asked.replace(Some(Box::new(asked)));
    }

    /// What it asks about, once.
    pub(super) fn asked(&self) -> Option<Asked> {
        self.asked.take().map(|asked| *asked)
    }

    /// A person changed the request.
    pub(super) fn mark_edited(&self) {
        self.edited.set(true);
    }

    pub(super) fn was_edited(&self) -> bool {
        self.edited.get()
    }

    /// Filters meet this exchange.
    pub(super) fn enter(&self, run: Run) {
        self.run.replace(Some(run));
        self.with_run(|_| ());
    }

    /// One of them may make the content of the response.
    pub(super) fn set_rewrites_responses(&self, one_does: bool) {
        self.rewrites_responses.set(one_does);
    }

    pub(super) fn has_run(&self) -> bool {
        self.run.borrow().is_some()
    }

    pub(super) fn rewrites_responses(&self) -> bool {
        self.rewrites_responses.get()
    }

    /// A guest may run meanwhile: nothing else of this exchange does.
    pub(super) fn with_run<T>(&self, ask: impl FnOnce(&mut Run) -> T) -> Option<T> {
        let mut run = self.run.borrow_mut();
        let run = run.as_mut()?;
        let answer = ask(run);
        self.attend(run);
        Some(answer)
    }

    /// What filters have started in a step begins, and what can go on after it is woken.
    fn attend(&self, run: &mut Run) {
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
    pub(super) fn attend_to_calls(&self, cx: &Context<'_>) {
        let has_calls = self.run.borrow().as_ref().is_some_and(|run| {
            run.listen_for_calls(cx.waker());
            run.has_calls()
        });
        if has_calls {
            self.with_run(|_| ());
        }
    }

    pub(super) fn call_ended(&self, id: u32, outcome: CallOutcome) {
        self.with_run(|run| run.call_ended(id, outcome));
    }

    /// After [`Progress::Waiting`]: how it goes on.
    pub(super) fn poll_resume(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<Progress> {
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
    pub(super) fn listen(&self, direction: Direction, cx: &Context<'_>) {
        if let Some(run) = &mut *self.run.borrow_mut() {
            run.listen(direction, cx.waker());
        }
    }

    /// While the response is awaited: a filter may answer before it is there.
    pub(super) fn poll_early_answer(&self, cx: &Context<'_>) -> Poll<Stop> {
        self.listen(Direction::Response, cx);
        self.with_run(Run::early_answer).flatten().map_or(Poll::Pending, |answer| Poll::Ready(answer.into()))
    }

    pub(super) async fn resumed(&self, direction: Direction) -> Progress {
        poll_fn(|cx| self.poll_resume(direction, cx)).await
    }

    /// Writes into the record.
    pub(super) fn record(&self, write: impl FnOnce(&mut Ledger)) {
        if let Some(ledger) = &mut *self.ledger.borrow_mut() {
            write(ledger);
        }
    }

    /// Where messages of this exchange go; none where they are not recorded.
    pub(super) fn messages(&self) -> Option<Rc<Messages>> {
        self.ledger.borrow_mut().as_mut().and_then(|ledger| ledger.recording().messages())
    }

    pub(super) fn replied(&self) {
        self.replied.set(true);
    }

    /// The request body waits for leave.
    pub(super) fn waits_for(&self, leave: Arc<Leave>) {
        self.leave.replace(Some(leave));
    }

    /// A final response is there: true where it came before the body was wanted, which it never will be now.
    pub(super) fn body_is_unwanted(&self) -> bool {
        self.leave.borrow().as_ref().is_some_and(|leave| leave.close())
    }

    /// Nothing more of the response comes.
    pub(super) fn reply_is_out(&self) {
        if let Some(leave) = &*self.leave.borrow() {
            leave.end();
        }
    }

    /// How it ends; the first cause counts, and what follows from it does not.
    pub(super) fn ends(&self, outcome: Outcome, error: Option<String>) {
        self.outcome.borrow_mut().get_or_insert((outcome, error));
    }

    /// Another end than the one that it had come to.
    pub(super) fn ends_after_all(&self, outcome: Outcome, error: String) {
        self.outcome.replace(Some((outcome, Some(error))));
    }

    pub(super) fn ends_by(&self, stop: &Stop) {
        let problem = match stop {
            Stop::Respond(_) => return self.ends(Outcome::FilterAnswered, None),
            Stop::Reply(_) => return self.ends(Outcome::Complete, None),
            Stop::Abort => return self.ends(Outcome::FilterAnswered, Some("a filter closed the exchange".to_owned())),
            Stop::Problem(problem) => problem,
        };
        let outcome = match problem.blame {
            Blame::Client if problem.kind == "request-body" => Outcome::ClientGone,
            Blame::Client | Blame::Agent => Outcome::Refused,
            Blame::Upstream => Outcome::UpstreamFailed,
            Blame::Filter => Outcome::FilterFailed,
        };
        self.ends(outcome, Some(problem.detail.clone().into_owned()));
    }

    /// For a part that cannot answer by itself: the part that can, or that sends the reply, takes it up.
    pub(super) fn stop(&self, stop: Stop) {
        self.ends_by(&stop);
        let mut stopping = self.stopping.borrow_mut();
        stopping.stop.get_or_insert(stop);
        if let Some(waker) = stopping.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn poll_stop(&self, cx: &mut Context<'_>) -> Poll<Stop> {
        let mut stopping = self.stopping.borrow_mut();
        if let Some(stop) = stopping.stop.take() {
            return Poll::Ready(stop);
        }
        if stopping.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            stopping.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let (outcome, error) = match self.outcome.get_mut().take() {
            Some(end) => end,
            None if self.replied.get() => (Outcome::Complete, None),
            None if self.worker.drain.has_begun() => (Outcome::ShutDown, None),
            None => (Outcome::ClientGone, None),
        };
        for call in self.waits.get_mut().calls.drain(..) {
            call.abort();
        }
        let mut run = self.run.get_mut().take();
        let ledger = self.ledger.get_mut().take();
        let sizes = |direction| ledger.as_ref().map_or((0, 0), |ledger| ledger.sizes(direction));
        let (request, response) = (sizes(Direction::Request), sizes(Direction::Response));
        if let Some(run) = &mut run {
            let answered = self.answered.get();
            let (request_bytes, response_bytes) = ledger.as_ref().map_or((0, 0), Ledger::of_client);
            let summary = Summary {
                request_bytes,
                response_bytes,
                duration: self.began.elapsed(),
                first_byte: answered.map(|(_, after)| after),
                upstream_address: answered.map(|(by, _)| by),
            };
            run.complete(done_reason(outcome), &summary);
        }
        let stats = &self.worker.shared.stats;
        if let Some(ledger) = ledger {
            stats.bytes(Way::FromClient, request.0);
            stats.bytes(Way::ToUpstream, request.1);
            stats.bytes(Way::FromUpstream, response.0);
            stats.bytes(Way::ToClient, response.1);
            ledger.finish(run.as_ref(), outcome, error.as_deref());
        }
        stats.exchange_ended(self.entry, outcome, self.began.elapsed());
    }
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Respond(response) => Stop::Respond(response),
            Answer::Abort => Stop::Abort,
            Answer::Failed(failure) => Stop::Problem(Problem::from(&failure)),
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Problem(problem)
    }
}

/// What filters are told. They are not told of what was refused before they saw it.
fn done_reason(outcome: Outcome) -> DoneReason {
    match outcome {
        Outcome::Complete | Outcome::Upgraded => DoneReason::Complete,
        Outcome::ClientGone => DoneReason::ClientGone,
        Outcome::UpstreamFailed | Outcome::Refused => DoneReason::UpstreamGone,
        Outcome::FilterAnswered => DoneReason::FilterAnswered,
        Outcome::FilterFailed => DoneReason::FilterFailed,
        Outcome::ShutDown => DoneReason::ShutDown,
    }
}
