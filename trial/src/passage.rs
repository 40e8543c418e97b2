//! One exchange of a case through a run, driven as an agent drives it.

use bytes::Bytes;
use http::HeaderMap;
use weir_golden::{Case, Message, RequestLine, Status, Upstream};
use weir_host::{Answer, CallKind, CallOutcome, CallResponse, Direction, Exchange, LocalResponse, Progress, Run};

use crate::{
    convert::{self, CaseFault, fault},
    guests::Guests,
};

/// What came of it: a response, none, or another course.
pub(crate) type Passed = Result<Option<Message<Status>>, Answer>;

/// What one exchange is driven with.
pub(crate) struct Drive<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) guests: Guests<'a>,
    pub(crate) case: &'a Case,
    /// The filter is a middleware: when it answers, its body follows its head.
    pub(crate) runs_beside: bool,
}

/// Request there, response back; `forwarded` is set as soon as the request is on its way.
pub(crate) fn pass(
    drive: &mut Drive<'_>,
    request: &Message<RequestLine>,
    forwarded: &mut Option<Message<RequestLine>>,
) -> Result<Passed, CaseFault> {
    match there_and_back(drive, request, forwarded)? {
        Err(Answer::Respond(head)) if drive.runs_beside => Ok(Err(whole(drive, head)?)),
        passed => Ok(passed),
    }
}

/// The answer of a middleware, with the body that it makes.
fn whole(drive: &mut Drive<'_>, head: LocalResponse) -> Result<Answer, CaseFault> {
    drive.run.respond_with(head.clone());
    let progress = drive.run.response_head(true);
    let nothing = Message::new(Status(head.status.as_u16()));
    Ok(match carry(drive, Direction::Response, progress, &nothing, true)? {
        Ok(body) => Answer::Respond(LocalResponse { body: body.concat().into(), ..head }),
        Err(answer) => answer,
    })
}

fn there_and_back(
    drive: &mut Drive<'_>,
    request: &Message<RequestLine>,
    forwarded: &mut Option<Message<RequestLine>>,
) -> Result<Passed, CaseFault> {
    let is_empty = is_empty(request);
    let head = drive.run.request_head(is_empty);
    let body = match carry(drive, Direction::Request, head, request, is_empty)? {
        Ok(body) => body,
        Err(answer) => return Ok(Err(answer)),
    };
    *forwarded = Some(convert::forwarded(drive.run.exchange(), body));
    match &drive.case.upstream {
        Upstream::Response(response) => back(drive, response),
        Upstream::Error(name) => {
            let mut progress = drive.run.upstream_error(convert::upstream_error(name));
            loop {
                match progress {
                    Progress::Waiting => progress = resumed(drive, Direction::Response)?,
                    Progress::Answer(answer) => return Ok(Err(answer)),
                    Progress::Held | Progress::Open => return Ok(Ok(None)),
                }
            }
        }
    }
}

fn back(drive: &mut Drive<'_>, response: &Message<Status>) -> Result<Passed, CaseFault> {
    drive.run.exchange_mut().response = Some(convert::response_parts(response)?);
    let is_empty = is_empty(response);
    let head = drive.run.response_head(is_empty);
    let body = match carry(drive, Direction::Response, head, response, is_empty)? {
        Ok(body) => body,
        Err(answer) => return Ok(Err(answer)),
    };
    let exchange = drive.run.exchange();
    let parts = exchange.response.as_ref().ok_or("it is gone").map_err(fault("the response"))?;
    Ok(Ok(Some(Message {
        start: Status(parts.status.as_u16()),
        fields: convert::fields(&parts.headers),
        body,
        trailers: exchange.response_trailers.as_ref().map(convert::fields),
    })))
}

fn is_empty<S>(message: &Message<S>) -> bool {
    message.body.is_empty() && message.trailers.is_none()
}

/// Feeds a body as an agent does, and gathers what comes out.
fn carry<S>(
    drive: &mut Drive<'_>,
    direction: Direction,
    head: Progress,
    message: &Message<S>,
    is_empty: bool,
) -> Result<Result<Vec<Vec<u8>>, Answer>, CaseFault> {
    let mut out = Vec::new();
    let mut progress = head;
    let mut chunks = message.body.iter();
    let mut has_ended = is_empty;
    let mut was_open = false;
    loop {
        if matches!(progress, Progress::Waiting) {
            progress = resumed(drive, direction)?;
            continue;
        }
        let run = &mut *drive.run;
        match progress {
            Progress::Answer(answer) => return Ok(Err(answer)),
            Progress::Waiting => {}
            Progress::Held => {}
            Progress::Open => {
                if direction == Direction::Response && !std::mem::replace(&mut was_open, true) {
                    if !is_empty && let Err(failure) = run.events_open() {
                        return Ok(Err(Answer::Failed(failure)));
                    }
                    run.response_committed();
                }
                if !run.sees_body(direction) && !has_ended {
                    out.extend(chunks.cloned());
                    let trailers = message.trailers.as_ref().map(convert::header_map).transpose()?;
                    set_trailers(run.exchange_mut(), direction, trailers);
                    return Ok(Ok(out));
                }
                loop {
                    match run.output(direction) {
                        Some(bytes) => out.push(bytes.to_vec()),
                        None if run.pauses(direction) => {}
                        None => break,
                    }
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
                run.end(direction, message.trailers.as_ref().map(convert::header_map).transpose()?)
            }
            None if drive.run.is_drained(direction) => return Ok(Ok(out)),
            // a guest is still at work on what is to come
            None => resumed(drive, direction)?,
        };
    }
}

/// Times that a hook may call, as one that asks until it likes the answer would for ever.
const CALLS: usize = 10_000;

/// What waits goes on, when calls have ended and guests have done their part.
fn resumed(drive: &mut Drive<'_>, direction: Direction) -> Result<Progress, CaseFault> {
    for _ in 0..CALLS {
        answer_calls(drive.run, drive.case)?;
        drive.guests.work(drive.run, direction);
        // a guest that works may have called somebody
        if !drive.run.has_calls() {
            return drive.run.resume(direction).ok_or("it waits for what nobody does").map_err(fault("a hook"));
        }
    }
    Err("it calls without end").map_err(fault("a hook"))
}

/// Timers have passed, and calls come to what the case says.
fn answer_calls(run: &mut Run, case: &Case) -> Result<(), CaseFault> {
    for call in run.take_calls() {
        let outcome = match &call.kind {
            CallKind::Timer(_) => CallOutcome::Elapsed,
            CallKind::Request(request) => {
                let answer = case.calls.iter().find(|(name, _)| name == request.upstream.as_str());
                match &answer.ok_or(&request.upstream).map_err(fault("no `### call` of this upstream"))?.1 {
                    Upstream::Error(name) => CallOutcome::Failed(convert::upstream_error(name)),
                    Upstream::Response(response) => {
                        let head = convert::response_parts(response)?;
                        let body = response.joined().into();
                        CallOutcome::Response(CallResponse { status: head.status, headers: head.headers, body })
                    }
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
