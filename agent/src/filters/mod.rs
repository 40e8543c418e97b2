//! The filters that are active, as one snapshot.

/// Swapped whole; an exchange keeps the snapshot it began with.
#[derive(Default)]
pub struct Active {}
