//! Why an exchange did not get through a filter, and whose fault that is.

use weir_artifact::Name;

use crate::Direction;

/// One filter failed one exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter {filter} version {version} failed in {phase}: {reason}")]
pub struct Failure {
    /// The filter.
    pub filter: Name,
    /// Of the generation that failed.
    pub version: u64,
    /// The hook, as in the contract, or `instantiate`.
    pub phase: &'static str,
    /// What kind of failure.
    pub kind: FailureKind,
    /// In words, for the operator.
    pub reason: String,
}

/// Kinds of failure: one metric label each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The guest trapped.
    Trap,
    /// A hook used more CPU time than its limit.
    Cpu,
    /// The guest asked for more memory than its limit and trapped.
    Memory,
    /// It broke the contract: an action that this hook does not allow, or a dead exchange number.
    Contract,
    /// An answer exceeds `answer_bytes`.
    AnswerTooLarge,
    /// The body exceeds what the filter may buffer.
    BufferOverflow,
    /// Another exchange's trap ended the instance.
    InstanceLost,
    /// No instance could be made.
    Instantiate,
    /// Too many instances are live: the load is to blame, not the filter.
    NoRoom,
    /// The breaker is open: the version failed too often to be run.
    BreakerOpen,
    /// The body is not what its Content-Encoding says.
    Coding(Direction),
    /// It did nothing for longer than `stall_ms` while the exchange waited for it.
    Stalled,
    /// It gave an error in place of a response.
    GaveError,
    /// Messages come in a form that cannot be shown to it.
    Unreadable,
}

impl FailureKind {
    /// Number of kinds, for counters by kind.
    pub(crate) const COUNT: usize = 14;

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Trap => 0,
            Self::Cpu => 1,
            Self::Memory => 2,
            Self::Contract => 3,
            Self::AnswerTooLarge => 4,
            Self::BufferOverflow => 5,
            Self::InstanceLost => 6,
            Self::Instantiate => 7,
            Self::BreakerOpen => 8,
            Self::Coding(_) => 9,
            Self::NoRoom => 10,
            Self::Stalled => 11,
            Self::GaveError => 12,
            Self::Unreadable => 13,
        }
    }

    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        LABELS[self.index()]
    }

    /// The filter is not to blame: the sender of the body is.
    pub fn sender(self) -> Option<Direction> {
        match self {
            Self::Coding(direction) => Some(direction),
            Self::Unreadable => Some(Direction::Response),
            _ => None,
        }
    }
}

/// Labels in the order of [`FailureKind::index`].
pub(crate) const LABELS: [&str; FailureKind::COUNT] = [
    "trap",
    "cpu",
    "memory",
    "contract",
    "answer-too-large",
    "buffer-overflow",
    "instance-lost",
    "instantiate",
    "breaker-open",
    "coding",
    "no-room",
    "stalled",
    "gave-error",
    "unreadable",
];
