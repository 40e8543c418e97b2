//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that makes something is carried out once, however often
//! its client has to send it, and whichever orchestrator it reaches. The answer is kept for a day. It may hold what is shown once,
//! such as a token; so it is sealed with the client's key, of which only a hash is kept, as of the token itself.

mod seal;

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{OriginalUri, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tracing::Instrument as _;

use self::seal::{open, sealed};
use super::{SMALL_BODY, problem::Problem, vouched::unfinished};
use crate::{access::Principal, clock::now_us, orchestrator::Orchestrator, store::Begun};

pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// For how long an answer is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// A request that was begun longer ago was given up, by an orchestrator that ended.
const ABANDONED: Duration = Duration::from_secs(5 * 60);
/// Characters of a key: a shorter one could be guessed.
const SHORTEST: usize = 16;
const LONGEST: usize = 255;
/// Of an answer.
const LONGEST_ANSWER: usize = 1 << 20;

/// Routes that make something.
pub(super) trait Once {
    /// Carried out once for each key. The body is small.
    fn once(self, orchestrator: &Arc<Orchestrator>) -> Self;

    /// The same for what is sent on, and cannot be taken back: an answer that says that nobody knows what came of it is kept too.
    fn sent_once(self, orchestrator: &Arc<Orchestrator>, largest: usize) -> Self;
}

impl Once for MethodRouter<Arc<Orchestrator>, Infallible> {
    fn once(self, orchestrator: &Arc<Orchestrator>) -> Self {
        let terms = Terms { largest: SMALL_BODY, keeps_doubt: false };
        self.route_layer(from_fn_with_state((Arc::clone(orchestrator), terms), once))
    }

    fn sent_once(self, orchestrator: &Arc<Orchestrator>, largest: usize) -> Self {
        let terms = Terms { largest, keeps_doubt: true };
        self.route_layer(from_fn_with_state((Arc::clone(orchestrator), terms), once))
    }
}

/// Of a route.
#[derive(Clone, Copy)]
struct Terms {
    /// Bytes of a body.
    largest: usize,
    /// Whether 502 and 504 are kept: what was asked for may have been done.
    keeps_doubt: bool,
}

/// A request that is being carried out.
struct Run {
    orchestrator: Arc<Orchestrator>,
    id: [u8; 32],
    secret: [u8; 32],
    begun_us: u64,
}

async fn once(
    State((orchestrator, terms)): State<(Arc<Orchestrator>, Terms)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(given) = request.headers().get(&KEY) else { return next.run(request).await };
    let Some(key) = key(given) else {
        let detail = format!(
            "Idempotency-Key: a text in quotes of {SHORTEST} to {LONGEST} characters that nobody else would choose, such as a UUID"
        );
        return Problem::bad_request(detail).into_response();
    };
    match carried_out(&orchestrator, terms, &key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn carried_out(
    orchestrator: &Arc<Orchestrator>,
    terms: Terms,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let principal = request.extensions().get::<Principal>().ok_or_else(Problem::unauthorized)?;
    // Tokens may have the same name, and an answer hold one that is wider than whoever sends its key again.
    let areas = principal.areas.text();
    let (name, role) = (principal.name.as_bytes(), principal.role.as_str().as_bytes());
    let secret = match principal.areas.is_bounded() {
        true => hash(&[b"secret", name, role, areas.as_bytes(), key.as_bytes()]),
        // As it always was, so that keys that are kept stay what they are.
        false => hash(&[b"secret", name, key.as_bytes()]),
    };
    let id = hash(&[b"id", &secret]);
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |uri| &uri.0).to_string();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, terms.largest).await.map_err(|error| {
        unfinished(&error).unwrap_or_else(|| Problem::too_large("the body is too large, or broke off"))
    })?;
    let fingerprint = hash(&[b"request", &secret, parts.method.as_str().as_bytes(), uri.as_bytes(), &body]);

    let now = now_us();
    let abandoned = now.saturating_sub(u64::try_from(ABANDONED.as_micros()).unwrap_or(u64::MAX));
    let another = |of: &[u8]| of != fingerprint;
    match orchestrator.store.begin_once(&id, &fingerprint, now, abandoned).await? {
        Begun::New => {}
        Begun::Running { fingerprint: of } | Begun::Answered { fingerprint: of, .. } if another(&of) => {
            return Err(Problem::unprocessable("idempotency-key", "this Idempotency-Key was used for another request"));
        }
        Begun::Running { .. } => {
            return Err(Problem::conflict(
                "the request with this Idempotency-Key is being carried out: try again later",
            ));
        }
        Begun::Answered { sealed, .. } => return open(&secret, &sealed).ok_or_else(Problem::unavailable),
    }
    let mut run = Run { orchestrator: Arc::clone(orchestrator), id, secret, begun_us: now };
    // a client that goes away takes nothing with it: what was begun comes to its end, and its answer waits for the next time
    let carries_out = async move {
        let response = run.answered(next.run(Request::from_parts(parts, Body::from(body)))).await;
        run.kept(terms, response).await
    };
    tokio::spawn(carries_out.in_current_span()).await.map_err(|_| Problem::unavailable())
}

impl Run {
    /// What takes long is not given up: it is noted now and then that it goes on.
    async fn answered(&mut self, answer: impl Future<Output = Response>) -> Response {
        let mut answer = pin!(answer);
        loop {
            match timeout(ABANDONED / 5, &mut answer).await {
                Ok(response) => return response,
                Err(_) => self.note().await,
            }
        }
    }

    async fn note(&mut self) {
        let now = now_us();
        match self.orchestrator.store.renew_once(&self.id, self.begun_us, now).await {
            Ok(true) => self.begun_us = now,
            // Somebody else took it for given up.
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "that a request goes on cannot be noted"),
        }
    }

    /// Keeps the answer, unless trying again may come to another.
    async fn kept(&self, terms: Terms, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let (said, body) = held(body).await;
        let store = &self.orchestrator.store;
        let kept = match passes(parts.status, terms) {
            true => store.forget_once(&self.id, self.begun_us).await,
            false => match sealed(&self.secret, parts.status, &parts.headers, said).await {
                Some(sealed) => store.end_once(&self.id, self.begun_us, &sealed).await,
                None => store.forget_once(&self.id, self.begun_us).await,
            },
        };
        if let Err(error) = kept {
            // Whoever sends it again within minutes is told that it is being carried out, and after that it is.
            tracing::error!(%error, "an answer is not kept for its Idempotency-Key");
        }
        Response::from_parts(parts, body)
    }
}

/// The body of an answer, if it is not too long and does not break off; and the same for its client, whatever it is.
async fn held(body: Body) -> (Option<Bytes>, Body) {
    let mut chunks = body.into_data_stream();
    let (mut held, mut size) = (Vec::new(), 0);
    while size <= LONGEST_ANSWER {
        match chunks.next().await {
            Some(Ok(chunk)) => {
                size += chunk.len();
                held.push(Ok(chunk));
            }
            Some(Err(error)) => {
                held.push(Err(error));
                break;
            }
            None => {
                let whole: Bytes = held.into_iter().flatten().collect::<Vec<_>>().concat().into();
                return (Some(whole.clone()), Body::from(whole));
            }
        }
    }
    (None, Body::from_stream(stream::iter(held).chain(chunks)))
}

/// May it come out otherwise next time?
fn passes(status: StatusCode, terms: Terms) -> bool {
    let is_doubt = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
    let of_now = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    );
    of_now || status.is_server_error() && !(is_doubt && terms.keeps_doubt)
}

/// A string of structured fields (RFC 8941), or the same without quotes, as many send it.
fn key(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';');
    ((SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(fits)).then(|| text.to_owned())
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::{seal::seal, *};

    #[test]
    fn keys_that_nobody_guesses() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(key(&HeaderValue::from_str(text).unwrap()).as_deref(), expect, "{text}");
        };
        let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        check(&format!("\"{uuid}\""), Some(uuid));
        check(uuid, Some(uuid));
        for other in ["", "\"\"", "1", "\"short\"", "a b c d e f g h i j", &format!("\"{uuid}"), &"x".repeat(256)] {
            check(other, None);
        }
    }

    /// Its client gets all of it, and whoever asks again hears that it was given.
    #[tokio::test]
    async fn an_answer_that_is_too_long_or_breaks_off_is_kept_as_one_that_was_given() {
        let chunks =
            |count: usize| stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1 << 16]))));
        let broken = stream::iter([Ok(Bytes::from("half")), Err(std::io::Error::other("it broke"))]);
        let (said, body) = held(Body::from_stream(chunks(16))).await;
        assert_eq!((said.unwrap().len(), to_bytes(body, 1 << 21).await.unwrap().len()), (1 << 20, 1 << 20));
        let (said, body) = held(Body::from_stream(chunks(40))).await;
        assert_eq!((said, to_bytes(body, 1 << 22).await.unwrap().len()), (None, 40 << 16));
        let (said, body) = held(Body::from_stream(broken)).await;
        assert!(said.is_none() && to_bytes(body, 100).await.is_err());
        for (given, told) in
            [(StatusCode::ACCEPTED, StatusCode::CONFLICT), (StatusCode::BAD_GATEWAY, StatusCode::BAD_GATEWAY)]
        {
            let sealed = sealed(&[1; 32], given, &HeaderMap::new(), None).await.unwrap();
            let answer = open(&[1; 32], &sealed).unwrap();
            assert_eq!(answer.status(), told);
            let problem: serde_json::Value =
                serde_json::from_slice(&to_bytes(answer.into_body(), 9999).await.unwrap()).unwrap();
            assert_eq!(problem["type"], "urn:weir:problem:answer-not-kept");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("carried out, and answered with") && detail.contains(given.as_str()), "{detail}");
        }
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_with_the_same_key_alone() {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let sealed = seal(&[1; 32], StatusCode::CREATED, &headers, b"weir-token-x").unwrap();
        assert!(!sealed.windows(10).any(|window| window == b"weir-token"));
        assert!(open(&[2; 32], &sealed).is_none());
        for end in 0..sealed.len() {
            assert!(open(&[1; 32], &sealed[..end]).is_none());
        }
        let answer = open(&[1; 32], &sealed).unwrap();
        assert_eq!(
            (answer.status(), answer.headers()[header::CONTENT_TYPE].as_bytes()),
            (StatusCode::CREATED, &b"application/json"[..])
        );
        assert_eq!(answer.headers()[REPLAYED], "true");
        assert_eq!(to_bytes(answer.into_body(), 100).await.unwrap(), "weir-token-x");
    }
}
