//! The tests of `tests/server`, which say nothing of a database, on PostgreSQL; and what is true of PostgreSQL alone.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../server/access.rs"]
mod access;
#[path = "../server/annotations.rs"]
mod annotations;
#[path = "../server/areas.rs"]
mod areas;
mod away;
#[path = "../server/backup.rs"]
mod backup;
#[path = "../server/breakpoints.rs"]
mod breakpoints;
#[path = "../server/bucket.rs"]
mod bucket;
#[path = "../server/commands.rs"]
mod commands;
#[path = "../server/compat.rs"]
mod compat;
#[path = "../server/component.rs"]
mod component;
#[path = "../server/config.rs"]
mod config;
#[path = "../server/configurations.rs"]
mod configurations;
#[path = "../server/credentials.rs"]
mod credentials;
#[path = "../server/durability.rs"]
mod durability;
#[path = "../server/edges.rs"]
mod edges;
#[path = "../server/forms/mod.rs"]
mod forms;
#[path = "../server/graphql/mod.rs"]
mod graphql;
#[path = "../server/harness/mod.rs"]
mod harness;
#[path = "../server/hostile.rs"]
mod hostile;
#[path = "../server/join.rs"]
mod join;
#[path = "../server/lapse.rs"]
mod lapse;
#[path = "../server/lines.rs"]
mod lines;
#[path = "../server/live.rs"]
mod live;
#[path = "../server/messages.rs"]
mod messages;
#[path = "../server/metrics.rs"]
mod metrics;
#[path = "../server/once.rs"]
mod once;
#[path = "../server/proxies.rs"]
mod proxies;
#[path = "../server/publish.rs"]
mod publish;
#[path = "../server/record.rs"]
mod record;
mod refusals;
#[path = "../server/renew.rs"]
mod renew;
#[path = "../server/rest.rs"]
mod rest;
#[path = "../server/retention.rs"]
mod retention;
#[path = "../server/revoke.rs"]
mod revoke;
#[path = "../server/search.rs"]
mod search;
mod several;
#[path = "../server/single.rs"]
mod single;
#[path = "../server/sse.rs"]
mod sse;
#[path = "../server/stored.rs"]
mod stored;
#[path = "../server/sync.rs"]
mod sync;
#[path = "../server/told.rs"]
mod told;
#[path = "../server/trail.rs"]
mod trail;
#[path = "../server/tunnels.rs"]
mod tunnels;
#[path = "../server/usage.rs"]
mod usage;

fn on_postgres() -> bool {
    true
}
