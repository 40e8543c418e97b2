//! One component under trial: each case configures it anew, and runs one exchange through a fresh instance.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use weir_artifact::{Artifact, FailurePolicy, Name, Publication, Upstream};
use weir_golden::{Case, EXCHANGE_ID, Message, Outcome, RequestLine, Status, Verdict};
use weir_host::{Answer, Chain, DoneReason, Exchange, Filter, Instances, LoadFault, Prepared, Run};

use crate::{
    CaseFault, Trial,
    convert::{connection, fault, local, request_parts},
    guests::Guests,
    passage::{Drive, Passed, pass},
    talk, tunnel,
};

/// A compiled component.
pub struct Subject<'a> {
    trial: &'a Trial,
    artifact: Artifact,
    prepared: Prepared,
}

/// What a case came to.
#[derive(Debug)]
pub struct Report {
    /// For [`Case::check`].
    pub outcome: Outcome,
    /// Calls of hooks.
    pub calls: u64,
    /// The most linear memory that the guest had, bytes.
    pub memory: u64,
    /// Time spent in hooks. They never wait, so this is CPU time as far as nobody else had the processor.
    pub time: Duration,
    /// What the filter logged, `level: message`.
    pub log: Vec<String>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(trial: &'a Trial, artifact: Artifact, prepared: Prepared) -> Self {
        Self { trial, artifact, prepared }
    }

    /// How long it took to compile.
    pub fn compile_time(&self) -> Duration {
        self.prepared.time()
    }

    /// Runs one case. One that states no configuration gets that of the publication.
    ///
    /// # Errors
    /// The case is one that no host can be given.
    pub fn run(&self, case: &Case) -> Result<Report, CaseFault> {
        // what an instance logged that ended with the case before is not this one's
        self.trial.lines.take();
        self.forget();
        let (outcome, filter) = self.outcome(case)?;
        let stats = filter.as_ref().map(|filter| filter.stats());
        let (calls, time) = stats.map(|stats| (stats.calls(), stats.time())).unwrap_or_default();
        let memory = stats.map_or(0, |stats| stats.memory_peak());
        Ok(Report { outcome, calls, memory, time, log: self.trial.lines.take() })
    }

    /// What the case before kept is not this one's either.
    fn forget(&self) {
        self.trial.host.forget(&self.artifact.publication().name);
    }

    fn outcome(&self, case: &Case) -> Result<(Outcome, Option<Arc<Filter>>), CaseFault> {
        let publication = Publication {
            config: case.config.clone().unwrap_or_else(|| self.artifact.publication().config.clone()),
            on_failure: FailurePolicy::Closed,
            on_failure_for: Vec::new(),
            upstreams: upstreams(case, self.artifact.publication())?,
            secrets: secrets(case, self.artifact.publication())?,
            ..Publication::clone(self.artifact.publication())
        };
        let artifact = Artifact::from_trusted_file(publication, self.artifact.component().to_vec());
        let filter = match self.trial.host.load(&artifact.map_err(fault("config"))?) {
            Ok(filter) => filter,
            Err(refusal) => return Ok((refused(&refusal), None)),
        };
        let outcome = match (&case.request, &case.tunnel) {
            (Some(request), _) => self.exchange(case, request, &filter)?,
            (None, Some(asked)) => {
                let chain = Chain::new(vec![Arc::clone(&filter)]);
                tunnel::ask(&Instances::new(&self.trial.host), &chain, case, asked)?
            }
            (None, None) => Outcome::invalid(Vec::new()),
        };
        Ok((outcome, Some(filter)))
    }

    fn exchange(
        &self,
        case: &Case,
        request: &Message<RequestLine>,
        filter: &Arc<Filter>,
    ) -> Result<Outcome, CaseFault> {
        let instances = Instances::new(&self.trial.host);
        let chain = Arc::new(Chain::new(vec![Arc::clone(filter)]));
        let id = EXCHANGE_ID.parse().map_err(fault("the exchange's id"))?;
        let exchange = Exchange::new(id, Arc::new(connection(case)?), request_parts(request)?);
        let mut run = Run::begin(&instances, &chain, exchange, |_| true);
        let mut forwarded = None;
        let runs_beside = filter.runs_beside();
        let mut drive = Drive { run: &mut run, guests: Guests::new(&self.trial.runtime), case, runs_beside };
        let mut passed = pass(&mut drive, request, &mut forwarded)?;
        let opens = matches!(&passed, Ok(Some(response)) if response.start == Status(101));
        let (heard, ended) = if opens { talk::hold(&mut run, &case.messages) } else { Default::default() };
        if let Some(answer) = ended {
            passed = Err(answer);
        }
        let (mut outcome, done) = judge(passed);
        outcome.forwarded = forwarded;
        outcome.heard = opens.then_some(heard);
        run.finish(done);
        // nobody waits for what happens in `on-done`, and a failure there is one all the same
        let failure = run.receipts().find_map(|receipt| receipt.error);
        if let (Some(failure), true) = (failure, outcome.verdict != Verdict::Fail) {
            outcome.verdict = Verdict::Fail;
            outcome.reason = Some(failure.to_string());
        }
        Ok(outcome)
    }
}

/// Those of the publication, and those that the case answers for.
fn upstreams(case: &Case, publication: &Publication) -> Result<BTreeMap<Name, Upstream>, CaseFault> {
    let mut upstreams = publication.upstreams.clone();
    for (name, _) in &case.calls {
        let name: Name = name.parse().map_err(fault("the name of a call"))?;
        let url = format!("http://{name}.test");
        upstreams.entry(name).or_insert_with(|| Upstream::new(url));
    }
    Ok(upstreams)
}

fn secrets(case: &Case, publication: &Publication) -> Result<BTreeSet<Name>, CaseFault> {
    let named = case.secrets.iter().map(|name| name.parse().map_err(fault("the name of a secret")));
    let mut secrets: BTreeSet<Name> = named.collect::<Result<_, _>>()?;
    secrets.extend(publication.secrets.iter().cloned());
    Ok(secrets)
}

/// The filter did not get as far as an exchange.
fn refused(refusal: &weir_host::LoadError) -> Outcome {
    match &refusal.fault {
        LoadFault::Config { problems } => Outcome::invalid(
            problems.iter().map(|problem| (problem.pointer.clone(), problem.message.clone())).collect(),
        ),
        _ => Outcome { verdict: Verdict::Fail, reason: Some(refusal.to_string()), ..Outcome::invalid(Vec::new()) },
    }
}

fn judge(passed: Passed) -> (Outcome, DoneReason) {
    let (verdict, reason, received, done) = match passed {
        Ok(Some(response)) => (Verdict::Pass, None, Some(response), DoneReason::Complete),
        Ok(None) => (Verdict::Pass, None, None, DoneReason::UpstreamGone),
        Err(Answer::Respond(response)) => (Verdict::Respond, None, Some(local(&response)), DoneReason::FilterAnswered),
        Err(Answer::Abort) => (Verdict::Abort, None, None, DoneReason::FilterAnswered),
        Err(Answer::Failed(failure)) => (Verdict::Fail, Some(failure.to_string()), None, DoneReason::FilterFailed),
    };
    (Outcome { verdict, reason, received, ..Outcome::invalid(Vec::new()) }, done)
}
