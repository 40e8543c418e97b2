//! `POST /api/v1/filters` and `POST /api/v1/configurations`: a signed statement, and a filter's component, come in. What is
//! checked here is that agents *could* accept it; whether they trust the key they decide alone.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;
use weir_artifact::{
    Artifact, ArtifactError, Envelope, KeyId, Refusal, Signed, Statement, StatementError, TrustedKey, TrustedKeys,
};
use weir_desired::Document;

use super::{input::Body, problem::Problem};
use crate::{
    clock::now_us,
    components::{self, ComponentRefusal},
    orchestrator::Orchestrator,
    store::{Accepted, Deed, Publishing},
};

/// A signed statement: publication, rollback, removal, endorsement or, to `/api/v1/configurations`, configuration.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    /// The signed bytes, base64
    statement: String,
    /// Ed25519, base64
    signature: String,
    /// Of the signing key
    key_id: String,
    /// The signing key, as in its `.pub` file
    public_key: String,
    /// The component, base64; null for one that was pushed before and for statements without one
    component: Option<String>,
}

/// What was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pushed {
    /// Null unless it is about a filter.
    name: Option<String>,
    group: String,
    /// Null unless something was published or configured.
    version: Option<u64>,
    sequence: u64,
    digest: Option<String>,
    /// Of the group's desired state from now on.
    revision: u64,
}

/// Stores a signed statement and tells the agents. The same statement again changes nothing and answers 200.
#[utoipa::path(post, path = "/api/v1/filters", operation_id = "publishStatement", tag = "filters", request_body = Push, responses(
    (status = 201, body = Pushed), (status = 200, body = Pushed, description = "It was here before"),
    (status = 409, body = Problem, content_type = "application/problem+json",
     description = "Sequence or version is not above what was published"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json",
     description = "The signature, the statement or the component is wrong")))]
pub(super) async fn push(State(orchestrator): State<Arc<Orchestrator>>, request: Request) -> Result<Response, Problem> {
    accept(&orchestrator, request, What::Filter).await
}

/// Which statements are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// All but configurations.
    Filter,
    Configuration,
}

pub(super) async fn accept(
    orchestrator: &Arc<Orchestrator>,
    request: Request,
    what: What,
) -> Result<Response, Problem> {
    let deed = request.extensions().get::<Deed>().cloned().unwrap_or_default();
    // Bodies are large: a few at a time are in memory.
    let _turn = orchestrator.pushing.acquire().await.map_err(|_| Problem::unavailable())?;
    let read = timeout(orchestrator.limits.push_time, Body::<Push>::from_request(request, &())).await;
    let Body(push) =
        read.map_err(|_| Problem::too_slow("the body did not arrive in time: others wait for this turn"))??;
    let most = orchestrator.limits.component_bytes;
    let opened = tokio::task::spawn_blocking(move || open(push, most)).await;
    let mut opened = opened.map_err(|_| Problem::unavailable())??;
    match (opened.signed.statement(), what) {
        (Statement::Configure(configuration), What::Configuration) => {
            Document::parse(&configuration.text).map_err(|faults| Problem::bad_configuration(&faults))?;
        }
        (Statement::Configure(_), What::Filter) => {
            return Err(Problem::unprocessable("statement", "a configuration goes to /api/v1/configurations"));
        }
        (_, What::Configuration) => {
            return Err(Problem::unprocessable("statement", "this is no configuration: it goes to /api/v1/filters"));
        }
        (_, What::Filter) => {}
    }
    if let (Statement::Publish(publication), None) = (opened.signed.statement(), &opened.component) {
        let stored = orchestrator.store.component(&publication.digest).await?;
        let stored = stored.ok_or_else(|| no_component(&publication.digest.to_string()))?;
        let signed = opened.signed.clone();
        let checked = tokio::task::spawn_blocking(move || check(&signed, &stored, most)).await;
        checked.map_err(|_| Problem::unavailable())??;
    }
    let component = opened.component.take();
    let publishing = Publishing {
        signed: &opened.signed,
        envelope: &opened.envelope,
        key: &opened.key,
        component: component.as_deref(),
        now_us: now_us(),
    };
    let (status, revision) = match orchestrator.store.publish(publishing, &deed.answered(201)).await? {
        Accepted::New(revision) => (StatusCode::CREATED, revision),
        Accepted::Known(revision) => (StatusCode::OK, revision),
        Accepted::Refused(refusal @ (Refusal::Expired(_) | Refusal::Future { .. })) => {
            return Err(Problem::unprocessable("not-current", refusal.to_string()));
        }
        Accepted::Refused(refusal) => return Err(Problem::conflict(refusal.to_string())),
        Accepted::NoSuchFilter => return Err(Problem::not_found("there is no such filter to remove")),
        Accepted::NoSuchComponent => return Err(no_component("it")),
        Accepted::TooMany => {
            return Err(Problem::conflict(
                "the group has as many statements about filters as its agents take in one message: use names again, or another group",
            ));
        }
    };
    orchestrator.fleet.announce();
    let pushed = pushed(opened.signed.statement(), revision);
    tracing::info!(
        name = pushed.name, group = pushed.group, version = pushed.version, key = %opened.envelope.key_id, revision,
        "a signed statement was stored"
    );
    Ok((status, Json(pushed)).into_response())
}

struct Opened {
    signed: Signed,
    envelope: Envelope,
    key: TrustedKey,
    component: Option<Vec<u8>>,
}

/// Verifies first, parses after, looks at the component last.
fn open(push: Push, most: u64) -> Result<Opened, Problem> {
    let refuse = |error: &dyn std::error::Error| Problem::unprocessable("signature", error.to_string());
    let key = TrustedKey::from_text(&push.public_key).map_err(|error| refuse(&error))?;
    if key.id().as_str() != push.key_id {
        return Err(Problem::unprocessable("signature", "key_id is not the id of public_key"));
    }
    let envelope = Envelope {
        statement: decode("statement", &push.statement)?,
        signature: decode("signature", &push.signature)?,
        key_id: KeyId::claimed(&push.key_id),
    };
    let signed = TrustedKeys::new([key.clone()]).open(&envelope).map_err(|error| match error {
        weir_artifact::SignatureError::Statement(
            error @ (StatementError::TooLarge(_)
            | StatementError::ComponentTooLarge(_)
            | StatementError::ConfigurationTooLarge(_)),
        ) => Problem::too_large(error.to_string()),
        weir_artifact::SignatureError::Statement(error) => Problem::unprocessable("statement", error.to_string()),
        error => refuse(&error),
    })?;
    let component = push.component.map(|text| decode("component", &text)).transpose()?;
    match (signed.statement(), &component) {
        (Statement::Publish(_), Some(component)) => check(&signed, component, most)?,
        (Statement::Publish(_), None) | (_, None) => {}
        (_, Some(_)) => return Err(Problem::unprocessable("statement", "only a publication has a component")),
    }
    Ok(Opened { signed, envelope, key, component })
}

/// The bytes are the ones that were signed, and agents can run them.
fn check(signed: &Signed, component: &[u8], most: u64) -> Result<(), Problem> {
    let Statement::Publish(publication) = signed.statement() else { return Ok(()) };
    let refuse = |error: ComponentRefusal| match error {
        ComponentRefusal::TooLarge(..) => Problem::too_large(format!("the component cannot be run: {error}")),
        error => Problem::unprocessable("component", format!("the component cannot be run: {error}")),
    };
    components::check(component, most, &publication.grants).map_err(refuse)?;
    let query = weir_query::Query::parse(&publication.matching).and_then(|query| query.request_only());
    query.map_err(|error| Problem::bad_match(&error))?;
    for (place, rule) in publication.on_failure_for.iter().enumerate() {
        let query = weir_query::Query::parse(&rule.matching).and_then(|query| query.request_only());
        query.map_err(|error| Problem::unprocessable("statement", format!("on_failure_for.{place}.match: {error}")))?;
    }
    match Artifact::new(signed, component.to_vec()) {
        Ok(_) => Ok(()),
        Err(error @ (ArtifactError::Size { .. } | ArtifactError::Digest { .. })) => {
            Err(Problem::unprocessable("component", error.to_string()))
        }
        Err(error) => Err(Problem::unprocessable("statement", error.to_string())),
    }
}

fn decode(field: &str, text: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|error| Problem::bad_request(format!("{field} is not base64: {error}")))
}

fn no_component(what: &str) -> Problem {
    Problem::unprocessable("component", format!("component {what} was not pushed before: send it along"))
}

fn pushed(statement: &Statement, revision: u64) -> Pushed {
    let publication = match statement {
        Statement::Publish(publication) => Some(publication),
        Statement::Remove(_) | Statement::Endorse(_) | Statement::Configure(_) => None,
    };
    let version = match statement {
        Statement::Configure(configuration) => Some(configuration.version),
        _ => publication.map(|publication| publication.version),
    };
    Pushed {
        name: statement.subject().map(|(_, name, _)| name.to_string()),
        group: statement.group().to_string(),
        version,
        sequence: statement.sequence(),
        digest: publication.map(|publication| publication.digest.to_string()),
        revision,
    }
}
