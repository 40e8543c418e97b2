//! Filters as the agent runs them: real components, compiled and driven through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod bodies;
mod capabilities;
mod connecting;
mod contain;
mod crossing;
mod decoded;
mod finished;
mod guest;
mod heads;
mod keeping;
mod lifetimes;
mod load;
mod messages;
mod secrets;
mod standard;
mod support;
mod waits;
