//! Where an exchange pauses at a breakpoint: a request before the filters have it, a response likewise. So what a person makes
//! of it is to the filters as if its sender had sent it, and they have the last word. Enters: a message and its body;
//! leaves: the same ones, as they go on, or another course. Must not know the orchestrator.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, request, response};
use tokio::time::{Duration, timeout};
use weir_host::{Connection, has_no_content};

use super::body::{BodyStream, Broken};
use super::live::{Live, Stop};
use super::problem::Problem;
use super::request::redirect;
use super::source::Source;
use crate::interception::{Edit, End, Message, Slot, Verdict, is_of_this_hop, seen_request};
use crate::record::Outcome;
use crate::target::{Target, TargetError};
use crate::upstream::set_host;

/// A body that comes slowly is shown as far as it is there after this time.
const BODY: Duration = Duration::from_secs(5);

/// What a breakpoint at the response asks about.
pub(super) struct Asked {
    /// as it is recorded
    request: request::Parts,
    connection: Arc<Connection>,
}

/// The request as it goes on. True: some of its body was read.
pub(super) async fn at_request(
    live: &Rc<Live>,
    connection: &Arc<Connection>,
    target: &mut Target,
    head: &mut request::Parts,
    body: &mut BodyStream,
) -> Result<bool, Stop> {
    let interception = &live.worker.shared.interception;
    let rules = live.tuning.redaction.as_ref();
    let mut was_read = false;
    if let Some(slot) = interception.at_request(head, connection, rules.map(|rules| &**rules)) {
        let is_whole = hold(&slot, body).await?;
        let has_content = head.method != Method::HEAD;
        let held = body.held();
        let message = Message {
            exchange: live.id,
            connection,
            request: head,
            response: None,
            body: held,
            is_whole,
            has_content,
            rules,
        };
        let mut ahead = slot.ahead();
        let left = body.reads_on(|bytes| ahead.has_room(bytes));
        let verdict = decided(live, slot, message, left).await?;
        was_read = body.has_held();
        body.goes_on();
        match verdict {
            Verdict::Modify(edit) => edit_request(live, *edit, target, head, body).map_err(Problem::from)?,
            Verdict::Respond(response) => return Err(Stop::Reply(response)),
            Verdict::GoOn | Verdict::Kill | Verdict::Block => {}
        }
    }
    if interception.minds_responses() {
        let request = match rules {
            Some(rules) => seen_request(rules, head),
            None => copy_request(head),
        };
        live.asks(Asked { request, connection: Arc::clone(connection) });
    }
    Ok(was_read)
}

/// The response as it goes on. Its head as it came, if a person changed the response.
pub(super) async fn at_response(
    live: &Rc<Live>,
    head: &mut response::Parts,
    body: &mut BodyStream,
) -> Result<Option<Box<response::Parts>>, Stop> {
    let Some(Asked { request, connection }) = live.asked() else { return Ok(None) };
    let rules = live.tuning.redaction.as_ref();
    let slot = live.worker.shared.interception.at_response(&request, head, &connection, rules.map(|rules| &**rules));
    let Some(slot) = slot else { return Ok(None) };
    // what follows a 101 is none of its own (RFC 9110 section 15.2.2)
    let is_whole = head.status == StatusCode::SWITCHING_PROTOCOLS || hold(&slot, body).await?;
    let has_content = !has_no_content(&live.method, head.status);
    let message = Message {
        exchange: live.id,
        connection: &connection,
        request: &request,
        response: Some(head),
        body: body.held(),
        is_whole,
        has_content,
        rules,
    };
    let verdict = decided(live, slot, message, std::future::pending()).await?;
    body.goes_on();
    let edit = match verdict {
        Verdict::GoOn | Verdict::Kill | Verdict::Block => return Ok(None),
        Verdict::Modify(edit) => *edit,
        Verdict::Respond(response) => Edit {
            status: Some(response.status),
            headers: Some(response.headers),
            body: Some(response.body),
            ..Edit::default()
        },
    };
    let original = Box::new(copy(head));
    edit_response(live, edit, head, body);
    Ok(Some(original))
}

/// Reads what is to be seen of the body. True: that is all of it.
async fn hold(slot: &Slot, body: &mut BodyStream) -> Result<bool, Stop> {
    match timeout(BODY.min(slot.time_left()), body.hold(slot.body_bytes())).await {
        Ok(is_whole) => Ok(is_whole?),
        Err(_) => Ok(false),
    }
}

/// What becomes of the message, but for what ends the exchange; `broken` is that its client breaks off.
async fn decided(
    live: &Live,
    slot: Slot,
    message: Message<'_>,
    broken: impl Future<Output = Broken>,
) -> Result<Verdict, Stop> {
    let member = live.worker.drain.join();
    let left = live.worker.roster.left(message.connection.client_address);
    let end = tokio::select! {
        biased;
        end = slot.pause(message).wait(member.begun()) => end,
        () = left => {
            live.ends(Outcome::ClientGone, None);
            return Err(Stop::Abort);
        }
        broken = broken => return Err(broken.into()),
    };
    let (verdict, how, fails) = match end {
        End::Decided(decided) => (decided.verdict, decided.how, false),
        End::ByItself { how, fails } => (Verdict::GoOn, how, fails),
    };
    live.record(|ledger| ledger.recording().intervention(&how));
    match verdict {
        _ if fails => Err(Problem::undecided().into()),
        Verdict::Kill => {
            live.ends(Outcome::Refused, Some(format!("{} closed it at a breakpoint", how.by)));
            Err(Stop::Abort)
        }
        Verdict::Block => Err(Problem::blocked().into()),
        verdict => Ok(verdict),
    }
}

fn edit_request(
    live: &Live,
    edit: Edit,
    target: &mut Target,
    head: &mut request::Parts,
    body: &mut BodyStream,
) -> Result<(), TargetError> {
    live.mark_edited();
    if let Some(method) = edit.method {
        head.method = method;
    }
    if let Some(headers) = edit.headers {
        replace(&mut head.headers, headers);
    }
    if let Some(uri) = edit.uri {
        let before = std::mem::replace(&mut head.uri, uri);
        if let Some(authority) = head.uri.authority() {
            set_host(&mut head.headers, authority.as_str());
        }
        redirect(target, &before, &head.uri)?;
    }
    if edit.is_plain {
        head.headers.remove(CONTENT_ENCODING);
    }
    if let Some(bytes) = edit.body {
        let is_told = !bytes.is_empty() || !matches!(head.method, Method::GET | Method::HEAD);
        set_length(&mut head.headers, is_told.then_some(bytes.len()));
        body.replace(Source::Local(Some(bytes).filter(|bytes| !bytes.is_empty())));
    }
    Ok(())
}

fn edit_response(live: &Live, edit: Edit, head: &mut response::Parts, body: &mut BodyStream) {
    let had_content = !has_no_content(&live.method, head.status);
    if let Some(status) = edit.status {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            head.headers.remove(UPGRADE);
        }
        head.status = status;
        head.extensions.remove::<hyper::ext::ReasonPhrase>();
    }
    if let Some(headers) = edit.headers {
        replace(&mut head.headers, headers);
    }
    if edit.is_plain {
        head.headers.remove(CONTENT_ENCODING);
    }
    let has_content = !has_no_content(&live.method, head.status);
    // what a 304 says of its length is not how long it is itself
    let bytes = edit.body.or((has_content && !had_content).then(Default::default));
    if let Some(bytes) = bytes {
        let is_told = has_content || live.method == Method::HEAD;
        set_length(&mut head.headers, is_told.then_some(bytes.len()));
        body.replace(Source::Local(Some(bytes).filter(|bytes| !bytes.is_empty())));
    }
    if head.status == StatusCode::NO_CONTENT {
        set_length(&mut head.headers, None);
    }
}

/// All fields but those that an editor neither sees nor sets.
fn replace(headers: &mut HeaderMap, edited: HeaderMap) {
    let shown: Vec<_> = headers.keys().filter(|name| !is_kept(name)).cloned().collect();
    for name in shown {
        headers.remove(name);
    }
    headers.extend(edited);
}

fn is_kept(name: &http::HeaderName) -> bool {
    name == HOST || name == CONTENT_LENGTH || is_of_this_hop(name)
}

fn set_length(headers: &mut HeaderMap, length: Option<usize>) {
    match length {
        Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(headers.remove(CONTENT_LENGTH)),
    }
}

fn copy_request(head: &request::Parts) -> request::Parts {
    let mut copy = Request::new(()).into_parts().0;
    (copy.method, copy.version) = (head.method.clone(), head.version);
    (copy.uri, copy.headers) = (head.uri.clone(), head.headers.clone());
    copy
}

fn copy(head: &response::Parts) -> response::Parts {
    let mut copy = http::Response::new(()).into_parts().0;
    (copy.status, copy.version, copy.headers) = (head.status, head.version, head.headers.clone());
    copy
}
