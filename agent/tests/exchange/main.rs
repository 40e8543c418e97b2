//! One exchange over real sockets: what the client says, what the upstream hears, what the client gets.

#[path = "../data_path/agent.rs"]
#[allow(dead_code, reason = "each test crate uses a part of this")]
mod agent;

#[path = "../../../host/tests/filters/guest/mod.rs"]
mod guest;

mod bodies;
mod breakpoints;
mod failures;
mod filters;
mod heads;
mod records;
mod waiting;
