//! Stopping without breaking an exchange. Enters: the wish to stop, from any thread; leaves: each worker's connections
//! told once, and counted until they are gone. Must not know why the agent stops.

/// Seen by every thread: whether the agent still accepts.
pub struct Shutdown {}
