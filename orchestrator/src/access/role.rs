//! Roles and what each may do.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything but the values of credentials
    Viewer,
    /// Look at everything, let agents join and go, change what is recorded
    Operator,
    /// Look as a viewer, and hand in signed filters
    Publisher,
    /// Everything, tokens, users and the audit trail too
    Admin,
}

/// What an address asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Looking.
    Read,
    /// Agents and records.
    Operate,
    /// Signed statements about filters.
    Publish,
    /// Who may do what, and who did.
    Administer,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Publisher, Self::Admin];

    pub(crate) fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Operate => matches!(self, Self::Operator | Self::Admin),
            Permission::Publish => matches!(self, Self::Publisher | Self::Admin),
            Permission::Administer => self == Self::Admin,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

impl Permission {
    /// For whoever lacks it: which roles have it.
    pub(crate) fn roles(self) -> String {
        let may = Role::ALL.into_iter().filter(|role| role.may(self));
        may.map(Role::as_str).collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_what_they_may() {
        use Permission::{Administer, Operate, Publish, Read};
        let may = |role: Role| [Read, Operate, Publish, Administer].map(|permission| role.may(permission));
        assert_eq!(may(Role::Viewer), [true, false, false, false]);
        assert_eq!(may(Role::Operator), [true, true, false, false]);
        assert_eq!(may(Role::Publisher), [true, false, true, false]);
        assert_eq!(may(Role::Admin), [true; 4]);
        assert_eq!(Operate.roles(), "operator or admin");
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
    }
}
