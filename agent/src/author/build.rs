//! `agent filter build`: a core module of any language becomes a component that an agent takes. A file enters, a file leaves,
//! whole or not at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use weir_adapter::{Anatomy, Form};
use weir_artifact::{Capability, MAX_COMPONENT_BYTES};

use super::{Fault, file, say, short, size};

/// Make a component of a core module
///
/// The module exports functions named as in the contract (weir:filter/events@0.1.0#on-done …), as bindings for any language
/// do. What its language's runtime asks of a system (wasi_snapshot_preview1) is answered inside, by nothing. What is a
/// component already is only looked at and copied.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The module, as the compiler wrote it
    file: PathBuf,
    /// Where the component goes [default: in place of the module]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(self) -> Result<bool, Fault> {
        let bytes = file::read(&self.file)?;
        let refuse = |reason: String| Fault::Filter(format!("{}: {reason}", self.file.display()));
        let form = Anatomy::of(&bytes).map_err(|error| refuse(error.to_string()))?.form;
        let component = match form {
            Form::Module => weir_adapter::encode(&bytes).map_err(|error| refuse(error.to_string()))?,
            Form::Component => {
                weir_adapter::validate(&bytes).map_err(|error| refuse(error.to_string()))?;
                bytes
            }
        };
        weir_host::check_component(&component, &Capability::ALL.into()).map_err(|fault| refuse(fault.to_string()))?;
        let length = component.len() as u64;
        if length > MAX_COMPONENT_BYTES {
            return Err(Fault::Filter(file::too_large(&self.file, length)));
        }
        if form == Form::Component {
            let rest = if self.output.is_some() { "it is copied as it is" } else { "it needs no building" };
            say(&format!("{} is a component already: {rest}", self.file.display()))?;
        }
        let out = self.output.as_deref().unwrap_or(&self.file);
        if form == Form::Module || self.output.is_some() {
            deliver(out, &component)?;
        }
        let imports = Anatomy::of(&component).map_err(|error| refuse(error.to_string()))?.imports;
        say(&format!(
            "{}: component, {}, imports {}",
            out.display(),
            size(length),
            short(&imports, Form::Component).join(", ")
        ))?;
        Ok(true)
    }
}

/// An agent may be watching the folder.
fn deliver(out: &Path, component: &[u8]) -> Result<(), Fault> {
    let mut unfinished = out.as_os_str().to_owned();
    unfinished.push(".part");
    let written = fs::write(&unfinished, component).and_then(|()| fs::rename(&unfinished, out));
    written.map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        Fault::Usage(format!("{}: {error}", out.display()))
    })
}
