//! The configuration file. Its text enters; settings leave, or every fault in it with its line and key.

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::settings::{Settings, TopSettings};

/// An empty one is no fault: its keys may all be commented out.
const SECTIONS: [&str; 10] =
    ["client", "upstream", "intercept", "targets", "capture", "metrics", "redact", "push", "control", "log"];

/// Something wrong on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFault {
    /// From 1.
    pub line: usize,
    /// Such as `client.head_bytes`; empty where the text is not TOML.
    pub key: String,
    pub problem: String,
}

/// Reads the text. `known` says which keys there are.
///
/// # Errors
/// Every unknown key and, per section, the first value of the wrong kind; for text that is not TOML, where it stops being so.
pub(super) fn read(text: &str, known: impl Fn(&str) -> bool) -> Result<Settings, Vec<LineFault>> {
    let document = DeTable::parse(text).map_err(|error| vec![fault(text, &error, String::new())])?;
    let mut faults = Vec::new();
    let mut keys = Vec::new();
    walk(document.get_ref(), "", &mut |path, at, is_section| {
        keys.push((path.to_owned(), at.clone()));
        if !is_section && !known(path) {
            let problem = "there is no such key; `agent run --help` has those there are".to_owned();
            faults.push(LineFault { line: line(text, at.start), key: path.to_owned(), problem });
        }
    });
    if !faults.is_empty() {
        return Err(in_order(faults));
    }

    let span = document.span();
    let mut top = document.into_inner();
    let mut settings = Settings::default();
    take(text, &mut top, "client", &mut settings.client, &mut faults);
    take(text, &mut top, "upstream", &mut settings.upstream, &mut faults);
    take(text, &mut top, "intercept", &mut settings.intercept, &mut faults);
    take(text, &mut top, "targets", &mut settings.targets, &mut faults);
    take(text, &mut top, "capture", &mut settings.capture, &mut faults);
    take(text, &mut top, "metrics", &mut settings.metrics, &mut faults);
    take(text, &mut top, "control", &mut settings.control, &mut faults);
    take(text, &mut top, "redact", &mut settings.redact, &mut faults);
    take(text, &mut top, "push", &mut settings.push, &mut faults);
    take(text, &mut top, "log", &mut settings.log, &mut faults);
    let top = Spanned::new(span, DeValue::Table(top));
    settings.top = section::<TopSettings>(text, top, &mut faults);
    for fault in &mut faults {
        // the nearest key that begins on the fault's line, else the one before it
        let best = keys.iter().filter(|(_, at)| line(text, at.start) <= fault.line).max_by_key(|(_, at)| at.start);
        fault.key = best.map(|(path, _)| path.clone()).unwrap_or_default();
    }
    if faults.is_empty() { Ok(settings) } else { Err(in_order(faults)) }
}

/// As a person reads the file.
fn in_order(mut faults: Vec<LineFault>) -> Vec<LineFault> {
    faults.sort_by_key(|fault| fault.line);
    faults
}

/// The line on which a key stands.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut found = None;
    walk(document.get_ref(), "", &mut |path, at, _| {
        if path == key {
            found = Some(line(text, at.start));
        }
    });
    found
}

fn take<'t, T: DeserializeOwned + Default>(
    text: &str,
    top: &mut DeTable<'t>,
    name: &'static str,
    into: &mut T,
    faults: &mut Vec<LineFault>,
) {
    if let Some(value) = top.remove(name) {
        *into = section(text, value, faults);
    }
}

fn section<T: DeserializeOwned + Default>(text: &str, value: Spanned<DeValue<'_>>, faults: &mut Vec<LineFault>) -> T {
    T::deserialize(ValueDeserializer::from(value)).unwrap_or_else(|error| {
        faults.push(fault(text, &error, String::new()));
        T::default()
    })
}

fn walk(table: &DeTable<'_>, prefix: &str, visit: &mut impl FnMut(&str, std::ops::Range<usize>, bool)) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => {
                // a section that is unknown is named itself where it has no key that could be
                let is_section = prefix.is_empty() && (!inner.is_empty() || SECTIONS.contains(&path.as_str()));
                visit(&path, key.span(), is_section);
                walk(inner, &path, visit);
            }
            _ => visit(&path, key.span(), false),
        }
    }
}

fn fault(text: &str, error: &toml::de::Error, key: String) -> LineFault {
    let at = error.span().map_or(0, |span| span.start);
    LineFault { line: line(text, at), key, problem: error.message().trim_end().replace('\n', "; ") }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
