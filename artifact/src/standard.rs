//! The standard world that filters may be of beside `weir:filter/filter`: `wasi:http/middleware`. Which interfaces a
//! component of it may import, by name, and what each of them takes. Told from names alone, so that everybody who looks at
//! a component decides alike.

use crate::Capability;

/// What it exports.
pub const HANDLER: &str = "wasi:http/handler@0.3";

/// Interfaces that come without a grant: the exchange itself, and an empty system.
const FREE: [(&str, &[&str], &[&str]); 5] = [
    ("http", &["types", "handler", "client"], &["0.3"]),
    ("clocks", &["types"], &["0.3"]),
    (
        "cli",
        &[
            "types",
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
        &["0.2", "0.3"],
    ),
    ("io", &["error", "poll", "streams"], &["0.2"]),
    ("filesystem", &["types", "preopens"], &["0.2", "0.3"]),
];

const GRANTED: [(&str, &[&str], Capability); 2] = [
    ("clocks", &["monotonic-clock", "wall-clock", "system-clock"], Capability::Clock),
    ("random", &["random", "insecure", "insecure-seed"], Capability::Random),
];

/// Does this export make a component one of the standard world?
pub fn is_handler(export: &str) -> bool {
    parse(export) == Some(("http", "handler", "0.3"))
}

/// What the import of a component of the standard world takes. None: no agent has it.
pub fn import(name: &str) -> Option<Option<Capability>> {
    let (package, interface, version) = parse(name)?;
    let is_free = FREE.iter().any(|(of, interfaces, versions)| {
        *of == package && interfaces.contains(&interface) && versions.contains(&version)
    });
    if is_free {
        return Some(None);
    }
    let granted = GRANTED.iter().find(|(of, interfaces, _)| *of == package && interfaces.contains(&interface));
    granted.filter(|_| ["0.2", "0.3"].contains(&version)).map(|(.., capability)| Some(*capability))
}

/// `http`, `handler` and `0.3` of `wasi:http/handler@0.3.2`.
fn parse(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    let (series, patch) = version.rsplit_once('.')?;
    // a release candidate is another interface
    patch.bytes().all(|byte| byte.is_ascii_digit()).then_some((package, interface, series))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_one_of_the_ratified_series() {
        assert!(is_handler("wasi:http/handler@0.3.0") && is_handler("wasi:http/handler@0.3.2"));
        for other in
            ["wasi:http/handler@0.3.0-rc-2026-01-06", "wasi:http/incoming-handler@0.2.6", "wasi:http/handler", ""]
        {
            assert!(!is_handler(other), "{other}");
        }
    }

    #[test]
    fn what_reaches_outside_has_to_be_granted_or_is_not_there() {
        assert_eq!(import("wasi:http/types@0.3.2"), Some(None));
        assert_eq!(import("wasi:cli/environment@0.2.9"), Some(None));
        assert_eq!(import("wasi:clocks/types@0.3.0"), Some(None));
        assert_eq!(import("wasi:clocks/monotonic-clock@0.3.0"), Some(Some(Capability::Clock)));
        assert_eq!(import("wasi:random/insecure-seed@0.2.3"), Some(Some(Capability::Random)));
        for unknown in [
            "wasi:sockets/tcp@0.2.0",
            "wasi:sockets/types@0.3.0",
            "wasi:keyvalue/store@0.2.0",
            "wasi:http/types@0.2.0",
            "wasi:io/streams@0.3.0",
            "weir:filter/log@0.1.0",
            "wasi:http",
            "wasi:http/types@0",
            "x",
        ] {
            assert_eq!(import(unknown), None, "{unknown}");
        }
    }
}
