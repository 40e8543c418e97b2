//! The index of searches: which rows may fit, for every field that a query asks for but bodies. Rows are noted in blocks of their
//! numbers, each once it is full, beside what is recorded and never in its transaction; what came since is looked through.
//! An index says which rows may fit: the query itself decides.

mod build;
mod feature;
mod find;
mod need;
mod parts;
#[cfg(test)]
mod tests;

pub(super) use find::{Ahead, Hunt};

/// Of what is written, and of what is noted: an index of another is made anew.
const FORMAT: i64 = 1;
/// Numbers of a block. In tests there are few rows.
pub(super) const BLOCK: i64 = if cfg!(test) { 64 } else { 4096 };

/// The place of the first part of a block.
fn first_part(block: i64) -> i64 {
    block.saturating_mul(parts::PARTS as i64)
}
