//! From TOML text to values in their canonical form. Goes on after a fault, so that whoever wrote it sees all of them.

use std::{collections::BTreeMap, fmt, time::Duration};

use toml::de::{DeInteger, DeTable, DeValue};

use crate::{
    Document, Kind, MAX_BYTES, Size, TargetPattern, Time,
    key::{ENTRIES, live, not_live},
};

/// Longest text in a list, bytes.
const TEXT: usize = 4096;

/// Something wrong on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// Such as `client.head_bytes`; empty where the text is not TOML.
    pub key: String,
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// All that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "; " })?;
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl Document {
    /// Reads and checks the whole text.
    ///
    /// # Errors
    /// Every key that cannot be pushed and every value that is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let fault =
            |at: usize, key: &str, problem: String| Fault { line: line(text, at), key: key.to_owned(), problem };
        if text.len() > MAX_BYTES {
            let problem =
                format!("the configuration has {}, more than {}", Size(text.len() as u64), Size(MAX_BYTES as u64));
            return Err(Faults(vec![fault(0, "", problem)]));
        }
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Faults(vec![fault(at, "", error.message().trim_end().replace('\n', "; "))])
        })?;
        let mut values = BTreeMap::new();
        let mut faults = Vec::new();
        let mut take = |name: &str, at: usize, value: &DeValue<'_>| match live(name) {
            None => faults.push(fault(at, name, not_live(name))),
            Some(key) => match canonical(value, key.kind) {
                Ok(value) => drop(values.insert(key.name, value)),
                Err(problem) => faults.push(fault(at, name, problem)),
            },
        };
        for (name, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(section) => {
                    for (inner, value) in section {
                        take(&format!("{}.{}", name.get_ref(), inner.get_ref()), inner.span().start, value.get_ref());
                    }
                }
                other => take(name.get_ref(), name.span().start, other),
            }
        }
        faults.sort_by_key(|fault| fault.line);
        if faults.is_empty() { Ok(Self::of(values)) } else { Err(Faults(faults)) }
    }
}

/// The value as it is compared and shown: of two texts that mean the same, the same.
fn canonical(value: &DeValue<'_>, kind: Kind) -> Result<String, String> {
    match kind {
        Kind::Flag => match value {
            DeValue::Boolean(flag) => Ok(flag.to_string()),
            other => Err(wrong(other, "true or false")),
        },
        Kind::Count(low, high) => {
            let DeValue::Integer(number) = value else { return Err(wrong(value, "a whole number")) };
            within(whole(number), low, high, number.as_str(), |number| number.to_string())
        }
        Kind::Size(low, high) => {
            let (bytes, text) = match value {
                DeValue::String(text) => (Some(text.parse::<Size>()?.0), text.as_ref()),
                DeValue::Integer(number) => (whole(number), number.as_str()),
                other => return Err(wrong(other, "a number of bytes or a size such as \"64KiB\"")),
            };
            within(bytes, low, high, text, |bytes| Size(bytes).to_string())
        }
        Kind::Time(low, high) => {
            let DeValue::String(text) = value else {
                return Err(wrong(value, "a time with its unit, such as \"30s\""));
            };
            let Time(time) = text.parse::<Time>()?;
            if (Duration::from_secs(low)..=Duration::from_secs(high)).contains(&time) {
                return Ok(Time(time).to_string());
            }
            let bound = |seconds| Time(Duration::from_secs(seconds));
            Err(format!("{} is out of range: {} to {}", Time(time), bound(low), bound(high)))
        }
        Kind::Targets => {
            list(value, "a list of targets", |text| text.parse::<TargetPattern>().map(|target| target.to_string()))
        }
        Kind::Texts => list(value, "a list of texts", |text| match text {
            "" => Err("an empty text stands for nothing".to_owned()),
            text => Ok(text.to_owned()),
        }),
        Kind::Level => match value {
            DeValue::String(text) if text.len() <= TEXT && text.split(',').all(is_level) => Ok(quoted(text)),
            DeValue::String(_) => {
                Err("expected a level, or NAME=LEVEL, or several with commas between them; levels are off, \
                error, warn, info, debug, trace"
                    .to_owned())
            }
            other => Err(wrong(other, "a level such as \"info\" or \"info,weir_agent=debug\"")),
        },
    }
}

/// Of one part of the program, or of all that no other says something of.
fn is_level(text: &str) -> bool {
    let (name, level) = text.rsplit_once('=').map_or((None, text), |(name, level)| (Some(name), level));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
    name.is_none_or(is_name) && ["off", "error", "warn", "info", "debug", "trace"].contains(&level)
}

/// None below 0 and beyond 64 bits.
fn whole(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// `text` is what was written.
fn within(value: Option<u64>, low: u64, high: u64, text: &str, show: impl Fn(u64) -> String) -> Result<String, String> {
    match value {
        Some(value) if (low..=high).contains(&value) => Ok(show(value)),
        _ => Err(format!("{text} is out of range: {} to {}", show(low), show(high))),
    }
}

fn list(value: &DeValue<'_>, what: &str, check: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let DeValue::Array(entries) = value else { return Err(wrong(value, what)) };
    if entries.len() > ENTRIES {
        return Err(format!("{} entries, more than {ENTRIES}", entries.len()));
    }
    let mut shown = Vec::with_capacity(entries.len());
    for entry in entries {
        let DeValue::String(text) = entry.get_ref() else { return Err(wrong(entry.get_ref(), what)) };
        if text.len() > TEXT {
            return Err(format!("an entry of {} bytes, more than {TEXT}", text.len()));
        }
        shown.push(quoted(&check(text)?));
    }
    Ok(format!("[{}]", shown.join(", ")))
}

/// A basic string (TOML v1.0.0, String). What cannot be seen, or makes other text be seen elsewhere, is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' => out.push('\''),
            _ if character.escape_debug().len() == 1 => out.push(character),
            _ => out.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    out.push('"');
    out
}

fn wrong(value: &DeValue<'_>, expected: &str) -> String {
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time of day",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    format!("this is {found}, expected {expected}")
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
