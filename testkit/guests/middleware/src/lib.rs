//! A middleware that does what the field `x-middleware` of the request says, much of which none should do.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use wasip3::{
    clocks::monotonic_clock,
    exports::http::handler::Guest,
    http::{
        client,
        types::{ErrorCode, Fields, Request, Response, Trailers},
    },
    wit_bindgen::{FutureReader, StreamReader, StreamResult},
    wit_future, wit_stream,
};

mod bindings {
    wasip3::wit_bindgen::generate!({
        path: "wit",
        world: "example:middleware/next",
        with: {
            "wasi:http/handler@0.3.2": generate,
            "wasi:http/types@0.3.2": wasip3::http::types,
            "wasi:clocks/types@0.3.2": wasip3::clocks::types,
        },
        runtime_path: "wasip3::wit_bindgen::rt",
    });
}
use bindings::wasi::http::handler as next;

struct Middleware;

wasip3::http::service::export!(Middleware);

type Told = FutureReader<Result<Option<Trailers>, ErrorCode>>;

impl Guest for Middleware {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let asked = request.get_headers().get("x-middleware").into_iter().next().unwrap_or_default();
        let asked = String::from_utf8_lossy(&asked).into_owned();
        match asked.as_str() {
            "upper" => upper(request).await,
            "answer" => Ok(text(418, "short and stout\n".repeat(10_000), Some(("x-end", b"here")))),
            "long-trailer" => Ok(text(200, "short and stout\n".to_owned(), Some(("x-end", &[b'y'; 70_000])))),
            "flood" => Ok(text(200, "so much to say\n".repeat(1 << 20), None)),
            "count" => count(request).await,
            "weigh" => weigh(request).await,
            "echo" => {
                let (body, trailers) = Request::consume_body(request, delivered());
                Ok(Response::new(Fields::new(), Some(body), trailers).0)
            }
            "impatient" => impatient(request).await,
            "slow" => {
                monotonic_clock::wait_for(50_000_000).await;
                next::handle(request).await
            }
            "trap" => panic!("as asked"),
            "trap-after" => {
                let _response = next::handle(request).await?;
                panic!("as asked, with a response at hand")
            }
            "trap-while-reading" => {
                let (mut body, _) = Request::consume_body(request, delivered());
                body.next().await;
                panic!("as asked, with some of a body")
            }
            "loop" => loop {
                std::hint::black_box(());
            },
            "stall" => {
                monotonic_clock::wait_for(3_600_000_000_000).await;
                Err(ErrorCode::HttpResponseTimeout)
            }
            "grow" => {
                let mut kept: Vec<Vec<u8>> = Vec::new();
                loop {
                    kept.push(Vec::with_capacity(8 << 20));
                }
            }
            "tasks" => loop {
                // each is a task of the host's that lives on
                let mut task = Box::pin(monotonic_clock::wait_for(3_600_000_000_000));
                poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx).is_ready())).await;
                std::mem::forget(task);
            },
            "error" => Err(ErrorCode::HttpRequestDenied),
            "twice" => twice(request).await,
            "client" => Ok(text(200, format!("{:?}\n", client::send(request).await.err()), None)),
            "fallback" => match next::handle(request).await {
                Ok(response) => Ok(response),
                Err(error) => Ok(text(200, format!("in place of {error:?}\n"), None)),
            },
            "elsewhere" => {
                let _ = request.set_path_with_query(Some("/elsewhere?by=middleware"));
                next::handle(request).await
            }
            _ => next::handle(request).await,
        }
    }
}

/// Both bodies, byte by byte; trailers as they are.
async fn upper(request: Request) -> Result<Response, ErrorCode> {
    let headers = request.get_headers().clone();
    let (method, scheme) = (request.get_method(), request.get_scheme());
    let (authority, path) = (request.get_authority(), request.get_path_with_query());
    let (body, trailers) = Request::consume_body(request, delivered());
    let (request, _) = Request::new(headers, Some(shouted(body)), trailers, None);
    let _ = request.set_method(&method);
    let _ = request.set_scheme(scheme.as_ref());
    let _ = request.set_authority(authority.as_deref());
    let _ = request.set_path_with_query(path.as_deref());
    let response = next::handle(request).await?;
    let (headers, status) = (response.get_headers().clone(), response.get_status_code());
    let _ = headers.append("x-shouted", b"yes");
    let (body, trailers) = Response::consume_body(response, delivered());
    let (response, _) = Response::new(headers, Some(shouted(body)), trailers);
    let _ = response.set_status_code(status);
    Ok(response)
}

fn shouted(mut body: StreamReader<u8>) -> StreamReader<u8> {
    let (mut writer, shouted) = wit_stream::new();
    wasip3::spawn_local(async move {
        let mut chunk = Vec::with_capacity(16 << 10);
        loop {
            let (result, mut read) = body.read(chunk).await;
            read.make_ascii_uppercase();
            if !matches!(result, StreamResult::Complete(_)) && read.is_empty() {
                return;
            }
            chunk = writer.write_all(read).await;
            if !chunk.is_empty() {
                return;
            }
            chunk = Vec::with_capacity(16 << 10);
        }
    });
    shouted
}

/// Reads all of a body and keeps none of it.
async fn count(request: Request) -> Result<Response, ErrorCode> {
    let (body, _) = Request::consume_body(request, delivered());
    size(body).await
}

/// As [`count`], what it was answered.
async fn weigh(request: Request) -> Result<Response, ErrorCode> {
    let response = next::handle(request).await?;
    let (body, _) = Response::consume_body(response, delivered());
    size(body).await
}

async fn size(mut body: StreamReader<u8>) -> Result<Response, ErrorCode> {
    let (mut bytes, mut chunk) = (0_u64, Vec::with_capacity(64 << 10));
    loop {
        let (result, read) = body.read(chunk).await;
        bytes += read.len() as u64;
        if !matches!(result, StreamResult::Complete(_)) {
            return Ok(text(200, format!("{bytes}\n"), None));
        }
        chunk = read;
        chunk.clear();
    }
}

/// Asks, and does not wait for the answer.
async fn impatient(request: Request) -> Result<Response, ErrorCode> {
    let mut answer = Box::pin(next::handle(request));
    let asked = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_ready())).await;
    assert!(!asked, "the answer cannot be there yet");
    monotonic_clock::wait_for(50_000_000).await;
    std::mem::forget(answer);
    Ok(text(504, "not now\n".to_owned(), None))
}

async fn twice(request: Request) -> Result<Response, ErrorCode> {
    let response = next::handle(request).await?;
    let (again, _) = Request::new(Fields::new(), None, nothing(), None);
    let _ = again.set_path_with_query(Some("/"));
    let _ = again.set_authority(Some("example.com"));
    let error = next::handle(again).await.err();
    drop(response);
    Ok(text(200, format!("{error:?}\n"), None))
}

fn delivered() -> FutureReader<Result<(), ErrorCode>> {
    wit_future::new(|| Ok(())).1
}

fn nothing() -> Told {
    wit_future::new(|| Ok(None)).1
}

fn text(status: u16, text: String, trailer: Option<(&str, &[u8])>) -> Response {
    let headers = Fields::new();
    let _ = headers.append("content-type", b"text/plain");
    let trailers = match trailer {
        None => nothing(),
        Some((name, value)) => {
            let _ = headers.append("x-has-trailer", name.as_bytes());
            let trailers = Fields::from_list(&[(name.to_owned(), value.to_vec())]).expect("a field");
            let (writer, reader) = wit_future::new(|| Ok(None));
            wasip3::spawn_local(async move {
                let _ = writer.write(Ok(Some(trailers))).await;
            });
            reader
        }
    };
    let (mut writer, body) = wit_stream::new();
    let (response, _) = Response::new(headers, Some(body), trailers);
    let _ = response.set_status_code(status);
    wasip3::spawn_local(async move {
        writer.write_all(text.into_bytes()).await;
    });
    response
}
