//! Exchanges that pause at breakpoints: what a client says, what a person makes of it, what the upstream hears, what the
//! client gets, and what the record says.

mod bodies;
mod decisions;
mod ends;
mod redaction;
mod upgrades;

use weir_agent::interception::{Interception, Refused};
use weir_proto::v1::{self, Exchange, decide::Decision};
use weir_testkit::client::{Alpn, Http};
use weir_testkit::wait::{PATIENCE, eventually};

use crate::agent::Setup;

const LONG: u32 = 300_000;

fn breakpoint(query: &str) -> v1::Breakpoint {
    v1::Breakpoint {
        id: vec![7; 16].into(),
        query: query.to_owned(),
        at_request: true,
        body_bytes: 1000,
        timeout_ms: LONG,
        most: 10,
        lease_ms: LONG,
        ..v1::Breakpoint::default()
    }
}

fn at_response(query: &str) -> v1::Breakpoint {
    v1::Breakpoint { at_request: false, at_response: true, ..breakpoint(query) }
}

fn set(interception: &Interception, breakpoint: v1::Breakpoint) {
    let states = interception.set(v1::SetBreakpoints { breakpoints: vec![breakpoint] }).states;
    assert_eq!(states[0].refused, "");
}

impl Setup {
    fn points(&self) -> &Interception {
        &self.agent.shared.interception
    }

    /// What pauses, once something does.
    async fn paused(&self) -> anyhow::Result<v1::Held> {
        let first = async || Ok(self.points().list().paused.first().and_then(|first| self.points().read(&first.id)));
        eventually(PATIENCE, "a pause", first).await
    }

    fn decide(&self, held: &v1::Held, decision: Decision) -> Result<v1::Decided, Refused> {
        let id = held.paused.as_ref().expect("a pause").id.clone();
        self.points().decide(v1::Decide { id, by: "user:ann".to_owned(), decision: Some(decision) })
    }

    /// Decides about what pauses next.
    async fn decide_next(&self, decision: Decision) -> anyhow::Result<v1::Held> {
        let held = self.paused().await?;
        self.decide(&held, decision)?;
        Ok(held)
    }
}

fn go_on() -> Decision {
    Decision::GoOn(v1::GoOn {})
}

fn fields(fields: &[(&str, &str)]) -> Vec<v1::Field> {
    let field = |(name, value): &(&str, &str)| v1::Field { name: (*name).into(), value: value.to_string().into() };
    fields.iter().map(field).collect()
}

fn edit(headers: Option<&[(&str, &str)]>, body: Option<&str>) -> v1::Modify {
    v1::Modify {
        headers: headers.map(|headers| v1::HeaderEdit { fields: fields(headers) }),
        body: body.map(|body| body.to_owned().into()),
        ..v1::Modify::default()
    }
}

fn intervention(record: &Exchange) -> (&str, &str, Vec<&str>) {
    assert_eq!(record.interventions.len(), 1, "{:?}", record.interventions);
    let how = &record.interventions[0];
    (&how.decision, &how.by, how.changed.iter().map(String::as_str).collect())
}

/// Each kind of connection, and the URL of the origin over it.
async fn connections(setup: &Setup) -> anyhow::Result<[(Http, String); 3]> {
    let client = setup.agent.client()?;
    Ok([
        (client.forward().await?, format!("http://{}", setup.origin.plain())),
        (client.intercepted(&setup.tls_http1(), Alpn::Http1).await?, format!("https://{}", setup.tls_http1())),
        (client.intercepted(&setup.tls(), Alpn::Http2).await?, format!("https://{}", setup.tls())),
    ])
}
