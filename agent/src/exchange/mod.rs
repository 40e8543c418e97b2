//! What becomes of a request.
use std::borrow::Cow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use uuid::Uuid;
use weir_host::Connection;

use crate::target::{Target, TargetError};
use crate::upstream::{BodyError, Outgoing, Received, UpstreamFailure};
use crate::worker::Worker;

#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
pub struct Abort;

pub struct Problem {
    pub status: StatusCode,
    pub detail: Cow<'static, str>,
}

impl Problem {
    pub fn bad_request(detail: String) -> Self {
        Problem { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        Problem::bad_request(error.to_string())
    }
}

impl From<&UpstreamFailure> for Problem {
    fn from(error: &UpstreamFailure) -> Self {
        Problem { status: StatusCode::BAD_GATEWAY, detail: error.to_string().into() }
    }
}

pub fn reply(problem: &Problem, _accept: Option<&HeaderValue>, _exchange: Option<Uuid>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Full(Some(problem.detail.to_string().into())));
    *response.status_mut() = problem.status;
    response
}

pub enum ReplyBody {
    Full(Option<Bytes>),
    Received(Received),
}

impl ReplyBody {
    pub fn empty() -> Self {
        ReplyBody::Full(None)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            ReplyBody::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            ReplyBody::Received(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Full(bytes) => bytes.is_none(),
            ReplyBody::Received(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ReplyBody::Received(body) => body.size_hint(),
        }
    }
}

pub async fn serve(
    worker: &Rc<Worker>,
    _connection: &Arc<Connection>,
    origin: Option<&Target>,
    mut request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Abort> {
    let target = match origin {
        None => Target::from_uri(request.uri()).map_err(|_| Abort)?,
        Some(origin) => {
            if request.uri().authority().is_none() {
                let uri = format!("{}://{}{}", origin.scheme.as_str(), origin.authority(), request.uri());
                *request.uri_mut() = uri.parse().map_err(|_| Abort)?;
            }
            origin.clone()
        }
    };
    request.headers_mut().remove(http::header::CONNECTION);
    let request = request.map(|body| if body.is_end_stream() { Outgoing::Empty } else { Outgoing::Incoming(body) });
    match worker.upstreams.send(&target, request).await {
        Ok(sent) => {
            let mut response = sent.response;
            response.headers_mut().remove(http::header::CONNECTION);
            Ok(response.map(ReplyBody::Received))
        }
        Err(failure) => Ok(reply(&(&failure).into(), None, None)),
    }
}
