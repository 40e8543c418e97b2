//! Between the contract's generated types and the host's own.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};

use crate::{
    BodyMode, CallOutcome, Direction, DoneReason, LocalResponse, Subscription, Summary, UpstreamError,
    bindings::{
        completed::exports::weir::filter::completed::Summary as GuestSummary,
        exports::weir::filter::{
            events::{
                Action, CallOutcome as GuestOutcome, CallResponse as GuestCallResponse, ChunkAction,
                DoneReason as GuestReason, Hook as GuestHook, Resumption, UpstreamError as GuestUpstreamError,
            },
            lifecycle::Subscription as GuestSubscription,
        },
        weir::filter::http::{
            BodyMode as GuestMode, Direction as GuestDirection, LocalResponse as GuestResponse, Part,
        },
    },
    imports,
};

impl From<GuestDirection> for Direction {
    fn from(direction: GuestDirection) -> Self {
        match direction {
            GuestDirection::Request => Self::Request,
            GuestDirection::Response => Self::Response,
        }
    }
}

impl From<Direction> for GuestDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::Request,
            Direction::Response => Self::Response,
        }
    }
}

impl From<GuestMode> for BodyMode {
    fn from(mode: GuestMode) -> Self {
        match mode {
            GuestMode::None => Self::None,
            GuestMode::Observe => Self::Observe,
            GuestMode::Transform => Self::Transform,
            GuestMode::Buffer => Self::Buffer,
        }
    }
}

impl From<DoneReason> for GuestReason {
    fn from(reason: DoneReason) -> Self {
        match reason {
            DoneReason::Complete => Self::Complete,
            DoneReason::ClientGone => Self::ClientGone,
            DoneReason::UpstreamGone => Self::UpstreamGone,
            DoneReason::FilterAnswered => Self::FilterAnswered,
            DoneReason::FilterFailed => Self::FilterFailed,
            DoneReason::ShutDown => Self::ShutDown,
        }
    }
}

impl GuestSummary {
    pub(crate) fn new(reason: DoneReason, summary: &Summary) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        Self {
            reason: reason.into(),
            request_bytes: summary.request_bytes as f64,
            response_bytes: summary.response_bytes as f64,
            duration: milliseconds(summary.duration),
            first_byte: summary.first_byte.map(milliseconds),
            upstream_address: summary.upstream_address.map(|address| address.to_string()),
        }
    }
}

impl From<&UpstreamError> for GuestUpstreamError {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Refused => Self::Refused,
            UpstreamError::Reset => Self::Reset,
            UpstreamError::Timeout => Self::Timeout,
            UpstreamError::Dns => Self::Dns,
            UpstreamError::Tls(reason) => Self::Tls(reason.clone()),
            UpstreamError::Protocol => Self::Protocol,
            UpstreamError::TooLarge => Self::TooLarge,
        }
    }
}

impl Part {
    /// The head of a direction.
    pub(crate) fn head(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::Request,
            Direction::Response => Self::Response,
        }
    }

    /// The trailers of a direction.
    pub(crate) fn trailers(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::RequestTrailers,
            Direction::Response => Self::ResponseTrailers,
        }
    }
}

impl GuestHook {
    pub(crate) fn head(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::RequestHead,
            Direction::Response => Self::ResponseHead,
        }
    }

    pub(crate) fn body(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::RequestBody,
            Direction::Response => Self::ResponseBody,
        }
    }

    pub(crate) fn trailers(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::RequestTrailers,
            Direction::Response => Self::ResponseTrailers,
        }
    }
}

impl From<Action> for Resumption {
    fn from(action: Action) -> Self {
        match action {
            Action::Next => Self::Proceed,
            Action::Respond(response) => Self::Respond(response),
            Action::Abort => Self::Abort,
            Action::HoldForBody => Self::HoldForBody,
            Action::Wait => Self::Wait,
        }
    }
}

impl From<ChunkAction> for Resumption {
    fn from(action: ChunkAction) -> Self {
        match action {
            ChunkAction::Pass => Self::Proceed,
            ChunkAction::Replace(bytes) => Self::Replace(bytes),
            ChunkAction::DropChunk => Self::DropChunk,
            ChunkAction::Respond(response) => Self::Respond(response),
            ChunkAction::Abort => Self::Abort,
            ChunkAction::Wait => Self::Wait,
        }
    }
}

impl From<&CallOutcome> for GuestOutcome {
    fn from(outcome: &CallOutcome) -> Self {
        match outcome {
            CallOutcome::Elapsed => Self::Elapsed,
            CallOutcome::Failed(error) => Self::Failed(error.into()),
            CallOutcome::Response(response) => Self::Response(GuestCallResponse {
                status: response.status.as_u16(),
                headers: imports::lines(&response.headers),
                body: response.body.to_vec(),
            }),
        }
    }
}

impl Subscription {
    /// As the guest asked, within its limit.
    pub(crate) fn new(asked: GuestSubscription, buffer_bytes: u32) -> Self {
        Self {
            request_head: asked.request_head,
            request_body: asked.request_body.into(),
            request_trailers: asked.request_trailers,
            response_head: asked.response_head,
            response_body: asked.response_body.into(),
            response_trailers: asked.response_trailers,
            decoded: asked.decoded,
            max_buffer: asked.max_buffer.min(buffer_bytes),
        }
    }
}

/// A guest's response, checked. Fields that the agent owns are left out: a guest that passes on what it got elsewhere
/// is not wrong to have them.
pub(crate) fn local_response(given: GuestResponse) -> Result<LocalResponse, String> {
    let status = StatusCode::from_u16(given.status).ok().filter(|_| (200..600).contains(&given.status));
    let status = status.ok_or_else(|| format!("it responds with status {}: 200 to 599 it may be", given.status))?;
    let bytes: usize = given.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > imports::HEAD_BYTES {
        return Err(format!("it responds with {bytes} bytes of fields, more than {}", imports::HEAD_BYTES));
    }
    if given.headers.len() > imports::HEAD_LINES {
        return Err(format!("it responds with {} fields, more than {}", given.headers.len(), imports::HEAD_LINES));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given.headers {
        let fault = || format!("it responds with a field that is not valid: {name:?}");
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault())?;
        let value = imports::parse_value(&value).map_err(|_| fault())?;
        if !imports::is_owned(&field) {
            headers
                .try_append(field, value)
                .map_err(|_| "it responds with more fields than a head holds".to_owned())?;
        }
    }
    Ok(LocalResponse { status, headers, body: Bytes::from(given.body) })
}
