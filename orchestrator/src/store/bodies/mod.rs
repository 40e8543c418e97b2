//! Bodies, by the digest of their captured bytes. Small ones stay in the message of their exchange; others are kept once,
//! however many exchanges have them: in the database, and the largest in the body store, under keys that the database
//! knows. Which exchange needs which body, the table `body_uses` says; triggers delete what none needs.
//!
//! A key of the body store is written before the row that names it is committed, is never written twice, and is deleted
//! after the row is gone: so what a row names is there, and whoever was killed in between leaves at most what nobody names,
//! which [`Store::sweep`] finds.

mod claim;
mod folder;
mod kept;
mod load;
mod objects;
mod put;
mod sweep;
#[cfg(test)]
pub(super) mod tests;

pub(super) use claim::own_id;
pub(super) use kept::{BESIDE, Piece, is_large, message, named, split, unpack};
pub(crate) use kept::{Kept, Slot};
pub(crate) use load::Damage;
pub(super) use load::Shelves;
pub(super) use objects::{Lack, Objects};
pub(super) use put::is_stale;
