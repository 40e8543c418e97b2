//! The first request head of a connection, looked at before the HTTP codec sees it: that one refuses with a bare status,
//! this says what was wrong and whose fault it was. Enters: a connection; leaves: the same with every byte put back, or
//! nothing, the client having been told. Must not know what requests are for.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, timeout};

use crate::config::ClientLimits;
use crate::connection::Cx;
use crate::exchange::{self, Problem, ReplyBody};
use crate::io::Io;

/// How long a refused client is listened to: with bytes of its left unread, closing would reset the connection and take
/// the answer with it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Bytes of line ends before a request line: one pair is to be ignored (RFC 9112 section 2.2).
const EMPTY_LINES: usize = 16;

pub async fn read(cx: &Cx, io: &mut Io) -> Option<()> {
    let limits = &cx.worker.shared.config.client;
    let mut read = BytesMut::with_capacity(1024);
    let complete = async {
        let (mut before, mut checked) = (0, 0);
        loop {
            match io.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return None,
            }
            if is_worth_a_look(&read, before, checked, limits) {
                if let Some(verdict) = check(&read, limits) {
                    return Some(verdict);
                }
                checked = read.len();
            }
            before = read.len();
            read.reserve(1024);
        }
    };
    match timeout(limits.head_timeout, complete).await {
        Ok(Some(Ok(()))) => {
            io.unread(read.freeze());
            Some(())
        }
        Ok(Some(Err(problem))) => {
            refuse(cx, io, problem).await;
            None
        }
        Ok(None) => None,
        Err(_) => {
            too_slow(cx, io).await;
            None
        }
    }
}

/// Refuses a client that stopped within its request head.
pub(super) async fn too_slow(cx: &Cx, io: &mut Io) {
    let slow = "the request head did not arrive in time".to_owned();
    refuse(cx, io, Problem { status: StatusCode::REQUEST_TIMEOUT, ..Problem::bad_request(slow) }).await;
}

/// Each look begins at the first byte again, so a client that sends a long head byte by byte must not get one for each.
/// What is short, and whatever ends a line, is looked at at once: there are no more lines than fields.
fn is_worth_a_look(read: &[u8], before: usize, checked: usize, limits: &ClientLimits) -> bool {
    const SHORT: usize = 1024;
    let long = read.len() >= limits.head_bytes || read.len() >= 2 * checked;
    read.len() <= SHORT || long || read[before..].contains(&b'\n')
}

/// `None` while it may still become a head.
fn check(bytes: &[u8], limits: &ClientLimits) -> Option<Result<(), Problem>> {
    let refused = |status, why: String| Some(Err(Problem { status, ..Problem::bad_request(why) }));
    // The parser skips them all, and each would be looked at.
    if bytes.get(..EMPTY_LINES).is_some_and(|start| start.iter().all(|b| matches!(b, b'\r' | b'\n'))) {
        return refused(StatusCode::BAD_REQUEST, "there are only empty lines where a request should be".to_owned());
    }
    let mut fields = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut request = httparse::Request::new(&mut fields);
    let too_long = bytes.len() >= limits.head_bytes;
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) if too_long && request.version.is_none() => {
            refused(StatusCode::URI_TOO_LONG, format!("the request line has more than {} bytes", limits.head_bytes))
        }
        Ok(httparse::Status::Partial) if too_long => refused(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request head has more than {} bytes", limits.head_bytes),
        ),
        Ok(httparse::Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => refused(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request head has more than {} fields", limits.headers),
        ),
        Err(httparse::Error::Version) => {
            let why = "the request asks for a version of HTTP that is spoken in no such way".to_owned();
            refused(StatusCode::HTTP_VERSION_NOT_SUPPORTED, why)
        }
        Err(error) => refused(StatusCode::BAD_REQUEST, format!("this is no HTTP request: {error}")),
        Ok(httparse::Status::Complete(_)) => Some(sound(&request).map_err(|why| Problem::bad_request(why.to_owned()))),
    }
}

/// What the codec refuses of a head that parses.
fn sound(request: &httparse::Request<'_, '_>) -> Result<(), &'static str> {
    if request.path.is_none_or(|target| Uri::try_from(target).is_err()) {
        return Err("the request target is no URI (RFC 9112 section 3.2)");
    }
    let lengths = || request.headers.iter().filter(|field| CONTENT_LENGTH == field.name);
    if lengths().any(|field| field.value.is_empty() || !field.value.iter().all(u8::is_ascii_digit)) {
        return Err("Content-Length is no number (RFC 9112 section 6.2)");
    }
    if lengths().any(|field| lengths().any(|other| other.value != field.value)) {
        return Err("Content-Length is there twice, with different numbers (RFC 9112 section 6.3)");
    }
    // Whoever stands on either side of us might believe the other of the two (section 11.2).
    if lengths().next().is_some() && request.headers.iter().any(|field| TRANSFER_ENCODING == field.name) {
        return Err("Content-Length stands beside Transfer-Encoding (RFC 9112 section 6.3)");
    }
    Ok(())
}

async fn refuse(cx: &Cx, io: &mut Io, problem: Problem) {
    tracing::debug!(client = %cx.facts.client_address, problem = %problem.detail, "request refused");
    let reply = write_out(exchange::reply(&problem, None, None)).await;
    // Whatever becomes of this, the connection is over.
    let _ = timeout(LINGER, async {
        io.write_all(&reply).await?;
        io.shutdown().await?;
        let mut rest = BytesMut::with_capacity(16 << 10);
        while io.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        std::io::Result::Ok(())
    })
    .await;
}

async fn write_out(reply: Response<ReplyBody>) -> Bytes {
    let (mut head, body) = reply.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut out = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        out.extend_from_slice(name.as_ref());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(head: &str) -> Option<Result<(), u16>> {
        let limits = ClientLimits { head_bytes: 256, headers: 4, ..ClientLimits::default() };
        check(head.as_bytes(), &limits).map(|verdict| verdict.map_err(|problem| problem.status.as_u16()))
    }

    #[test]
    fn a_head_passes_and_half_a_head_waits() {
        assert_eq!(verdict("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), Some(Ok(())));
        assert_eq!(verdict("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), Some(Ok(())));
        assert_eq!(verdict("OPTIONS * HTTP/1.0\r\n\r\nbody"), Some(Ok(())));
        assert_eq!(verdict("GET http://a.example/ HTTP/1.1\r\nHost: a."), None);
        assert_eq!(verdict("GET"), None);
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_looked_at_as_often_as_it_has_lines() {
        let limits = ClientLimits::default();
        let head = format!("GET / HTTP/1.1\r\nA: {0}\r\nB: {0}\r\n\r\n", "x".repeat(30_000));
        let (mut checked, mut looks) = (0, 0);
        for n in 1..=head.len() {
            if is_worth_a_look(&head.as_bytes()[..n], n - 1, checked, &limits) {
                (checked, looks) = (n, looks + usize::from(n > 1024));
            }
        }
        assert_eq!(checked, head.len());
        assert!(looks < 16, "{looks}");
    }

    #[test]
    fn what_is_wrong_has_a_status_of_its_own() {
        assert_eq!(verdict("GARBAGE\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict(&"\r\n".repeat(7)), None);
        assert_eq!(verdict(&"\n".repeat(16)), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/1.1\r\nno colon here\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET http:///nowhere HTTP/1.1\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n"), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n"), Some(Ok(())));
        let both = "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(verdict(both), Some(Err(400)));
        assert_eq!(verdict("GET / HTTP/9.9\r\n\r\n"), Some(Err(505)));
        assert_eq!(verdict(&format!("GET /{} HTTP/1.1\r\n\r\n", "p".repeat(300))), Some(Ok(())));
        assert_eq!(verdict(&format!("GET /{}", "p".repeat(300))), Some(Err(414)));
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\nx: {}", "p".repeat(300))), Some(Err(431)));
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(5))), Some(Err(431)));
    }
}
