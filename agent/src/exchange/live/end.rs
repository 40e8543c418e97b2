//! How an exchange ends, and who is told when its last part has let go: the filters, the record, the counts.

use weir_host::{Direction, DoneReason, Summary};

use super::super::ledger::Ledger;
use super::super::problem::Blame;
use super::{Live, Stop};
use crate::record::Outcome;
use crate::stats::Way;

impl Live {
    /// How it ends; the first cause counts, and what follows from it does not.
    pub(in super::super) fn ends(&self, outcome: Outcome, error: Option<String>) {
        self.outcome.borrow_mut().get_or_insert((outcome, error));
    }

    /// Another end than the one that it had come to.
    pub(in super::super) fn ends_after_all(&self, outcome: Outcome, error: String) {
        self.outcome.replace(Some((outcome, Some(error))));
    }

    pub(in super::super) fn ends_by(&self, stop: &Stop) {
        let problem = match stop {
            Stop::Respond(_) => return self.ends(Outcome::FilterAnswered, None),
            Stop::Reply(_) => return self.ends(Outcome::Complete, None),
            Stop::Abort => return self.ends(Outcome::FilterAnswered, Some("a filter closed the exchange".to_owned())),
            Stop::Problem(problem) => problem,
        };
        let outcome = match problem.blame {
            Blame::Client if problem.kind == "request-body" => Outcome::ClientGone,
            Blame::Client | Blame::Agent => Outcome::Refused,
            Blame::Upstream => Outcome::UpstreamFailed,
            Blame::Filter => Outcome::FilterFailed,
        };
        let detail = problem.detail.clone().into_owned();
        // its answer was not the end: it breaks off
        if outcome == Outcome::FilterFailed && matches!(*self.outcome.borrow(), Some((Outcome::FilterAnswered, None))) {
            return self.ends_after_all(outcome, detail);
        }
        self.ends(outcome, Some(detail));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let (outcome, error) = match self.outcome.get_mut().take() {
            Some(end) => end,
            None if self.replied.get() => (Outcome::Complete, None),
            None if self.worker.drain.has_begun() => (Outcome::ShutDown, None),
            None => (Outcome::ClientGone, None),
        };
        for call in self.waits.get_mut().calls.drain(..) {
            call.abort();
        }
        let mut run = self.run.get_mut().take();
        let ledger = self.ledger.get_mut().take();
        let sizes = |direction| ledger.as_ref().map_or((0, 0), |ledger| ledger.sizes(direction));
        let (request, response) = (sizes(Direction::Request), sizes(Direction::Response));
        if let Some(run) = &mut run {
            let answered = self.answered.get();
            let (request_bytes, response_bytes) = ledger.as_ref().map_or((0, 0), Ledger::of_client);
            let summary = Summary {
                request_bytes,
                response_bytes,
                duration: self.began.elapsed(),
                first_byte: answered.map(|(_, after)| after),
                upstream_address: answered.map(|(by, _)| by),
            };
            run.complete(done_reason(outcome), &summary);
        }
        let stats = &self.worker.shared.stats;
        if let Some(ledger) = ledger {
            stats.bytes(Way::FromClient, request.0);
            stats.bytes(Way::ToUpstream, request.1);
            stats.bytes(Way::FromUpstream, response.0);
            stats.bytes(Way::ToClient, response.1);
            ledger.finish(run.as_ref(), outcome, error.as_deref());
        }
        stats.exchange_ended(self.entry, outcome, self.began.elapsed());
    }
}

/// What filters are told. They are not told of what was refused before they saw it.
fn done_reason(outcome: Outcome) -> DoneReason {
    match outcome {
        Outcome::Complete | Outcome::Upgraded => DoneReason::Complete,
        Outcome::ClientGone => DoneReason::ClientGone,
        Outcome::UpstreamFailed | Outcome::Refused => DoneReason::UpstreamGone,
        Outcome::FilterAnswered => DoneReason::FilterAnswered,
        Outcome::FilterFailed => DoneReason::FilterFailed,
        Outcome::ShutDown => DoneReason::ShutDown,
    }
}
