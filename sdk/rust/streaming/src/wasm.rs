//! Bodies in a component: streams and futures of the component model.

use weir_sdk::{CallError, CallRequest, CallResponse, UpstreamError};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter, spawn_local};

use crate::{
    BrokenOff, FetchError, Fields, Gone, Writer as Out,
    component::bindings::{
        exports::weir::filter::streaming::{Incoming, Outgoing},
        weir::filter::{fetch, pause},
        wit_future, wit_stream,
    },
};

/// What is asked for at once.
const CHUNK: usize = 64 << 10;

type Lines = Result<Option<Fields>, ()>;

pub(crate) struct Body {
    content: StreamReader<u8>,
    /// Of one that came: what comes. Else its own, or those that came.
    trailers: Trailers,
}

enum Trailers {
    Came(FutureReader<Lines>),
    AsTheyCame,
    Own(FutureReader<Lines>),
}

pub(crate) struct Writer(StreamWriter<u8>);

impl Body {
    pub(crate) fn came(incoming: Incoming) -> Self {
        Self { content: incoming.content, trailers: Trailers::Came(incoming.trailers) }
    }

    pub(crate) fn goes(self) -> Outgoing {
        let trailers = match self.trailers {
            Trailers::Came(_) | Trailers::AsTheyCame => None,
            Trailers::Own(own) => Some(own),
        };
        Outgoing { content: self.content, trailers }
    }

    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            let (result, read) = self.content.read(Vec::with_capacity(CHUNK)).await;
            if !read.is_empty() {
                return Some(read);
            }
            if !matches!(result, StreamResult::Complete(_)) {
                return None;
            }
        }
    }

    pub(crate) async fn trailers(self) -> Result<Option<Fields>, BrokenOff> {
        match self.trailers {
            Trailers::AsTheyCame => Ok(None),
            Trailers::Came(lines) | Trailers::Own(lines) => lines.await.map_err(|()| BrokenOff),
        }
    }

    pub(crate) fn followed_by(
        self,
        trailers: impl AsyncFnOnce() -> Result<Option<Fields>, BrokenOff> + 'static,
    ) -> Self {
        let (tell, own) = wit_future::new(|| Err(()));
        spawn_local(async move {
            // nobody may want them
            let _ = tell.write(trailers().await.map_err(|_| ())).await;
        });
        Self { content: self.content, trailers: Trailers::Own(own) }
    }

    pub(crate) fn written(write: impl AsyncFnOnce(&mut Out) + 'static) -> Self {
        let (writer, content) = wit_stream::new();
        spawn_local(async move { write(&mut Out(Writer(writer))).await });
        Self { content, trailers: Trailers::AsTheyCame }
    }

    pub(crate) fn written_with_trailers(
        write: impl AsyncFnOnce(&mut Out) -> Result<Option<Fields>, BrokenOff> + 'static,
    ) -> Self {
        let (writer, content) = wit_stream::new();
        let (tell, own) = wit_future::new(|| Err(()));
        spawn_local(async move {
            let mut out = Out(Writer(writer));
            let trailers = write(&mut out).await.map_err(|_| ());
            // the content ends before its trailers come
            drop(out);
            let _ = tell.write(trailers).await;
        });
        Self { content, trailers: Trailers::Own(own) }
    }
}

impl Writer {
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        if self.0.write_all(bytes).await.is_empty() { Ok(()) } else { Err(Gone) }
    }
}

pub(crate) async fn send(of: u32, upstream: &str, request: &CallRequest) -> Result<CallResponse, FetchError> {
    let CallRequest { method, path, headers, body, timeout } = request.clone();
    let asked = fetch::CallRequest { method, path, headers, body };
    let answered = fetch::send(of, upstream.to_owned(), asked, timeout).await.map_err(fetch_error)?;
    Ok(CallResponse { status: answered.status, headers: answered.headers, body: answered.body })
}

fn fetch_error(error: fetch::CallError) -> FetchError {
    match error {
        fetch::CallError::UnknownUpstream => FetchError::NotSent(CallError::UnknownUpstream),
        fetch::CallError::InvalidRequest => FetchError::NotSent(CallError::Invalid),
        fetch::CallError::TooMany => FetchError::NotSent(CallError::TooMany),
        fetch::CallError::Refused => FetchError::Failed(UpstreamError::Refused),
        fetch::CallError::Reset => FetchError::Failed(UpstreamError::Reset),
        fetch::CallError::Timeout => FetchError::Failed(UpstreamError::Timeout),
        fetch::CallError::Dns => FetchError::Failed(UpstreamError::Dns),
        fetch::CallError::Tls(reason) => FetchError::Failed(UpstreamError::Tls(reason)),
        fetch::CallError::Protocol => FetchError::Failed(UpstreamError::Protocol),
        fetch::CallError::TooLarge => FetchError::Failed(UpstreamError::TooLarge),
    }
}

pub(crate) async fn sleep(milliseconds: u32) {
    pause::sleep(milliseconds).await;
}
