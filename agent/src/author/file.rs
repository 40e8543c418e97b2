//! Files that an author names: bytes of bounded length, and how a filter is to run.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use weir_artifact::{Capability, MAX_COMPONENT_BYTES, Name, Publication};

use super::{Fault, size};
use crate::filters::sidecar;

/// A component, or what is to become one.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |error: io::Error| Fault::Usage(format!("{}: {error}", path.display()));
    let file = fs::File::open(path).map_err(fault)?;
    let meta = file.metadata().map_err(fault)?;
    if meta.is_dir() {
        return Err(Fault::Usage(format!("{}: this is a folder; a .wasm file is wanted", path.display())));
    }
    let mut bytes = Vec::new();
    // it may grow meanwhile, or be no file at all
    file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(fault)?;
    let length = meta.len().max(bytes.len() as u64);
    if length > MAX_COMPONENT_BYTES {
        return Err(Fault::Filter(too_large(path, length)));
    }
    Ok(bytes)
}

pub(super) fn too_large(path: &Path, length: u64) -> String {
    format!("{}: {}: agents take no component above {}", path.display(), size(length), size(MAX_COMPONENT_BYTES))
}

/// How the component is to run: everything granted, every default, and what the file says: JSON for its configuration, or
/// `NAME.toml` as it stands beside a component.
pub(super) fn publication(component: &Path, config: Option<&Path>) -> Result<Publication, Fault> {
    let name = name(component);
    let default = |name| Publication { grants: Capability::ALL.into(), ..Publication::unsigned(name) };
    let Some(path) = config else { return Ok(default(name)) };
    let text = fs::read_to_string(path).map_err(|error| Fault::Usage(format!("{}: {error}", path.display())))?;
    let publication = if path.extension().is_some_and(|extension| extension == "toml") {
        sidecar::publication(name, path, Some(&text)).map_err(|error| Fault::Usage(error.to_string()))?
    } else {
        Publication { config: text, ..default(name) }
    };
    publication.check().map_err(|error| Fault::Usage(format!("{}: {error}", path.display())))?;
    Ok(publication)
}

/// As a folder of filters would name it. A name that is none is nothing to trouble an author with yet.
fn name(component: &Path) -> Name {
    let fallback = || "filter".parse().expect("a word of lower case letters is a name");
    sidecar::name(component).unwrap_or_else(|_| fallback())
}
