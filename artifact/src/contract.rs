//! The worlds of Weir's own contract: what makes a component one of them, which interfaces it may import, and what each of
//! them takes. Told from names alone, so that everybody who looks at a component decides alike.

use crate::Capability;

/// A world of `weir:filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `filter`: plain functions.
    Events,
    /// `stream-filter`: `async` functions, and bodies as streams.
    Streaming,
}

impl Form {
    /// What a component is that exports these interfaces of the contract.
    pub fn of<'a>(mut exports: impl Iterator<Item = &'a str>) -> Self {
        if exports.any(|interface| interface == "streaming") { Self::Streaming } else { Self::Events }
    }

    /// The world's full name.
    pub fn world(self) -> &'static str {
        match self {
            Self::Events => "weir:filter/filter",
            Self::Streaming => "weir:filter/stream-filter",
        }
    }

    /// Interfaces that it has to export.
    pub fn exports(self) -> [&'static str; 2] {
        match self {
            Self::Events => ["lifecycle", "events"],
            Self::Streaming => ["lifecycle", "streaming"],
        }
    }

    /// What an import takes: a grant, or nothing. None: no agent has it for this world.
    pub fn import(self, interface: &str) -> Option<Option<Capability>> {
        if Capability::FREE.contains(&interface) {
            return Some(None);
        }
        match (self, interface) {
            (Self::Streaming, "pause") => return Some(Some(Capability::Timer)),
            (Self::Streaming, "fetch") => return Some(Some(Capability::Callout)),
            // these resume a hook
            (Self::Streaming, "timer" | "callout") => return None,
            _ => {}
        }
        Capability::ALL.into_iter().find(|capability| capability.interface() == interface).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_world_has_imports_of_its_own() {
        for form in [Form::Events, Form::Streaming] {
            assert_eq!(form.import("http"), Some(None));
            assert_eq!(form.import("kv"), Some(Some(Capability::Kv)));
            assert_eq!(form.import("files"), None);
        }
        assert_eq!(Form::Events.import("timer"), Some(Some(Capability::Timer)));
        assert_eq!(Form::Events.import("pause"), None);
        assert_eq!(Form::Streaming.import("pause"), Some(Some(Capability::Timer)));
        assert_eq!(Form::Streaming.import("fetch"), Some(Some(Capability::Callout)));
        assert_eq!(Form::Streaming.import("secrets"), Some(Some(Capability::Secrets)));
        assert_eq!(Form::Events.import("fetch"), None);
        for unknown in ["timer", "callout"] {
            assert_eq!(Form::Streaming.import(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn one_export_tells_them_apart() {
        assert_eq!(Form::of(["lifecycle", "events"].into_iter()), Form::Events);
        assert_eq!(Form::of(["lifecycle", "streaming"].into_iter()), Form::Streaming);
        assert_eq!(Form::of(std::iter::empty()), Form::Events);
    }
}
