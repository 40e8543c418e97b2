//! What agents tell of pauses becomes events. Agents are not trusted to be brief.

use uuid::Uuid;
use weir_proto::v1;

use crate::{events::Event, grpc::bounded, orchestrator::Orchestrator, store::Agent};

const LONGEST_URL: usize = 4 << 10;

impl Orchestrator {
    /// An exchange pauses.
    pub(crate) fn paused(&self, agent: &Agent, paused: &v1::Paused) {
        let Some((pause, breakpoint, exchange)) = ids(paused) else { return };
        let (method, url) = request(paused);
        self.events.publish(Event::ExchangePaused {
            pause,
            breakpoint,
            exchange,
            agent: agent.id,
            at: at(paused.at_response).to_owned(),
            method,
            url,
            status: status(paused),
            ends_in_ms: paused.ends_in_ms,
        });
    }

    /// It does not any more.
    pub(crate) fn pause_ended(&self, agent: &Agent, ended: &v1::PauseEnded) {
        let (Some(paused), Some(how)) = (&ended.paused, &ended.how) else { return };
        let Some((pause, breakpoint, exchange)) = ids(paused) else { return };
        let (method, url) = request(paused);
        self.events.publish(Event::ExchangeDecided {
            pause,
            breakpoint,
            exchange,
            agent: agent.id,
            at: at(paused.at_response).to_owned(),
            method,
            url,
            decision: bounded(&how.decision, 32),
            by: Some(bounded(&how.by, 128)).filter(|by| !by.is_empty()),
            changed: how.changed.iter().take(8).map(|part| bounded(part, 32)).collect(),
            waited_us: how.waited_us,
            failed: how.failed,
        });
    }
}

fn ids(paused: &v1::Paused) -> Option<(Uuid, Uuid, Uuid)> {
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
    Some((id(&paused.id)?, id(&paused.breakpoint)?, id(&paused.exchange)?))
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
