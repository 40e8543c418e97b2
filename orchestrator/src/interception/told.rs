//! What agents tell of pauses, in words for people. Agents are not trusted to be brief.

use uuid::Uuid;
use weir_proto::v1;

use crate::{
    events::{Event, Pause, PauseEnd},
    grpc::bounded,
    store::Agent,
};

const LONGEST_URL: usize = 4 << 10;

/// None where what the agent tells makes no sense.
pub(crate) fn paused(agent: &Agent, paused: &v1::Paused) -> Option<Event> {
    pause(agent, paused).map(Event::ExchangePaused)
}

/// The same of the end of a pause.
pub(crate) fn ended(agent: &Agent, ended: &v1::PauseEnded) -> Option<Event> {
    let how = ended.how.as_ref()?;
    Some(Event::ExchangeDecided(PauseEnd {
        pause: pause(agent, ended.paused.as_ref()?)?,
        decision: bounded(&how.decision, 32),
        by: Some(bounded(&how.by, 128)).filter(|by| !by.is_empty()),
        changed: how.changed.iter().take(8).map(|part| bounded(part, 32)).collect(),
        waited_us: how.waited_us,
        failed: how.failed,
    }))
}

fn pause(agent: &Agent, paused: &v1::Paused) -> Option<Pause> {
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
    let (method, url) = request(paused);
    Some(Pause {
        paused: id(&paused.id)?,
        breakpoint: id(&paused.breakpoint)?,
        exchange: id(&paused.exchange)?,
        agent: agent.id,
        message: at(paused.at_response).to_owned(),
        method,
        url,
        status: status(paused),
    })
}

/// `request` or `response`.
pub(crate) fn at(at_response: bool) -> &'static str {
    if at_response { "response" } else { "request" }
}

/// Method and URL.
pub(crate) fn request(paused: &v1::Paused) -> (String, String) {
    let Some(request) = &paused.request else { return (String::new(), String::new()) };
    let url = format!("{}://{}{}", request.scheme, request.authority, request.path);
    (bounded(&request.method, 64), bounded(&url, LONGEST_URL))
}

/// Of a response.
pub(crate) fn status(paused: &v1::Paused) -> Option<u16> {
    paused.response.as_ref().and_then(|response| u16::try_from(response.status).ok())
}
