//! `/api/v1/usage`: exchanges, failures, bytes and time by user, agent, hour or day.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{history::time, input::Params, problem::Problem};
use crate::{
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    store::{self, Of, UsageWanted},
};

const HOUR_US: u64 = 3_600_000_000;
/// Without a beginning.
const MONTH_US: u64 = 30 * 24 * HOUR_US;
/// Of one answer, by default and at most.
const MANY: usize = 100;
const MOST: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// What is told apart, by default users
    by: Option<UsageBy>,
    /// RFC 3339, taken down to its hour; by default 30 days before `to`
    from: Option<String>,
    /// RFC 3339, taken up to its hour; by default now
    to: Option<String>,
    /// Id of an agent; by default all
    #[param(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    /// Name of a user; empty for clients that gave none
    user: Option<String>,
    /// 1 to 1000, by default 100
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UsageBy {
    User,
    Agent,
    Hour,
    Day,
}

/// Who used what within a time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageReport {
    /// The beginning of an hour.
    from: String,
    /// The end of one.
    to: String,
    /// Those with the most exchanges first; hours and days in their order, as far as there was anything.
    items: Vec<UsageItem>,
    /// There are more than the limit.
    more: bool,
}

/// One user, agent, hour or day.
#[derive(Debug, Serialize, ToSchema)]
struct UsageItem {
    /// By user; null for clients that gave no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    agent: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<String>,
    /// The beginning of the hour or the day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    exchanges: u64,
    /// Of these: status 500 or above, or the upstream, a filter or the agent's end left the client without a whole answer.
    failed: u64,
    /// Of bodies.
    request_bytes: u64,
    response_bytes: u64,
    /// Of all together.
    duration_us: u64,
}

/// Exchanges, failures, bytes and time by user, agent, hour or day.
#[utoipa::path(get, path = "/api/v1/usage", operation_id = "getUsage", tag = "usage", params(Which), responses(
    (status = 200, body = UsageReport), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn usage(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(which): Params<Which>,
) -> Result<Json<UsageReport>, Problem> {
    let to_us = time("to", which.to.as_deref())?.unwrap_or_else(now_us).next_multiple_of(HOUR_US);
    let from_us = time("from", which.from.as_deref())?.unwrap_or(to_us.saturating_sub(MONTH_US));
    let from_us = from_us - from_us % HOUR_US;
    if from_us >= to_us {
        return Err(Problem::bad_request("from has to be before to"));
    }
    let limit = which.limit.unwrap_or(MANY);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is 1 to {MOST}")));
    }
    let by = match which.by {
        None | Some(UsageBy::User) => store::By::User,
        Some(UsageBy::Agent) => store::By::Agent,
        Some(UsageBy::Hour) => store::By::Hour,
        Some(UsageBy::Day) => store::By::Day,
    };
    let (agent, user) = (which.agent, which.user.as_deref());
    let wanted = UsageWanted { by, from_us, to_us, agent, user, limit: limit + 1 };
    let mut items: Vec<_> = orchestrator.store.usage(wanted).await?.into_iter().map(item).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Json(UsageReport { from: rfc3339(from_us), to: rfc3339(to_us), items, more }))
}

fn item(usage: store::Usage) -> UsageItem {
    let (mut user, mut agent, mut agent_name, mut at) = (None, None, None, None);
    match usage.of {
        Of::User(name) => user = Some((!name.is_empty()).then_some(name)),
        Of::Agent(id, name) => (agent, agent_name) = (Some(id), Some(name)),
        Of::Time(us) => at = Some(rfc3339(us)),
    }
    UsageItem {
        user,
        agent,
        agent_name,
        at,
        exchanges: usage.exchanges,
        failed: usage.failed,
        request_bytes: usage.request_bytes,
        response_bytes: usage.response_bytes,
        duration_us: usage.duration_us,
    }
}
