//! Golden cases in wasm: a component and a case enter, what a real host makes of them leaves. The same cases run natively
//! in each filter's own tests.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use uuid::Uuid;
use weir_artifact::{Artifact, Capability, Digest, FailurePolicy, GroupName, Isolation, Limits, Publication, Upstream};
use weir_golden::{Case, EXCHANGE_ID, Fields, Message, Outcome, RequestLine, Status, Upstream as Answering, Verdict};
use weir_host::{
    Answer, CallKind, CallOutcome, CallResponse, Chain, Connection, Direction, DoneReason, Entry, Exchange, Filter,
    Host, HostConfig, Instances, Level, LoadFault, LocalResponse, LogSink, Progress, Run, UpstreamError,
};

/// A host to run cases in. Compiled components are kept in `cache`, since each case configures its filter anew.
pub struct Golden {
    host: Host,
}

struct Silence;

impl LogSink for Silence {
    fn write(&self, _: &Filter, _: Option<Uuid>, _: Level, _: &str) {}
}

impl Golden {
    /// Starts a host.
    pub fn new(cache: &Path) -> anyhow::Result<Self> {
        let config = HostConfig { cache_dir: Some(cache.to_owned()), kv_dir: None, workers: 1, log: Arc::new(Silence) };
        Ok(Self { host: Host::new(config)? })
    }

    /// Runs one case through a component.
    pub fn run(&self, name: &str, component: &[u8], case: &Case) -> anyhow::Result<Outcome> {
        let artifact = Artifact::from_trusted_file(publication(name, case)?, component.to_vec())?;
        let filter = match self.host.load(&artifact) {
            Ok(filter) => filter,
            Err(refusal) => {
                return match refusal.fault {
                    LoadFault::Config { problems } => Ok(Outcome::invalid(
                        problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect(),
                    )),
                    other => Err(other.into()),
                };
            }
        };
        let Some(request) = &case.request else { return Ok(Outcome::invalid(Vec::new())) };
        let instances = Instances::new(&self.host);
        let chain = Arc::new(Chain::new(vec![filter]));
        let exchange = Exchange::new(EXCHANGE_ID.parse()?, Arc::new(connection(case)?), request_parts(request)?);
        let mut run = Run::begin(&instances, &chain, exchange, |_| true);
        let mut forwarded = None;
        let passed = pass(&mut run, request, case, &mut forwarded)?;
        let (verdict, reason, received, done) = match passed {
            Ok(Some(response)) => (Verdict::Pass, None, Some(response), DoneReason::Complete),
            Ok(None) => (Verdict::Pass, None, None, DoneReason::UpstreamGone),
            Err(Answer::Respond(response)) => {
                (Verdict::Respond, None, Some(local(&response)), DoneReason::FilterAnswered)
            }
            Err(Answer::Abort) => (Verdict::Abort, None, None, DoneReason::FilterAnswered),
            Err(Answer::Failed(failure)) => (Verdict::Fail, Some(failure.to_string()), None, DoneReason::FilterFailed),
        };
        run.finish(done);
        Ok(Outcome { verdict, reason, forwarded, received, problems: Vec::new() })
    }
}

fn publication(name: &str, case: &Case) -> anyhow::Result<Publication> {
    Ok(Publication {
        name: name.parse()?,
        version: 1,
        group: GroupName::default(),
        sequence: 0,
        rollback: false,
        expires: u64::MAX,
        digest: Digest::of(b""),
        size: 0,
        matching: String::new(),
        priority: 0,
        config: case.config.clone(),
        on_failure: FailurePolicy::default(),
        isolation: Isolation::default(),
        limits: Limits::default(),
        grants: Capability::ALL.into(),
        upstreams: (case.calls.iter())
            .map(|(name, _)| Ok((name.parse()?, Upstream::new(format!("http://{name}.test")))))
            .collect::<anyhow::Result<_>>()?,
        reads: Default::default(),
    })
}

/// Request there, response back; `forwarded` is set as soon as the request is on its way.
fn pass(
    run: &mut Run,
    request: &Message<RequestLine>,
    case: &Case,
    forwarded: &mut Option<Message<RequestLine>>,
) -> anyhow::Result<Result<Option<Message<Status>>, Answer>> {
    let is_empty = is_empty(request);
    let head = run.request_head(is_empty);
    let body = match carry(run, case, Direction::Request, head, request, is_empty)? {
        Ok(body) => body,
        Err(answer) => return Ok(Err(answer)),
    };
    let exchange = run.exchange();
    let uri = &exchange.request.uri;
    *forwarded = Some(Message {
        start: RequestLine {
            method: exchange.request.method.to_string(),
            scheme: uri.scheme_str().unwrap_or_default().to_owned(),
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        },
        fields: fields(&exchange.request.headers),
        body,
        trailers: exchange.request_trailers.as_ref().map(fields),
    });
    let response = match &case.upstream {
        Answering::Response(response) => response,
        Answering::Error(name) => {
            return Ok(match run.upstream_error(upstream_error(name)) {
                Progress::Answer(answer) => Err(answer),
                Progress::Held | Progress::Waiting | Progress::Open => Ok(None),
            });
        }
    };
    let mut parts = Response::new(()).into_parts().0;
    parts.status = StatusCode::from_u16(response.start.0)?;
    parts.headers = header_map(&response.fields)?;
    run.exchange_mut().response = Some(parts);
    let is_empty = self::is_empty(response);
    let head = run.response_head(is_empty);
    let body = match carry(run, case, Direction::Response, head, response, is_empty)? {
        Ok(body) => body,
        Err(answer) => return Ok(Err(answer)),
    };
    let exchange = run.exchange();
    let parts = exchange.response.as_ref().context("the response is gone")?;
    Ok(Ok(Some(Message {
        start: Status(parts.status.as_u16()),
        fields: fields(&parts.headers),
        body,
        trailers: exchange.response_trailers.as_ref().map(fields),
    })))
}

fn is_empty<S>(message: &Message<S>) -> bool {
    message.body.is_empty() && message.trailers.is_none()
}

/// Feeds a body as an agent does, and gathers what comes out.
fn carry<S>(
    run: &mut Run,
    case: &Case,
    direction: Direction,
    head: Progress,
    message: &Message<S>,
    is_empty: bool,
) -> anyhow::Result<Result<Vec<Vec<u8>>, Answer>> {
    let mut out = Vec::new();
    let mut progress = head;
    let mut chunks = message.body.iter();
    let mut has_ended = is_empty;
    loop {
        match progress {
            Progress::Answer(answer) => return Ok(Err(answer)),
            Progress::Waiting => {
                answer_calls(run, case)?;
                progress = run.resume(direction).context("it waits for what nobody does")?;
                continue;
            }
            Progress::Held => {}
            Progress::Open => {
                if direction == Direction::Response {
                    run.response_committed();
                }
                if !run.sees_body(direction) && !has_ended {
                    out.extend(chunks.cloned());
                    let trailers = message.trailers.as_ref().map(header_map).transpose()?;
                    set_trailers(run.exchange_mut(), direction, trailers);
                    return Ok(Ok(out));
                }
                while let Some(bytes) = run.output(direction) {
                    out.push(bytes.to_vec());
                }
                if let Some(answer) = run.answer() {
                    return Ok(Err(answer));
                }
            }
        }
        progress = match chunks.next() {
            Some(chunk) => run.chunk(direction, Bytes::copy_from_slice(chunk)),
            None if !has_ended => {
                has_ended = true;
                run.end(direction, message.trailers.as_ref().map(header_map).transpose()?)
            }
            None => break,
        };
    }
    anyhow::ensure!(run.is_drained(direction), "the body ended, and some of it is still held");
    Ok(Ok(out))
}

/// Timers have passed, and calls come to what the case says.
fn answer_calls(run: &mut Run, case: &Case) -> anyhow::Result<()> {
    for call in run.take_calls() {
        let outcome = match &call.kind {
            CallKind::Timer(_) => CallOutcome::Elapsed,
            CallKind::Request(request) => {
                let answer = case.calls.iter().find(|(name, _)| name == request.upstream.as_str());
                match &answer.context("no `### call` of this upstream")?.1 {
                    Answering::Error(name) => CallOutcome::Failed(upstream_error(name)),
                    Answering::Response(response) => CallOutcome::Response(CallResponse {
                        status: StatusCode::from_u16(response.start.0)?,
                        headers: header_map(&response.fields)?,
                        body: response.joined().into(),
                    }),
                }
            }
        };
        run.call_ended(call.id, outcome);
    }
    Ok(())
}

fn set_trailers(exchange: &mut Exchange, direction: Direction, trailers: Option<HeaderMap>) {
    match direction {
        Direction::Request => exchange.request_trailers = trailers,
        Direction::Response => exchange.response_trailers = trailers,
    }
}

fn connection(case: &Case) -> anyhow::Result<Connection> {
    let given = &case.connection;
    Ok(Connection {
        entry: match given.entry.as_str() {
            "connect" => Entry::Connect,
            "socks5" => Entry::Socks5,
            "transparent" => Entry::Transparent,
            "reverse" => Entry::Reverse,
            _ => Entry::Forward,
        },
        client_address: given.client_address.parse().context("client-address")?,
        user: given.user.clone(),
        tunnel_target: given.tunnel_target.clone(),
        server_name: given.server_name.clone(),
        intercepted: given.intercepted,
    })
}

fn request_parts(request: &Message<RequestLine>) -> anyhow::Result<http::request::Parts> {
    let mut parts = Request::new(()).into_parts().0;
    let RequestLine { method, scheme, authority, path } = &request.start;
    parts.method = method.parse()?;
    parts.uri = Uri::builder().scheme(scheme.as_str()).authority(authority.as_str()).path_and_query(path).build()?;
    parts.headers = header_map(&request.fields)?;
    Ok(parts)
}

fn header_map(fields: &Fields) -> anyhow::Result<HeaderMap> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let bytes: Vec<u8> = value.chars().map(u8::try_from).collect::<Result<_, _>>()?;
        map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(&bytes)?);
    }
    Ok(map)
}

fn fields(map: &HeaderMap) -> Fields {
    let latin1 = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), latin1(value))).collect()
}

fn local(response: &LocalResponse) -> Message<Status> {
    Message {
        start: Status(response.status.as_u16()),
        fields: fields(&response.headers),
        body: vec![response.body.to_vec()],
        trailers: None,
    }
}

fn upstream_error(name: &str) -> UpstreamError {
    match name {
        "refused" => UpstreamError::Refused,
        "reset" => UpstreamError::Reset,
        "timeout" => UpstreamError::Timeout,
        "dns" => UpstreamError::Dns,
        "protocol" => UpstreamError::Protocol,
        "too-large" => UpstreamError::TooLarge,
        tls => UpstreamError::Tls(tls.strip_prefix("tls ").unwrap_or(tls).to_owned()),
    }
}
