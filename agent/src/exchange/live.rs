//! What the parts of one exchange share while it lives: the run through the chain, the record that is being written,
//! and why it has to stop, if it has to. Its parts are the future of the exchange, the request body on its way up and
//! the reply on its way down; when the last lets go the exchange is over, and the filters and the record are told, once,
//! whatever happened. Must not know sockets.

mod end;
mod stop;
mod waits;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::ACCEPT;
use http::{HeaderValue, Method, Version, request};
use uuid::Uuid;
use weir_host::{Connection, Run};

pub(super) use self::stop::Stop;
use self::stop::Stopping;
use self::waits::Waits;
use super::expect::Leave;
use super::ledger::Ledger;
use super::pause::Asked;
use crate::config::InForce;
use crate::record::{Messages, Outcome, Side};
use crate::worker::Worker;

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

    /// Its heads are there and may be so for long: what filters may still ask for keeps no buffer alive that they were read into.
    pub(super) fn lasts(&self) {
        if let Some(run) = &mut *self.run.borrow_mut() {
            run.exchange_mut().compact();
        }
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
}
