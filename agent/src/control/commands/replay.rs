//! Sending a request that an orchestrator has, and waiting for the end of its exchange.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};
use weir_proto::v1::{Problem, ProblemKind, Replay, Replayed};

use super::{LONGEST, problem};
use crate::{
    replay::{self, Wanted},
    worker::Shared,
};

/// Exchanges at a time that no client began.
pub(super) const AT_ONCE: usize = 16;
/// The answer is on its way before whoever asked gives up.
const AHEAD: Duration = Duration::from_millis(250);

/// Begins with it. What has not ended `within` goes on, and the answer says so.
pub(super) async fn replay(
    shared: &Arc<Shared>,
    turns: &Arc<Semaphore>,
    replay: Replay,
    within: Duration,
) -> Result<Replayed, Problem> {
    if replay.target.is_empty() && replay.entry == "connect" {
        return Err(problem(ProblemKind::Invalid, "a tunnel has a target".to_owned()));
    }
    let wanted = Wanted::read(replay, &shared.tuning.now().client);
    let wanted = wanted.map_err(|unfit| problem(ProblemKind::Invalid, unfit.to_string()))?;
    let Ok(turn) = Arc::clone(turns).try_acquire_owned() else {
        return Err(problem(ProblemKind::Busy, format!("{AT_ONCE} requests are being sent already: try again")));
    };
    let (answer, ended) = oneshot::channel();
    let asked = shared.asks.one(Box::new(move |worker| {
        let worker = std::rc::Rc::clone(worker);
        tokio::task::spawn_local(async move {
            let carried = timeout(LONGEST, replay::carry(&worker, wanted)).await;
            drop(turn);
            // Whoever asked may have given up; the record has it.
            let _ = answer.send(carried.unwrap_or(Ok(None)));
        });
    }));
    if !asked {
        return Err(problem(ProblemKind::Busy, "the agent is about to stop".to_owned()));
    }
    match timeout(within.saturating_sub(AHEAD), ended).await {
        Ok(Ok(Ok(status))) => Ok(Replayed { ended: true, status: status.unwrap_or_default().into() }),
        Ok(Ok(Err(stopped))) => Err(problem(ProblemKind::Refused, stopped.to_string())),
        Ok(Err(_)) => Err(problem(ProblemKind::Other, "the agent ended in the midst of it".to_owned())),
        Err(_) => Ok(Replayed::default()),
    }
}
