//! A filter with streams that does what the field `x-streaming` of the request says, much of which none should do.

use std::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::Deserialize;
use weir_sdk::{CallRequest, LocalResponse, Problems, Request, Response, UpstreamError, kv};
use weir_streaming::{Action, Body, BrokenOff, Reply, StreamFilter, Subscription, Upstream, sleep};

#[derive(Deserialize)]
struct Config {
    /// Has bodies decoded.
    #[serde(default)]
    decoded: bool,
    /// Sees heads only.
    #[serde(default)]
    heads: bool,
    /// Sleeps where it is configured.
    #[serde(default)]
    naps: bool,
}

struct Streaming {
    config: Config,
    /// What `request` leaves for `response`.
    seen: Cell<u32>,
    kept: RefCell<Option<Body>>,
}

fn asked(request: &Request) -> String {
    request.headers().get("x-streaming").unwrap_or_default()
}

impl StreamFilter for Streaming {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Problems> {
        if config.naps {
            let mut nap = pin!(sleep(Duration::from_millis(1)));
            let _ = nap.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        Ok(Self { config, seen: Cell::new(0), kept: RefCell::default() })
    }

    fn subscription(&self) -> Subscription {
        let asked = Subscription::new();
        let asked = if self.config.heads { asked.request_head().response_head() } else { asked.request().response() };
        if self.config.decoded { asked.decoded() } else { asked }
    }

    async fn request(&'static self, request: &mut Request, body: Option<Body>) -> Action {
        self.seen.set(self.seen.get() + 1);
        let what = asked(request);
        if let Some(misdeed) = fault(&what, "").await {
            return misdeed;
        }
        match (what.as_str(), body) {
            ("hand-on", Some(body)) => Action::NextWith(body),
            ("upper", Some(body)) => upper(body),
            ("half", Some(body)) => half(body).await,
            ("own-trailers", Some(body)) => body.with_trailers(Some(vec![("x-own".into(), "up".into())])).into(),
            ("count", Some(body)) => count(body).await,
            ("ignore", Some(_)) => written("something else"),
            ("other-way", Some(body)) => {
                self.kept.replace(Some(body));
                written("something else")
            }
            ("slow", body) => {
                sleep(Duration::from_millis(50)).await;
                body.map_or(Action::Next, Action::NextWith)
            }
            ("answer", _) => LocalResponse::text(418, "short and stout\n").into(),
            ("stream-answer", _) => {
                let body = Body::written_with_trailers(async |out| {
                    for _ in 0..10_000 {
                        out.write("short and stout\n").await?;
                    }
                    Ok(Some(vec![("x-end".into(), "here".into())]))
                });
                Reply::streamed(LocalResponse::text(418, ""), body).into()
            }
            ("flood", _) => {
                let body = Body::written(async |out| {
                    for _ in 0..256 {
                        out.write(vec![b'x'; 64 << 10]).await?;
                    }
                    Ok(())
                });
                Reply::streamed(LocalResponse::text(200, ""), body).into()
            }
            ("echo", Some(body)) => Reply::streamed(LocalResponse::text(200, ""), body).into(),
            ("abort", _) => Action::Abort,
            ("elsewhere", body) => {
                let _ = request.set_path("/elsewhere?by=streaming");
                body.map_or(Action::Next, Action::NextWith)
            }
            ("tag", body) => {
                let _ = request.set_tag("seen", "a request");
                body.map_or(Action::Next, Action::NextWith)
            }
            ("ask", body) => {
                let said = ask(request).await;
                let _ = request.headers_mut().set("x-asked", &said);
                body.map_or(Action::Next, Action::NextWith)
            }
            ("ask-each", Some(body)) => ask_each(request, body),
            ("ask-forever", _) => ask_forever(request).await,
            ("ask-many", _) => LocalResponse::text(200, ask_many(request).await).into(),
            ("sign", body) => {
                let Some(secret) = request.secret("key") else { return Action::Abort };
                let _ = request.headers_mut().set("authorization", &format!("Bearer {secret}"));
                body.map_or(Action::Next, Action::NextWith)
            }
            ("keep", _) => {
                let sum = kv::add("exchanges", 1.0, None).unwrap_or(-1.0);
                LocalResponse::text(200, sum.to_string()).into()
            }
            ("churn", _) => LocalResponse::text(200, churn()).into(),
            _ => Action::Next,
        }
    }

    async fn response(&'static self, response: &mut Response, body: Option<Body>) -> Action {
        let what = asked(response.request());
        let _ = response.headers_mut().set("x-seen", &self.seen.get().to_string());
        if let Some(misdeed) = fault(&what, "response-").await {
            return misdeed;
        }
        match (what.as_str(), body) {
            ("hand-on", Some(body)) => Action::NextWith(body),
            ("upper", Some(body)) => upper(body),
            ("half", Some(body)) => half(body).await,
            ("own-trailers", Some(body)) => body.with_trailers(Some(vec![("x-own".into(), "down".into())])).into(),
            ("response-many-trailers", Some(body)) => {
                body.with_trailers(Some((0..1001).map(|n| (format!("x-{n}"), "y".to_owned())).collect())).into()
            }
            ("response-long-trailers", Some(body)) => {
                body.with_trailers(Some(vec![("x-long".to_owned(), "y".repeat(70_000))])).into()
            }
            ("response-count", Some(body)) => count(body).await,
            ("ask", body) => {
                let said = ask(response.request()).await;
                let _ = response.headers_mut().set("x-answer", &said);
                body.map_or(Action::Next, Action::NextWith)
            }
            ("ask-each", Some(body)) => ask_each(response.request(), body),
            ("response-ask-forever", _) => ask_forever(response.request()).await,
            ("other-way", _) => self.kept.take().map_or(Action::Abort, Action::NextWith),
            ("response-ignore", Some(_)) => written("something else"),
            ("response-answer", _) => LocalResponse::text(451, "not this\n").into(),
            ("response-abort", _) => Action::Abort,
            ("response-abort-midway", Some(mut body)) => Body::written_with_trailers(async move |out| {
                out.write(body.chunk().await.unwrap_or_default()).await?;
                Err(BrokenOff)
            })
            .into(),
            ("tag", body) => {
                let _ = response.request().set_tag("answered", true);
                body.map_or(Action::Next, Action::NextWith)
            }
            _ => Action::Next,
        }
    }

    async fn upstream_error(&'static self, request: &Request, error: UpstreamError) -> Action {
        match asked(request).as_str() {
            "fallback" => LocalResponse::text(200, format!("in place of {error:?}\n")).into(),
            "abort-error" => Action::Abort,
            "oversleep-error" => {
                sleep(Duration::from_secs(3600)).await;
                Action::Next
            }
            "ask-forever-error" => ask_forever(request).await,
            _ => Action::Next,
        }
    }
}

/// What no filter should do, in the hook that it is asked of.
#[expect(clippy::panic, reason = "that is what it is for")]
async fn fault(what: &str, hook: &str) -> Option<Action> {
    let what = what.strip_prefix(hook)?;
    match what {
        "trap" => panic!("as asked"),
        "loop" => loop {
            black_box(());
        },
        "oversleep" => {
            sleep(Duration::from_secs(3600)).await;
            None
        }
        "grow" => {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            loop {
                kept.push(black_box(Vec::with_capacity(8 << 20)));
            }
        }
        "tasks" => loop {
            // each is a task of the host's that lives on
            let mut task = Box::pin(sleep(Duration::from_secs(60)));
            poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx).is_ready())).await;
            std::mem::forget(task);
        },
        "trap-midway" => Some(
            Body::written(async |out| {
                out.write("the beginning of ").await?;
                panic!("as asked, midway")
            })
            .into(),
        ),
        "bad-status" => Some(LocalResponse::new(99).into()),
        _ => None,
    }
}

/// What the oracle says to what the field `x-question` asks, signed if there is a secret.
async fn ask(request: &Request) -> String {
    let path = request.headers().get("x-question").unwrap_or_default();
    let mut question = CallRequest::post(path, "question");
    if let Some(secret) = request.secret("key") {
        question = question.header("authorization", format!("Bearer {secret}"));
    }
    match Upstream::new(request, "oracle").send(&question).await {
        Ok(answer) => format!("{}, {} bytes", answer.status, answer.body.len()),
        Err(error) => error.to_string(),
    }
}

/// Each chunk by way of the oracle, which may take its time.
fn ask_each(request: &Request, mut body: Body) -> Action {
    let oracle = Upstream::new(request, "oracle");
    Body::written(async move |out| {
        while let Some(chunk) = body.chunk().await {
            let heard = oracle.send(&CallRequest::post("/echo", chunk)).await;
            out.write(heard.map_or_else(|error| error.to_string().into_bytes(), |answer| answer.body)).await?;
        }
        Ok(())
    })
    .into()
}

/// One call after another, without end.
async fn ask_forever(request: &Request) -> Action {
    let oracle = Upstream::new(request, "oracle");
    loop {
        let _ = black_box(oracle.send(&CallRequest::get("/text/x")).await);
    }
}

/// Seventeen at once.
async fn ask_many(request: &Request) -> String {
    let oracle = Upstream::new(request, "oracle");
    let question = CallRequest::get("/text/x");
    let mut calls: Vec<_> = (0..17).map(|_| Box::pin(oracle.send(&question))).collect();
    let mut said = Vec::new();
    poll_fn(|cx| {
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            Poll::Ready(answer) => {
                said.push(answer.map_or_else(|error| error.to_string(), |answer| answer.status.to_string()));
                false
            }
            Poll::Pending => true,
        });
        if calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    said.sort();
    said.dedup();
    said.join(", ")
}

/// Keeps under many names what it forgets at once; says how much it could not.
fn churn() -> String {
    let end = "k".repeat(500);
    let failed = (0..20_000).filter(|n| {
        let key = format!("{n}{end}");
        kv::set(&key, b"", None).is_err() || !kv::delete(&key)
    });
    failed.count().to_string()
}

fn written(text: &'static str) -> Action {
    Body::written(async move |out| out.write(text).await).into()
}

/// Byte by byte; trailers as they come.
fn upper(mut body: Body) -> Action {
    Body::written(async move |out| {
        while let Some(mut chunk) = body.chunk().await {
            chunk.make_ascii_uppercase();
            out.write(chunk).await?;
        }
        Ok(())
    })
    .into()
}

/// Takes a chunk, and hands on the rest.
async fn half(mut body: Body) -> Action {
    body.chunk().await;
    body.into()
}

/// Reads all of a body and keeps none of it.
async fn count(mut body: Body) -> Action {
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().await {
        bytes += chunk.len();
    }
    let trailers = match body.trailers().await {
        Ok(trailers) => trailers.unwrap_or_default().len().to_string(),
        Err(error) => error.to_string(),
    };
    LocalResponse::text(200, format!("{bytes} bytes, trailers: {trailers}\n")).into()
}

weir_streaming::export!(Streaming);
