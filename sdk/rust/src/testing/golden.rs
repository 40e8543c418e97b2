//! Golden cases, run natively.

use std::{fmt, path::Path};

use weir_golden::{Case, Outcome};

use super::{Exchange, Tested};
use crate::Filter;

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

/// Runs every case (`*.http`) of a folder.
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
    let cases = weir_golden::folder(folder.as_ref()).map_err(|fault| Failures(fault.to_string()))?;
    let mut text = String::new();
    for (name, case) in &cases {
        if let Err(mismatch) = case.check(&run::<F>(case)) {
            text.push_str(&format!("\n{name}: {}\n{mismatch}", case.title));
        }
    }
    if text.is_empty() { Ok(()) } else { Err(Failures(text)) }
}

fn run<F: Filter>(case: &Case) -> Outcome {
    match (Tested::<F>::new(case.config()), Exchange::of_case(case)) {
        (Ok(tested), Some(exchange)) => tested.run(exchange),
        (Ok(_), None) => Outcome::invalid(Vec::new()),
        (Err(problems), _) => {
            let problems = problems.iter().map(|problem| (problem.pointer.clone(), problem.message.clone()));
            Outcome::invalid(problems.collect())
        }
    }
}
