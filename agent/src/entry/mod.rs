//! How a client reaches the agent, and where each stage of its connection leads.

pub mod connect;
mod guarded;
mod head;
mod heads;
pub mod http1;
pub mod http2;
mod message;
pub mod next;
mod notes;
pub mod peek;
mod streams;
pub mod tunnels;
