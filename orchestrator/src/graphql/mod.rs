//! GraphQL: what REST tells, in one question and in the shape that was asked for, and as subscriptions. Nothing is changed
//! here. Questions are bounded before they are answered (`bounds.rs`); who may ask what, and what is hidden, REST's gate and
//! its one door for secrets say.

mod agents;
mod bounds;
pub(crate) mod describe;
mod exchanges;
mod fault;
mod filters;
mod http;
mod loaders;
mod messages;
mod metrics;
mod purse;
mod query;
mod socket;
mod subscription;

use std::sync::Arc;

use async_graphql::{EmptyMutation, Schema};
use axum::{Router, routing::get};

use crate::{orchestrator::Orchestrator, rest::Asker};

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
}

impl Door {
    /// A request of somebody, with what belongs to one request.
    fn request(&self, asker: &Asker, request: async_graphql::Request) -> async_graphql::Request {
        let request = request.data(asker.clone());
        loaders::with(request, &self.orchestrator)
    }
}

fn api(orchestrator: Arc<Orchestrator>) -> Api {
    Schema::build(query::Query, EmptyMutation, subscription::Subscription)
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        .limit_recursive_depth(NESTING)
        .limit_directives(DIRECTIVES)
        .extension(bounds::Bounds)
        .data(orchestrator)
        .data(purse::Turns::default())
        .finish()
}

/// Of lists: so many times what is asked of each.
fn times(count: i32, child: usize) -> usize {
    usize::try_from(count).unwrap_or(0).saturating_mul(child).saturating_add(1)
}

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(orchestrator: Arc<Orchestrator>) -> Router<S> {
    let api = api(Arc::clone(&orchestrator));
    Router::new()
        .route("/graphql", get(http::get).post(http::post))
        .route("/graphql/schema", get(http::schema))
        .with_state(Door { orchestrator, api })
}
