//! Calls to servers and timers, for hooks that wait.
//!
//! ```
//! use std::time::Duration;
//! use weir_sdk::prelude::*;
//!
//! struct Slow;
//!
//! impl Filter for Slow {
//!     type Config = NoConfig;
//!     type State = ();
//! #   fn new(_config: NoConfig) -> Result<Self, Problems> {
//! #       Ok(Self)
//! #   }
//! #   fn subscription(&self) -> Subscription {
//! #       Subscription::new().request_head()
//! #   }
//!
//!     fn request_head(&self, request: &mut Request, _: &mut ()) -> Action {
//!         match request.start_timer(Duration::from_millis(100)) {
//!             Ok(_) => Action::Wait,
//!             Err(_) => Action::Next,
//!         }
//!     }
//!
//!     fn resumed(&self, _: &mut Resumed, _: CallOutcome, _: &mut ()) -> Resumption {
//!         Resumption::Proceed
//!     }
//! }
//! ```
//!
//! Other exchanges meet their hooks while one waits. A call goes on while the exchange does: what has ended before a hook
//! waits resumes it at once. The publication has to grant `timer` or `callout`, and names the servers.

use std::fmt;

use crate::{Request, Response, Trailers, UpstreamError, headers::Part, imports};

/// Names a call or timer of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call(pub(crate) u32);

/// A request to a server that the publication names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// Method.
    pub method: String,
    /// Path and query in origin form, below the path of the upstream's URL.
    pub path: String,
    /// Fields. Those that frame a message, hop-by-hop fields and `Host` are the agent's.
    pub headers: Vec<(String, String)>,
    /// Content.
    pub body: Vec<u8>,
    /// Milliseconds, no longer than the upstream's own bound; that without one.
    pub timeout: Option<u32>,
}

impl CallRequest {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET".into(), path: path.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// A POST.
    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), body: body.into(), ..Self::get(path) }
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Bounds the call, milliseconds.
    #[must_use]
    pub fn timeout(mut self, milliseconds: u32) -> Self {
        self.timeout = Some(milliseconds);
        self
    }
}

/// Why nothing was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// No upstream of this name in the publication.
    UnknownUpstream,
    /// Not a valid method, path or field; or a timer of more than a minute.
    Invalid,
    /// 16 calls and timers per exchange and filter.
    TooMany,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownUpstream => "the publication names no such upstream",
            Self::Invalid => "the request or the time is not valid",
            Self::TooMany => "the filter has started all that it may for this exchange",
        })
    }
}

impl std::error::Error for CallError {}

/// What a call or timer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The time of a timer has passed.
    Elapsed,
    /// A whole response.
    Response(CallResponse),
    /// None. `TooLarge` when it exceeds what the publication allows.
    Failed(UpstreamError),
}

/// The response to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResponse {
    /// Status code.
    pub status: u16,
    /// Fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Content, as it came.
    pub body: Vec<u8>,
}

impl CallResponse {
    /// First value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The exchange of a hook that waits, and which call has ended.
#[derive(Debug)]
pub struct Resumed {
    request: Request,
    response: Response,
    waiting: Hook,
    call: Call,
}

/// A hook that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// [`Filter::request_head`](crate::Filter::request_head)
    RequestHead,
    /// [`Filter::request_body`](crate::Filter::request_body)
    RequestBody,
    /// [`Filter::request_trailers`](crate::Filter::request_trailers)
    RequestTrailers,
    /// [`Filter::response_head`](crate::Filter::response_head)
    ResponseHead,
    /// [`Filter::response_body`](crate::Filter::response_body)
    ResponseBody,
    /// [`Filter::response_trailers`](crate::Filter::response_trailers)
    ResponseTrailers,
}

impl Resumed {
    pub(crate) fn new(number: u32, waiting: Hook, call: u32) -> Self {
        Self { request: Request::new(number, true), response: Response::new(number, true), waiting, call: Call(call) }
    }

    /// Which hook has waited.
    pub fn waiting(&self) -> Hook {
        self.waiting
    }

    /// The chunk that has waited, if a body's hook has: a copy, made when it is asked for.
    pub fn chunk(&self) -> Option<Vec<u8>> {
        imports::waiting_chunk(self.request.number())
    }

    /// The call that has ended.
    pub fn call(&self) -> Call {
        self.call
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The request, to be changed where the hook that waits could.
    pub fn request_mut(&mut self) -> &mut Request {
        &mut self.request
    }

    /// The request's trailers, to be changed where the hook that waits could.
    pub fn request_trailers(&mut self) -> Trailers {
        Trailers::new(self.request.number(), Part::RequestTrailers)
    }

    /// The response's trailers, to be changed where the hook that waits could.
    pub fn response_trailers(&mut self) -> Trailers {
        Trailers::new(self.request.number(), Part::ResponseTrailers)
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&Response> {
        imports::status(self.request.number()).map(|_| &self.response)
    }

    /// The response, to be changed where the hook that waits could.
    pub fn response_mut(&mut self) -> Option<&mut Response> {
        imports::status(self.request.number()).map(|_| &mut self.response)
    }
}
