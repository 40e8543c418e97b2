//! The one shape of an error: RFC 9457 problem document.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use weir_proto::v1::ProblemKind;

use crate::{
    access::{Area, Areas, Denied, Permission, Role},
    store::{StoreError, Unread},
};

/// Until a turn may be free, about.
const BUSY_S: u32 = 5;

/// What went wrong, for programs (`type`) and for people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:weir:problem:` and a word: stable.
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    /// The status in words.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong and, where it helps, what to do.
    detail: String,
    /// Where a query is wrong, in characters from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Where in what was sent something is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// For `Retry-After`; 0 for none.
    #[serde(skip)]
    retry_after_s: u32,
    /// The area that the credential lacks, for `WWW-Authenticate`.
    #[serde(skip)]
    lacks: Option<Area>,
}

/// One place, and what is wrong there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// JSON Pointer (RFC 6901).
    pointer: String,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, word: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:weir:problem:{word}").into(),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            column: None,
            errors: Vec::new(),
            retry_after_s: 0,
            lacks: None,
        }
    }

    /// The word of its kind, as GraphQL writes codes.
    pub(crate) fn code(&self) -> String {
        let word = self.kind.rsplit(':').next().unwrap_or_default();
        word.to_ascii_uppercase().replace('-', "_")
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// For `Retry-After`, in seconds; 0 for none.
    pub(crate) fn retry_after_s(&self) -> u32 {
        self.retry_after_s
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn column(&self) -> Option<usize> {
        self.column
    }

    /// With the place in what was sent.
    pub(crate) fn at(mut self, pointer: String, detail: String) -> Self {
        self.errors.push(Fault { pointer, detail });
        self
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(crate) fn bad_query(error: &weir_query::QueryError) -> Self {
        let column = Some(error.column());
        Self { column, ..Self::new(StatusCode::BAD_REQUEST, "bad-query", error.to_string()) }
    }

    /// Of a configuration: the pointer is that of a key in the document that its text is.
    pub(super) fn bad_configuration(faults: &weir_desired::Faults) -> Self {
        let problem = Self::unprocessable("configuration", format!("no agent would take it: {faults}"));
        faults.0.iter().fold(problem, |problem, fault| {
            problem.at(format!("/{}", fault.key.replace('.', "/")), format!("line {}: {}", fault.line, fault.problem))
        })
    }

    /// Of a publication.
    pub(crate) fn bad_match(error: &weir_query::QueryError) -> Self {
        let column = Some(error.column());
        Self { column, ..Self::unprocessable("statement", format!("match: {error}")) }
    }

    pub(crate) fn unauthorized() -> Self {
        let detail = "send a token that counts (Authorization: Bearer TOKEN), or a user's name and password (Basic)";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// Something was sent, and which of these it is is told to nobody.
    pub(super) fn not_accepted() -> Self {
        let detail = "what was sent does not count: a token may have expired or been revoked, or be none of this server's; \
                      a name or a password may be wrong";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// RFC 6750 section 3.1.
    pub(super) fn invalid_token(reason: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid-token", reason)
    }

    pub(super) fn no_role(detail: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "no-role", detail)
    }

    pub(super) fn no_area(detail: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "no-area", detail)
    }

    pub(super) fn issuer_away(detail: String) -> Self {
        let detail = format!("{detail}; tokens and passwords of the orchestrator itself count meanwhile");
        Self { retry_after_s: BUSY_S, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "issuer-away", detail) }
    }

    pub(crate) fn forbidden(role: Role, permission: Permission) -> Self {
        let detail = format!("this is for {}; your role is {role}", permission.roles());
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// RFC 6750 section 3.1.
    pub(crate) fn insufficient_scope(areas: Areas, area: Area) -> Self {
        let detail = format!("this is of the area {area}; your token is for {areas}");
        Self { lacks: Some(area), ..Self::new(StatusCode::FORBIDDEN, "insufficient-scope", detail) }
    }

    /// What somebody is to be given who asks has not.
    pub(super) fn wider(areas: Areas, wanted: &str) -> Self {
        let detail = format!("your token is for {areas} and makes none that is wider: {wanted}");
        Self::new(StatusCode::FORBIDDEN, "wider", detail)
    }

    /// Each answer would tell something of what is hidden.
    pub(crate) fn forbidden_query(role: Role, permission: Permission) -> Self {
        let detail = format!(
            "a query for values of Authorization, Proxy-Authorization, Cookie or Set-Cookie is for {}; your role is {role}",
            permission.roles()
        );
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn busy(detail: &str) -> Self {
        Self { retry_after_s: BUSY_S, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail) }
    }

    pub(super) fn too_many(detail: &str, wait_s: u64) -> Self {
        Self {
            retry_after_s: u32::try_from(wait_s).unwrap_or(u32::MAX),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail)
        }
    }

    pub(super) fn foreign_origin(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this address does not take this method; see Allow";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// A request was carried out, and its answer is not there to be given once more.
    pub(super) fn not_kept(status: StatusCode) -> Self {
        let detail = format!(
            "the request with this Idempotency-Key was carried out, and answered with {status}; the answer was longer than is kept of one, or \
             broke off"
        );
        let status = if status.is_success() { StatusCode::CONFLICT } else { status };
        Self::new(status, "answer-not-kept", detail)
    }

    pub(super) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    pub(crate) fn not_satisfiable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", detail)
    }

    pub(crate) fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail)
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let detail = "the body has to be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    pub(crate) fn unprocessable(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, word, detail)
    }

    pub(crate) fn not_all_stored(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-all-stored", detail)
    }

    /// What an agent, or the way to it, made of a command.
    pub(crate) fn by_agent(problem: &weir_proto::v1::Problem) -> Self {
        let (status, word) = match problem.kind() {
            ProblemKind::NotAllowed => (StatusCode::CONFLICT, "agent-does-not-allow"),
            ProblemKind::Unknown => (StatusCode::NOT_IMPLEMENTED, "agent-too-old"),
            ProblemKind::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            ProblemKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ProblemKind::Refused => (StatusCode::CONFLICT, "refused-by-filter"),
            ProblemKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "agent-cannot"),
            ProblemKind::TooLate => (StatusCode::GATEWAY_TIMEOUT, "agent-too-slow"),
            ProblemKind::NotConnected => (StatusCode::CONFLICT, "agent-not-connected"),
            ProblemKind::Lost => (StatusCode::BAD_GATEWAY, "agent-lost"),
            ProblemKind::Other => (StatusCode::BAD_GATEWAY, "agent-failed"),
        };
        Self::new(status, word, problem.text.clone())
    }

    pub(crate) fn stopping() -> Self {
        let detail = "the orchestrator is shutting down: ask again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// An answer lacks what may fit.
    pub(crate) fn unread(unread: &Unread) -> Self {
        let first = unread.first.first().map(|(id, why)| format!("; the first is {id}: {why}")).unwrap_or_default();
        let detail = format!("{} exchanges that may fit were left out{first}", unread.count);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", detail)
    }

    pub(crate) fn unavailable() -> Self {
        let detail = "the database does not answer; the orchestrator's log says why";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Role(role, permission) => Self::forbidden(role, permission),
            Denied::Area(areas, area) => Self::insufficient_scope(areas, area),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not be answered");
        match error {
            StoreError::Body { .. } | StoreError::BodyOf { .. } => {
                let detail = format!("{error}: restore the body store from a backup, or delete the exchange");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", detail)
            }
            StoreError::BodyAway(_) => {
                let detail = "the body store does not answer; the orchestrator's log says why";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            }
            _ => Self::unavailable(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (retry_after, invalid) = (self.retry_after_s, self.kind.ends_with(":invalid-token"));
        let lacks = self.lacks;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if retry_after > 0 {
            headers.insert(header::RETRY_AFTER, retry_after.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let told = if invalid { r#"Bearer realm="weir", error="invalid_token""# } else { r#"Bearer realm="weir""# };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(told));
        }
        let told = lacks.map(|area| format!(r#"Bearer realm="weir", error="insufficient_scope", scope="{area}""#));
        if let Some(Ok(told)) = told.map(HeaderValue::try_from) {
            headers.insert(header::WWW_AUTHENTICATE, told);
        }
        response
    }
}
