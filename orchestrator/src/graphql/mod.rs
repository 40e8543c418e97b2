//! GraphQL: what REST tells, in one question and in the shape that was asked for, and as subscriptions. Nothing is changed
//! here. Questions are bounded before they are answered (`bounds.rs`); who may ask what, and what is hidden, REST's gate and
//! its one door for secrets say.

mod agents;
mod answer;
mod bounds;
pub(crate) mod describe;
mod exchanges;
mod fault;
mod filters;
mod http;
mod loaders;
mod messages;
mod metrics;
mod operation;
mod order;
mod outgoing;
mod purse;
mod query;
mod socket;
mod sse;
mod subscription;

use std::sync::Arc;

use async_graphql::{EmptyMutation, Schema};
use axum::{Router, middleware::from_fn_with_state, routing::get};

use crate::orchestrator::Orchestrator;

/// Levels of a question, one within the other. What tools ask of a schema has 17.
const DEPTH: usize = 20;
/// Values that an answer may come to, as the question has it.
const COMPLEXITY: usize = 100_000;
/// Levels that are read at all.
const NESTING: usize = 64;
/// Of one field.
const DIRECTIVES: usize = 8;

type Api = Schema<query::Query, EmptyMutation, subscription::Subscription>;

/// What every address here stands on.
#[derive(Clone)]
struct Door {
    orchestrator: Arc<Orchestrator>,
    api: Api,
    outgoing: outgoing::Outgoing,
}

fn api(orchestrator: Arc<Orchestrator>) -> Api {
    Schema::build(query::Query, EmptyMutation, subscription::Subscription)
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        .limit_recursive_depth(NESTING)
        .limit_directives(DIRECTIVES)
        .extension(answer::Watching)
        .data(orchestrator)
        .data(purse::Turns::default())
        .finish()
}

/// What it costs to ask the database for one thing, for all of what there are few of, and to search: counted as so many values.
const ONE: usize = 20;
const ALL: usize = 200;
const SEARCH: usize = 1_000;

/// Of lists: so many times what is asked of each.
fn times(count: i32, child: usize) -> usize {
    usize::try_from(count).unwrap_or(0).saturating_mul(child).saturating_add(1)
}

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(orchestrator: Arc<Orchestrator>) -> Router<S> {
    let api = api(Arc::clone(&orchestrator));
    let door = Door { orchestrator, api, outgoing: outgoing::Outgoing::default() };
    Router::new()
        .route("/graphql", get(http::get).post(http::post))
        .route("/graphql/schema", get(http::schema))
        .route_layer(from_fn_with_state(door.clone(), http::gate))
        .with_state(door)
}
