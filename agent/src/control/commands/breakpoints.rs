//! Breakpoints, and decisions about what pauses at them.

use weir_proto::v1::{Decide, Decided, Held, Problem, ProblemKind, ReadPaused};

use super::problem;
use crate::{interception::Refused, worker::Shared};

pub(super) fn read(shared: &Shared, read: &ReadPaused) -> Result<Held, Problem> {
    shared.interception.read(&read.id).ok_or_else(|| refused(&Refused::Gone))
}

pub(super) fn decide(shared: &Shared, decide: Decide) -> Result<Decided, Problem> {
    shared.interception.decide(decide).map_err(|error| refused(&error))
}

fn refused(refused: &Refused) -> Problem {
    let kind = match refused {
        Refused::Gone => ProblemKind::NotFound,
        Refused::Invalid(_) => ProblemKind::Invalid,
    };
    problem(kind, refused.to_string())
}
