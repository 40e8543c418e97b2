//! How a client reaches the agent, and where each stage of its connection leads.

pub mod connect;
pub mod first_head;
mod framing;
mod guarded;
pub mod http;
pub mod next;
pub mod peek;
mod streams;
