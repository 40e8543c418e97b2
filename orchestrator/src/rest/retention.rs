//! `/api/v1/retention`: how long and how much is kept. The bounds are the server's configuration; the rules are set here.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderName, header},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_query::Query;

use super::{
    conditional::{IfMatch, failed, tag_of},
    input::Body,
    problem::Problem,
};
use crate::{
    orchestrator::Orchestrator,
    store::{Action, Deed, Rule},
};

/// Each is asked of every exchange.
const MOST_RULES: usize = 64;
const LONGEST_QUERY: usize = 4096;
/// A hundred years.
const LONGEST_S: u64 = 100 * 365 * 24 * 3600;

/// What is kept, and what there is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetentionState)]
pub(super) struct Answer {
    bounds: Bounds,
    held: Held,
    rules: Vec<RuleItem>,
}

/// The first that is reached counts. They are set where the server is configured.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Bounds {
    /// Of an exchange or a metrics sample, since it came.
    age_s: u64,
    exchanges: u64,
    /// A tenth of them for metrics.
    bytes: u64,
}

/// What there is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Held {
    exchanges: u64,
    bytes: u64,
}

/// A rule of retention.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleItem {
    action: Word,
    /// In the query grammar, as for listings.
    query: String,
    /// Of `drop`: how long after it came an exchange goes, in seconds; by default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    after_s: Option<u64>,
}

/// `drop`: exchanges that fit go before their time. `keep`: neither age nor a rule that drops takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Drop,
    Keep,
}

/// The rules, in place of those before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetentionRules)]
pub(super) struct Wanted {
    rules: Vec<RuleItem>,
}

/// How long and how much is kept. The `ETag` is of the rules: what there is changes all the time.
#[utoipa::path(get, path = "/api/v1/retention", operation_id = "getRetention", tag = "exchanges", responses(
    (status = 200, body = Answer), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(State(orchestrator): State<Arc<Orchestrator>>) -> Result<Shown, Problem> {
    let rules = orchestrator.store.retention_rules().await?;
    shown(&orchestrator, rules).await
}

/// Sets the rules, for all orchestrators on the database. They are looked at within a minute.
#[utoipa::path(put, path = "/api/v1/retention", operation_id = "setRetention", tag = "exchanges", request_body = Wanted, responses(
    (status = 200, body = Answer),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "A rule is wrong: `errors` says which"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(orchestrator): State<Arc<Orchestrator>>,
    known: IfMatch,
    Extension(deed): Extension<Deed>,
    Body(wanted): Body<Wanted>,
) -> Result<Shown, Problem> {
    let rules = rules(wanted.rules)?;
    let still = |before: Vec<Rule>| known.holds(|| tag_of(&items(before)));
    if !orchestrator.store.set_retention_rules(&rules, still, &deed.answered(200)).await? {
        return Err(failed());
    }
    orchestrator.retaining.notify_one();
    // What was set, not what somebody set meanwhile: the tag is that of this change.
    shown(&orchestrator, rules).await
}

/// With its tag.
type Shown = ([(HeaderName, String); 1], Json<Answer>);

async fn shown(orchestrator: &Orchestrator, rules: Vec<Rule>) -> Result<Shown, Problem> {
    let (exchanges, bytes) = orchestrator.store.held_exchanges().await?;
    let keep = orchestrator.retention;
    let rules = items(rules);
    let tag = [(header::ETAG, tag_of(&rules))];
    Ok((
        tag,
        Json(Answer {
            bounds: Bounds { age_s: keep.age.as_secs(), exchanges: keep.exchanges, bytes: keep.bytes },
            held: Held { exchanges, bytes },
            rules,
        }),
    ))
}

fn items(rules: Vec<Rule>) -> Vec<RuleItem> {
    rules.into_iter().map(item).collect()
}

fn item(rule: Rule) -> RuleItem {
    let (action, after_s) = match rule.action {
        Action::Drop { after } => (Word::Drop, Some(after.as_secs())),
        Action::Keep => (Word::Keep, None),
    };
    RuleItem { action, query: rule.query, after_s }
}

/// Each of them, or what is wrong with each.
fn rules(wanted: Vec<RuleItem>) -> Result<Vec<Rule>, Problem> {
    if wanted.len() > MOST_RULES {
        return Err(Problem::unprocessable("rules", format!("there may be {MOST_RULES} rules")));
    }
    let mut wrong = Vec::new();
    let mut rules = Vec::new();
    for (place, item) in wanted.into_iter().enumerate() {
        match rule(item) {
            Ok(rule) => rules.push(rule),
            Err((member, reason)) => wrong.push((format!("/rules/{place}/{member}"), reason)),
        }
    }
    if wrong.is_empty() {
        return Ok(rules);
    }
    let problem = Problem::unprocessable("rules", "nothing was changed: a rule is wrong");
    Err(wrong.into_iter().fold(problem, |problem, (pointer, reason)| problem.at(pointer, reason)))
}

fn rule(item: RuleItem) -> Result<Rule, (&'static str, String)> {
    let RuleItem { action, query, after_s } = item;
    if query.len() > LONGEST_QUERY {
        return Err(("query", format!("it has more than {LONGEST_QUERY} bytes")));
    }
    match Query::parse(&query) {
        Err(error) => return Err(("query", error.shown(&query))),
        // Whoever means that means the bounds.
        Ok(parsed) if parsed.expr().is_none() => {
            return Err(("query", "it fits everything: say what fits, or change the bounds".to_owned()));
        }
        Ok(_) => {}
    }
    let action = match (action, after_s) {
        (Word::Drop, after) if after.is_none_or(|after| after <= LONGEST_S) => {
            Action::Drop { after: Duration::from_secs(after.unwrap_or(0)) }
        }
        (Word::Drop, _) => return Err(("after_s", format!("{LONGEST_S} is the most"))),
        (Word::Keep, None) => Action::Keep,
        (Word::Keep, Some(_)) => return Err(("after_s", "a rule that keeps has no age".to_owned())),
    };
    Ok(Rule { action, query })
}
