//! How a client reaches the agent.
