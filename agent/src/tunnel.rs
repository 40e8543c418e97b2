//! Opaque copies.
