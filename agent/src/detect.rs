//! What a client speaks, from its first bytes.
