//! Asks a person before what cannot be taken back.

use std::io::{self, IsTerminal as _, Write as _};

use super::failure::Failure;

/// Whether there is somebody to ask; `otherwise` says how to do without, as in `--yes pushes without asking`.
pub(crate) fn somebody(otherwise: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::Usage(format!("there is nobody to ask: {otherwise}")))
}

/// Asks; `undone` is what to say of a no.
pub(crate) fn ask(question: &str, undone: &str) -> Result<(), Failure> {
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::Refused(undone.to_owned())) }
}
