//! Golden cases, run natively.

use std::{fmt, path::Path};

use weir_golden::{Case, Heard, Outcome, Said, Status, Verdict};

use super::{Exchange, Tested, further};
use crate::{Connect, Filter, Messages};

/// Cases that were not met, as text to be read.
pub struct Failures(String);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A test that returns its error shows this.
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failures {}

/// Runs every case (`*.http`) of a folder. A filter with hooks of tunnels or messages is run by [`Golden`].
///
/// ```no_run
/// # use weir_sdk::{Filter, testing};
/// # fn test<Block: Filter>() -> Result<(), testing::Failures> {
/// testing::golden::<Block>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
/// # }
/// ```
///
/// # Errors
/// The cases that were not met, each with its difference; or a file that is no case.
pub fn golden<F: Filter>(folder: impl AsRef<Path>) -> Result<(), Failures> {
    Golden::<F>::new().run(folder)
}

/// How the golden cases of a filter are run, as far as it has further hooks: `Golden::<Mine>::new().messages().run(folder)`.
pub struct Golden<F: Filter> {
    tunnel: fn(&Tested<F>, &Case) -> Option<Outcome>,
    talk: fn(&Tested<F>, Exchange, &[Said]) -> Outcome,
}

impl<F: Filter> Default for Golden<F> {
    /// A filter without further hooks: tunnels are open, messages pass.
    fn default() -> Self {
        Self {
            tunnel: |_, case| {
                case.tunnel.as_ref()?;
                Some(Outcome { verdict: Verdict::Open, ..Outcome::invalid(Vec::new()) })
            },
            talk: |tested, exchange, said| {
                let outcome = tested.run(exchange);
                let opens = outcome.received.as_ref().is_some_and(|head| head.start == Status(101));
                Outcome { heard: opens.then(|| Heard { said: said.to_vec(), close: None }), ..outcome }
            },
        }
    }
}

impl<F: Filter> Golden<F> {
    /// See the type.
    pub fn new() -> Self {
        Self::default()
    }

    /// The filter is asked about tunnels.
    #[must_use]
    pub fn tunnels(self) -> Self
    where
        F: Connect,
    {
        Self { tunnel: further::tunnel::<F>, ..self }
    }

    /// The filter is shown the messages of WebSockets. Events of streams it is shown in wasm alone.
    #[must_use]
    pub fn messages(self) -> Self
    where
        F: Messages,
    {
        Self { talk: further::talk::<F>, ..self }
    }

    /// Runs every case (`*.http`) of a folder.
    ///
    /// # Errors
    /// As [`golden`].
    pub fn run(&self, folder: impl AsRef<Path>) -> Result<(), Failures> {
        let cases = weir_golden::folder(folder.as_ref()).map_err(|fault| Failures(fault.to_string()))?;
        let mut text = String::new();
        for (name, case) in &cases {
            if let Err(mismatch) = case.check(&self.outcome(case)) {
                text.push_str(&format!("\n{name}: {}\n{mismatch}", case.title));
            }
        }
        if text.is_empty() { Ok(()) } else { Err(Failures(text)) }
    }

    fn outcome(&self, case: &Case) -> Outcome {
        let tested = match Tested::<F>::new(case.config()) {
            Ok(tested) => tested,
            Err(problems) => {
                let problems = problems.iter().map(|problem| (problem.pointer.clone(), problem.message.clone()));
                return Outcome::invalid(problems.collect());
            }
        };
        match (Exchange::of_case(case), (self.tunnel)(&tested, case)) {
            (Some(exchange), _) => (self.talk)(&tested, exchange, &case.messages),
            (None, Some(outcome)) => outcome,
            (None, None) => Outcome::invalid(Vec::new()),
        }
    }
}
