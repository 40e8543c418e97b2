//! Areas: what a credential is for, beside how much it may do there, which its role says. Each address, field and event belongs to one.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// A part of what the orchestrator has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Exchanges, messages, tunnels and connections of clients, usage; replays, breakpoints, imports, retention
    Traffic,
    /// Filters, and the lines that they write
    Filters,
    /// Configurations of agents
    Config,
    /// Agents, join tokens, the certificate for interception
    Agents,
    /// System metrics of the machines of agents
    Metrics,
    /// Tokens, users and the audit trail
    Access,
    /// Backups, which have all the others in them
    Backup,
}

impl Area {
    pub(crate) const ALL: [Self; 7] =
        [Self::Traffic, Self::Filters, Self::Config, Self::Agents, Self::Metrics, Self::Access, Self::Backup];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Filters => "filters",
            Self::Config => "config",
            Self::Agents => "agents",
            Self::Metrics => "metrics",
            Self::Access => "access",
            Self::Backup => "backup",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.as_str() == text)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Some areas, one at least; or no bound at all, which holds for areas of later versions too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Areas(Option<u8>);

impl Areas {
    /// No bound.
    pub(crate) const UNBOUNDED: Self = Self(None);

    /// None of none: that would be a credential for nothing.
    pub(crate) fn of(areas: &[Area]) -> Option<Self> {
        let bits = areas.iter().fold(0, |bits, area| bits | area.bit());
        (bits != 0).then_some(Self(Some(bits)))
    }

    pub(crate) fn has(self, area: Area) -> bool {
        self.0.is_none_or(|bits| bits & area.bit() != 0)
    }

    /// Is there nothing in `other` that is not in here?
    pub(crate) fn cover(self, other: Self) -> bool {
        match (self.0, other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => other & !own == 0,
        }
    }

    pub(crate) fn is_bounded(self) -> bool {
        self.0.is_some()
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(own, other)| own | other))
    }

    /// None where there is no bound.
    pub(crate) fn list(self) -> Option<Vec<Area>> {
        self.0.map(|_| Area::ALL.into_iter().filter(|area| self.has(*area)).collect())
    }

    /// As they are kept: names with commas between them; empty where there is no bound.
    pub(crate) fn text(self) -> String {
        self.list().unwrap_or_default().into_iter().map(Area::as_str).collect::<Vec<_>>().join(",")
    }

    /// What was kept. A name that is not known is no area, never all of them.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::UNBOUNDED);
        }
        Self::of(&text.split(',').map(Area::named).collect::<Option<Vec<_>>>()?)
    }
}

/// For people.
impl fmt::Display for Areas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(_) => f.write_str(&self.text().replace(',', ", ")),
            None => f.write_str("all"),
        }
    }
}

/// A list, or null where there is no bound.
impl Serialize for Areas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_is_read_as_it_was_written() {
        for (place, area) in Area::ALL.into_iter().enumerate() {
            let alone = Areas::of(&[area]).unwrap();
            assert_eq!(alone.list().unwrap(), [area]);
            assert!(Area::ALL.into_iter().enumerate().all(|(other, one)| alone.has(one) == (other == place)));
            assert_eq!((Areas::read(&alone.text()), Area::named(area.as_str())), (Some(alone), Some(area)));
            assert_eq!(serde_json::to_value(area).unwrap(), area.as_str());
        }
        let all = Areas::of(&Area::ALL).unwrap();
        assert_eq!(Areas::read(&all.text()), Some(all));
        assert_eq!(Areas::read(""), Some(Areas::UNBOUNDED));
        for text in ["all", "traffic,", ",", "traffic,later", "Traffic", " traffic"] {
            assert_eq!(Areas::read(text), None, "{text}");
        }
        assert_eq!(Areas::of(&[]), None);
    }

    #[test]
    fn what_covers_what() {
        let of = |areas: &[Area]| Areas::of(areas).unwrap();
        let (one, two) = (of(&[Area::Access]), of(&[Area::Access, Area::Traffic]));
        assert!(two.cover(one) && one.cover(one) && !one.cover(two));
        let all = of(&Area::ALL);
        // A later version may have an area more.
        assert!(
            Areas::UNBOUNDED.cover(all) && Areas::UNBOUNDED.cover(Areas::UNBOUNDED) && !all.cover(Areas::UNBOUNDED)
        );
        assert_eq!(one.and(of(&[Area::Traffic])), two);
        assert_eq!(one.and(Areas::UNBOUNDED), Areas::UNBOUNDED);
        assert_eq!((two.to_string().as_str(), Areas::UNBOUNDED.to_string().as_str()), ("traffic, access", "all"));
    }
}
