//! What all filters of a run share: the exchange, and which of its parts are sent.

use std::{rc::Rc, sync::Arc};

use crate::{Chain, Exchange, Instances, LocalResponse, Task, bindings::weir::filter::http::Part, state::Frozen};

/// What all filters of a run share.
pub(super) struct Core {
    pub(super) lent: Option<Box<Exchange>>,
    pub(super) instances: Rc<Instances>,
    pub(super) chain: Arc<Chain>,
    pub(super) frozen: Frozen,
    pub(super) committed: bool,
    /// The filter that answered, or failed: those before it see the response that follows.
    pub(super) answered: Option<usize>,
    /// Filters have started calls that the agent has not taken.
    pub(super) has_new_calls: bool,
    /// Guests that have begun and that the agent has not taken.
    pub(super) tasks: Vec<Task>,
}

impl Core {
    pub(super) fn new(instances: Rc<Instances>, chain: Arc<Chain>, exchange: Box<Exchange>) -> Self {
        let frozen = Frozen::default();
        Self {
            lent: Some(exchange),
            instances,
            chain,
            frozen,
            committed: false,
            answered: None,
            has_new_calls: false,
            tasks: Vec::new(),
        }
    }

    pub(super) fn exchange(&self) -> &Exchange {
        self.lent.as_deref().expect("the exchange is lent only while a hook runs")
    }

    pub(super) fn exchange_mut(&mut self) -> &mut Exchange {
        self.lent.as_deref_mut().expect("the exchange is lent only while a hook runs")
    }

    /// The part is sent.
    pub(super) fn freeze(&mut self, part: Part) {
        self.frozen = self.frozen.with(part);
    }

    /// Nothing is to be changed any more.
    pub(super) fn freeze_all(&mut self) {
        for part in [Part::Request, Part::Response, Part::RequestTrailers, Part::ResponseTrailers] {
            self.freeze(part);
        }
    }

    /// A response that is not the upstream's takes the place of the one there was.
    pub(super) fn respond(&mut self, response: LocalResponse) {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = response.status;
        head.headers = response.headers;
        head.version = self.exchange().request.version;
        self.freeze(Part::Request);
        let was_upstreams = self.frozen.keeps_original_response();
        self.frozen = self.frozen.local_response();
        let exchange = self.exchange_mut();
        let before = exchange.response.replace(head).filter(|_| was_upstreams).map(Box::new);
        exchange.original_response = exchange.original_response.take().or(before);
        exchange.response_trailers = None;
    }
}
