//! The file of secrets. Text enters; secrets leave, or what is wrong, which is said without a word of the file's content.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use http::HeaderValue;
use toml::{Table, Value};
use weir_artifact::Name;
use zeroize::Zeroizing;

use super::Secret;
use crate::{config::TargetPattern, disk};

const NO_NAME: &str = "a name is 1 to 64 of a-z, 0-9, `-`, `_` and `.`, and begins with a letter or digit";

/// Longest value, in bytes.
const VALUE_BYTES: usize = 8 << 10;

/// The file, or one that it names, cannot be used: the operator is to blame.
#[derive(Debug, thiserror::Error)]
pub enum SecretsFault {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Read(PathBuf, io::Error),
    #[error("{path}: others may read it (mode {mode:03o}): chmod 600 {path}", path = .0.display(), mode = .1)]
    Exposed(PathBuf, u32),
    /// The parser's own words could show what stands there.
    #[error("{path}:{line}: this is not TOML", path = .0.display(), line = .1)]
    Toml(PathBuf, usize),
    #[error("{path}: {secret}: {problem}", path = .0.display(), secret = .1, problem = .2)]
    Secret(PathBuf, String, String),
}

/// What was read, and from which files.
#[derive(Default)]
pub(super) struct Known {
    pub(super) secrets: BTreeMap<Name, Secret>,
    pub(super) files: Vec<PathBuf>,
}

/// ```toml
/// [github]
/// value = "ghp_..."                 # or file = "github.token", beside this file
/// hosts = ["api.github.com:443"]    # as in targets.allow
/// cleartext = false                 # over HTTP without TLS too
/// ```
pub(super) fn read(path: &Path) -> Result<Known, SecretsFault> {
    let text = private(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| SecretsFault::Toml(path.to_owned(), 1))?;
    let table: Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        SecretsFault::Toml(path.to_owned(), line)
    })?;
    let mut known = Known { secrets: BTreeMap::new(), files: vec![path.to_owned()] };
    for (name, entry) in table {
        let fault = |problem: String| SecretsFault::Secret(path.to_owned(), shown(&name), problem);
        let parsed = name.parse::<Name>().map_err(|_| fault(NO_NAME.into()))?;
        let Value::Table(entry) = entry else { return Err(fault("not a table with value (or file) and hosts".into())) };
        let entry = Entry::of(entry).map_err(fault)?;
        let value = match entry.source {
            Source::Value(value) => value,
            Source::File(file) => {
                let file = path.parent().unwrap_or(Path::new(".")).join(file);
                let mut value = private(&file)?;
                let end = value
                    .strip_suffix(b"\n")
                    .map_or(value.len(), |line| line.strip_suffix(b"\r").unwrap_or(line).len());
                value.truncate(end);
                known.files.push(file);
                value
            }
        };
        check(&value).map_err(|problem| fault(problem.to_owned()))?;
        known.secrets.insert(parsed, Secret { value, hosts: entry.hosts, cleartext: entry.cleartext });
    }
    Ok(known)
}

/// A name that is none could be a value in the wrong place.
fn shown(name: &str) -> String {
    name.parse::<Name>().map_or_else(|_| "a secret".to_owned(), |name| name.to_string())
}

struct Entry {
    source: Source,
    hosts: Vec<TargetPattern>,
    cleartext: bool,
}

enum Source {
    Value(Zeroizing<Vec<u8>>),
    File(String),
}

impl Entry {
    fn of(entry: Table) -> Result<Self, String> {
        let (mut source, mut hosts, mut cleartext) = (None, Vec::new(), false);
        for (key, value) in entry {
            match (key.as_str(), value) {
                ("value" | "file", _) if source.is_some() => return Err("value and file: one of them".into()),
                ("value", Value::String(value)) => source = Some(Source::Value(Zeroizing::new(value.into_bytes()))),
                ("file", Value::String(file)) => source = Some(Source::File(file)),
                ("hosts", Value::Array(list)) => hosts = list.into_iter().map(host).collect::<Result<_, _>>()?,
                ("cleartext", Value::Boolean(value)) => cleartext = value,
                ("value" | "file" | "hosts" | "cleartext", _) => return Err(format!("{key} has the wrong type")),
                _ => return Err("a key that is none of value, file, hosts and cleartext".into()),
            }
        }
        if hosts.is_empty() {
            return Err("hosts: at least one target, such as api.example.com".into());
        }
        Ok(Self { source: source.ok_or("value or file is missing")?, hosts, cleartext })
    }
}

fn host(value: Value) -> Result<TargetPattern, String> {
    let Value::String(text) = value else { return Err("hosts: a list of texts".into()) };
    text.parse().map_err(|error| format!("hosts: {error}"))
}

/// A file that its owner alone may read.
fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretsFault> {
    let fault = |error| SecretsFault::Read(path.to_owned(), error);
    if let Some(mode) = disk::exposure(path).map_err(fault)? {
        return Err(SecretsFault::Exposed(path.to_owned(), mode));
    }
    fs::read(path).map(Zeroizing::new).map_err(fault)
}

/// Can a field hold it, alone or within other text (RFC 9110 section 5.5)?
fn check(value: &[u8]) -> Result<(), &'static str> {
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    if value.is_empty() {
        return Err("its value is empty");
    }
    if value.len() > VALUE_BYTES {
        return Err("its value has more than 8192 bytes");
    }
    if blank(value.first()) || blank(value.last()) {
        return Err("its value begins or ends with a blank, which is no part of a field's value");
    }
    match HeaderValue::from_bytes(value) {
        Ok(_) => Ok(()),
        Err(_) => Err("its value cannot stand in a field: it has a line end or another control character"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const HOSTS: &str = "hosts = [\"api.example.com:443\"]";

    fn folder(files: &[(&str, &str, u32)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, mode) in files {
            fs::write(folder.path().join(name), text).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    fn refused(files: &[(&str, &str, u32)]) -> String {
        let folder = folder(files);
        let fault = read(&folder.path().join("s.toml")).err().unwrap().to_string();
        fault.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn values_stand_in_the_file_or_in_others() {
        let text = format!("[a]\nvalue = \"x y\"\n{HOSTS}\n[b-2]\nfile = \"b\"\n{HOSTS}\ncleartext = true\n");
        let folder = folder(&[("s.toml", &text, 0o600), ("b", "from b\r\n", 0o400)]);
        let known = read(&folder.path().join("s.toml")).unwrap();
        let values: Vec<_> = known.secrets.values().map(|secret| (&secret.value[..], secret.cleartext)).collect();
        assert_eq!(values, [(&b"x y"[..], false), (b"from b", true)]);
        assert_eq!(known.files.len(), 2);
        let shown = format!("{:?}", known.secrets);
        assert!(shown.contains("api.example.com") && !shown.contains("x y"), "{shown}");
    }

    #[test]
    fn whoever_else_could_read_it_is_told_of() {
        let good = format!("[a]\nfile = \"b\"\n{HOSTS}\n");
        let words = "others may read it (mode 644): chmod 600 ";
        assert_eq!(refused(&[("s.toml", &good, 0o644)]), format!("s.toml: {words}s.toml"));
        assert_eq!(refused(&[("s.toml", &good, 0o600), ("b", "x", 0o644)]), format!("b: {words}b"));
        assert!(refused(&[("s.toml", &good, 0o600)]).starts_with("b: No such file"));
    }

    #[test]
    fn faults_are_told_without_what_stands_there() {
        let check = |text: &str, expect: &str| {
            let said = refused(&[("s.toml", text, 0o600)]);
            assert_eq!(said, format!("s.toml:{expect}"));
            assert!(!said.contains("hush"), "{said}");
        };
        check("[a]\nvalue = hush\n", "2: this is not TOML");
        check("a = \"hush\"", " a: not a table with value (or file) and hosts");
        check(&format!("[\"Hush hush\"]\nvalue = \"hush\"\n{HOSTS}"), &format!(" a secret: {NO_NAME}"));
        check(&format!("[a]\n{HOSTS}"), " a: value or file is missing");
        check("[a]\nvalue = \"hush\"", " a: hosts: at least one target, such as api.example.com");
        check("[a]\nvalue = \"hush\"\nhosts = \"hush\"", " a: hosts has the wrong type");
        check(&format!("[a]\nvalue = \"hush\"\nfile = \"hush\"\n{HOSTS}"), " a: value and file: one of them");
        check(&format!("[a]\nhush = 1\n{HOSTS}"), " a: a key that is none of value, file, hosts and cleartext");
        let value = |value: &str| format!("[a]\nvalue = \"{value}\"\n{HOSTS}");
        check(&value(""), " a: its value is empty");
        check(&value(" hush"), " a: its value begins or ends with a blank, which is no part of a field's value");
        for bad in ["hush\\r\\nx: 1", "hush\\n", "hush\\u0000"] {
            check(&value(bad), " a: its value cannot stand in a field: it has a line end or another control character");
        }
        check(&value(&"x".repeat(VALUE_BYTES + 1)), " a: its value has more than 8192 bytes");
    }
}
