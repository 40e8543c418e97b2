//! A middleware of the standard world `wasi:http/middleware`, built with the published crate `wasip3` and nothing of Weir's. It
//! stamps requests and responses, answers `/health` by itself, and lets every body pass unread.

use wasip3::{
    exports::http::handler::Guest,
    http::types::{ErrorCode, Fields, Request, Response, Trailers},
    wit_bindgen::{FutureReader, StreamReader},
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

struct Hello;

wasip3::http::service::export!(Hello);

impl Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        if request.get_path_with_query().as_deref() == Some("/health") {
            return Ok(text(200, "well\n"));
        }
        let response = next::handle(stamped_request(request)).await?;
        Ok(stamped_response(response))
    }
}

/// Heads are immutable once they are part of a message: a changed one is a new one. The body moves over unread.
fn stamped_request(request: Request) -> Request {
    let headers = stamped(&request.get_headers());
    let (method, scheme) = (request.get_method(), request.get_scheme());
    let (authority, path) = (request.get_authority(), request.get_path_with_query());
    let (body, trailers) = Request::consume_body(request, delivered());
    let (request, _) = Request::new(headers, Some(body), trailers, None);
    // taken from a request that had them
    let _ = request.set_method(&method);
    let _ = request.set_scheme(scheme.as_ref());
    let _ = request.set_authority(authority.as_deref());
    let _ = request.set_path_with_query(path.as_deref());
    request
}

fn stamped_response(response: Response) -> Response {
    let headers = stamped(&response.get_headers());
    let status = response.get_status_code();
    let (body, trailers) = Response::consume_body(response, delivered());
    let (response, _) = Response::new(headers, Some(body), trailers);
    let _ = response.set_status_code(status);
    response
}

fn stamped(headers: &Fields) -> Fields {
    let headers = headers.clone();
    let _ = headers.append("x-middleware", b"hello");
    headers
}

/// What the sender of a body is told: all is well.
fn delivered() -> FutureReader<Result<(), ErrorCode>> {
    wit_future::new(|| Ok(())).1
}

fn text(status: u16, text: &'static str) -> Response {
    let headers = Fields::new();
    let _ = headers.append("content-type", b"text/plain");
    let (mut writer, body): (_, StreamReader<u8>) = wit_stream::new();
    let trailers: FutureReader<Result<Option<Trailers>, ErrorCode>> = wit_future::new(|| Ok(None)).1;
    let (response, _) = Response::new(headers, Some(body), trailers);
    let _ = response.set_status_code(status);
    wasip3::spawn_local(async move {
        writer.write_all(text.as_bytes().to_vec()).await;
    });
    response
}
