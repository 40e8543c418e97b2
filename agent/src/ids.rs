//! Ids of exchanges and connections. They sort by time (RFC 9562 section 5.7); each thread counts for itself, so that no two
//! workers meet.

use uuid::{ContextV7, Timestamp, Uuid};

/// Another than any before.
pub(crate) fn new() -> Uuid {
    thread_local! {
        static CONTEXT: ContextV7 = const { ContextV7::new() };
    }
    CONTEXT.with(|context| Uuid::new_v7(Timestamp::now(context)))
}
