//! Lines that filters write, on their way into the record: from whatever thread a filter runs on into one queue for all. Bounded: what
//! finds no room is dropped and counted. Must not know filters.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

use super::{batch::LINES_TAG, recorder::Queue, wire};
use crate::ids;

/// Bytes of lines that wait.
pub(super) const BOUND: usize = 1 << 20;
/// Of one line; longer ones are cut.
const LONGEST: usize = 8 << 10;

/// Where lines go.
#[derive(Clone, Default)]
pub struct Lines(Option<Arc<Queue>>);

/// One line.
pub struct Line<'a> {
    pub filter: &'a str,
    pub version: u64,
    pub level: &'static str,
    pub exchange: Option<Uuid>,
    pub text: &'a str,
}

impl Lines {
    pub(super) fn into_queue(queue: Arc<Queue>) -> Self {
        Self(Some(queue))
    }

    /// Never waits.
    pub fn tell(&self, line: &Line<'_>) {
        let Some(queue) = &self.0 else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut out = Vec::with_capacity(128 + line.text.len().min(LONGEST));
        wire::bytes(&mut out, 1, ids::new().as_bytes());
        wire::number(&mut out, 2, u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        wire::bytes(&mut out, 3, line.filter.as_bytes());
        wire::number(&mut out, 4, line.version);
        wire::bytes(&mut out, 5, line.level.as_bytes());
        wire::bytes(&mut out, 6, line.exchange.as_ref().map_or(&[][..], |id| &id.as_bytes()[..]));
        wire::bytes(&mut out, 7, &line.text.as_bytes()[..line.text.floor_char_boundary(LONGEST)]);
        queue.append(LINES_TAG, &out, BOUND);
    }
}
