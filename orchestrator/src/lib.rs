//! The orchestrator: holds the fleet together.
