//! Accepting.
