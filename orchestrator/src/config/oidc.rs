//! Whose tokens sign people in, and as what.

use std::path::PathBuf;

use reqwest::Url;

use super::{ConfigError, value};
use crate::access::{Area, Areas, OidcConfig, Role};

/// Flags about sign-in with tokens of an issuer (OpenID Connect). Each is also a key of the file and a variable.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OidcArgs {
    /// Issuer whose tokens (JWT) sign people in, as tokens name it: https://…
    #[arg(long, env = "WEIR_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// For whom these tokens have to be: what the issuer knows this server as
    #[arg(long, env = "WEIR_OIDC_AUDIENCES", value_name = "NAME", value_delimiter = ',')]
    pub oidc_audiences: Option<Vec<String>>,
    /// Which role or group at the issuer has which role here; the first that fits counts
    #[arg(long, env = "WEIR_OIDC_ROLES", value_name = "VALUE=ROLE", value_delimiter = ',')]
    pub oidc_roles: Option<Vec<String>>,
    /// Claim of a token that holds roles or groups, such as realm_access.roles [default: roles]
    #[arg(long, env = "WEIR_OIDC_ROLES_CLAIM", value_name = "CLAIM")]
    pub oidc_roles_claim: Option<String>,
    /// Which scope at the issuer is for which area here (traffic, filters, config, agents, metrics, access, backup, or all); those that fit count together. Without it every token is for all areas
    #[arg(long, env = "WEIR_OIDC_AREAS", value_name = "VALUE=AREA", value_delimiter = ',')]
    pub oidc_areas: Option<Vec<String>>,
    /// Claim of a token that holds these scopes [default: scope]
    #[arg(long, env = "WEIR_OIDC_AREAS_CLAIM", value_name = "CLAIM")]
    pub oidc_areas_claim: Option<String>,
    /// Claim that names people in the audit trail, beside their subject [default: preferred_username]
    #[arg(long, env = "WEIR_OIDC_NAME_CLAIM", value_name = "CLAIM")]
    pub oidc_name_claim: Option<String>,
    /// CA certificate that signed the issuer's, PEM, and no other [default: the system's]
    #[arg(long, env = "WEIR_OIDC_CA", value_name = "FILE")]
    pub oidc_ca: Option<PathBuf>,
}

impl OidcArgs {
    /// These, and where they are silent those of `file`.
    pub(super) fn over(self, file: Self) -> Self {
        Self {
            oidc_issuer: self.oidc_issuer.or(file.oidc_issuer),
            oidc_audiences: self.oidc_audiences.or(file.oidc_audiences),
            oidc_roles: self.oidc_roles.or(file.oidc_roles),
            oidc_roles_claim: self.oidc_roles_claim.or(file.oidc_roles_claim),
            oidc_areas: self.oidc_areas.or(file.oidc_areas),
            oidc_areas_claim: self.oidc_areas_claim.or(file.oidc_areas_claim),
            oidc_name_claim: self.oidc_name_claim.or(file.oidc_name_claim),
            oidc_ca: self.oidc_ca.or(file.oidc_ca),
        }
    }

    /// Is the key set by flag or variable?
    pub(super) fn sets(&self, key: &str) -> bool {
        match key {
            "oidc_issuer" => self.oidc_issuer.is_some(),
            "oidc_audiences" => self.oidc_audiences.is_some(),
            "oidc_roles" => self.oidc_roles.is_some(),
            "oidc_areas" => self.oidc_areas.is_some(),
            "oidc_areas_claim" => self.oidc_areas_claim.is_some(),
            _ => false,
        }
    }

    /// None where no issuer is named.
    pub(super) fn oidc(self) -> Result<Option<OidcConfig>, ConfigError> {
        let (audiences, roles) = (self.oidc_audiences.unwrap_or_default(), self.oidc_roles.unwrap_or_default());
        let Some(issuer) = self.oidc_issuer else {
            let areas = self.oidc_areas.is_some() || self.oidc_areas_claim.is_some();
            let set =
                [("oidc_audiences", !audiences.is_empty()), ("oidc_roles", !roles.is_empty()), ("oidc_areas", areas)];
            let alone = set.into_iter().find(|(_, is_set)| *is_set);
            return alone.map_or(Ok(None), |(key, _)| Err(value(key, "needs oidc_issuer beside it".to_owned())));
        };
        let roles = roles.iter().map(|text| role(text)).collect::<Result<Vec<_>, _>>()?;
        let areas = self.oidc_areas.map(|areas| areas.iter().map(|text| area(text)).collect::<Result<Vec<_>, _>>());
        let areas = areas.transpose()?;
        if areas.as_ref().is_some_and(Vec::is_empty) {
            return Err(value("oidc_areas", "names none: leave it out for tokens that are for everything".to_owned()));
        }
        if areas.is_none() && self.oidc_areas_claim.is_some() {
            let reason = "needs oidc_areas beside it: without it every token is for everything";
            return Err(value("oidc_areas_claim", reason.to_owned()));
        }
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            let reason = "needed beside oidc_issuer: else a token that was made for anybody would count here";
            return Err(value("oidc_audiences", reason.to_owned()));
        }
        if roles.is_empty() {
            return Err(value("oidc_roles", "needed beside oidc_issuer: else nobody would have a role".to_owned()));
        }
        Ok(Some(OidcConfig {
            issuer: issuer_url(&issuer)?,
            ca: self.oidc_ca,
            audiences,
            roles_claim: self.oidc_roles_claim.unwrap_or_else(|| "roles".to_owned()),
            roles,
            areas_claim: self.oidc_areas_claim.unwrap_or_else(|| "scope".to_owned()),
            areas: areas.unwrap_or_default(),
            name_claim: self.oidc_name_claim.unwrap_or_else(|| "preferred_username".to_owned()),
        }))
    }
}

/// Whoever stands on the way to the issuer could give keys of their own; on this machine nobody does.
fn issuer_url(text: &str) -> Result<Url, ConfigError> {
    let fault = |reason: &str| value("oidc_issuer", format!("`{text}` {reason}"));
    let url = Url::parse(text).map_err(|_| fault("is no URL"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        _ => return Err(fault("is not https")),
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(fault("has more than a host and a path"));
    }
    Ok(url)
}

fn role(text: &str) -> Result<(String, Role), ConfigError> {
    let pair = text.rsplit_once('=').and_then(|(value, role)| Some((value.trim(), role.trim().parse().ok()?)));
    match pair {
        Some((name, role)) if !name.is_empty() => Ok((name.to_owned(), role)),
        _ => Err(value(
            "oidc_roles",
            format!("`{text}` is not VALUE=ROLE with one of viewer, operator, publisher, admin"),
        )),
    }
}

/// `all` is no bound.
fn area(text: &str) -> Result<(String, Areas), ConfigError> {
    let areas = |name: &str| match name {
        "all" => Some(Areas::UNBOUNDED),
        name => Areas::of(&[Area::named(name)?]),
    };
    let pair = text.rsplit_once('=').and_then(|(value, area)| Some((value.trim(), areas(area.trim())?)));
    match pair {
        Some((name, areas)) if !name.is_empty() => Ok((name.to_owned(), areas)),
        _ => {
            let names = Area::ALL.map(Area::as_str).join(", ");
            Err(value("oidc_areas", format!("`{text}` is not VALUE=AREA with one of {names} or all")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> OidcArgs {
        OidcArgs {
            oidc_issuer: Some("https://id.example/realms/weir".to_owned()),
            oidc_audiences: Some(vec!["weir".to_owned()]),
            oidc_roles: Some(vec!["cn=ops,dc=example=operator".to_owned(), "staff=viewer".to_owned()]),
            ..OidcArgs::default()
        }
    }

    fn refused(args: OidcArgs, expect: &str) {
        let error = args.oidc().unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn an_issuer_needs_an_audience_and_roles() {
        let config = args().oidc().unwrap().unwrap();
        assert_eq!(config.roles[0], ("cn=ops,dc=example".to_owned(), Role::Operator));
        assert_eq!((config.roles_claim.as_str(), config.name_claim.as_str()), ("roles", "preferred_username"));
        assert!(OidcArgs::default().oidc().unwrap().is_none());
        refused(OidcArgs { oidc_audiences: None, ..args() }, "oidc_audiences: needed");
        refused(OidcArgs { oidc_roles: None, ..args() }, "oidc_roles: needed");
        refused(OidcArgs { oidc_issuer: None, ..args() }, "oidc_audiences: needs oidc_issuer");
        for role in ["ops", "=admin", "ops=root", "ops="] {
            refused(OidcArgs { oidc_roles: Some(vec![role.to_owned()]), ..args() }, "is not VALUE=ROLE");
        }
    }

    #[test]
    fn areas_are_named_or_none_are() {
        let with = |areas: &[&str]| {
            let areas = areas.iter().map(|&text| text.to_owned()).collect();
            OidcArgs { oidc_areas: Some(areas), ..args() }
        };
        let config = with(&["weir:read=traffic", "staff = all"]).oidc().unwrap().unwrap();
        let traffic = Areas::of(&[Area::Traffic]).unwrap();
        assert_eq!(config.areas, [("weir:read".to_owned(), traffic), ("staff".to_owned(), Areas::UNBOUNDED)]);
        assert_eq!((config.areas_claim.as_str(), args().oidc().unwrap().unwrap().areas), ("scope", vec![]));
        for area in ["traffic", "x=root", "=traffic", "x=", "x=traffic metrics"] {
            refused(with(&[area]), "is not VALUE=AREA");
        }
        refused(with(&[]), "oidc_areas: names none");
        refused(OidcArgs { oidc_areas_claim: Some("scp".to_owned()), ..args() }, "oidc_areas_claim: needs oidc_areas");
        let alone = OidcArgs { oidc_areas: Some(vec!["x=all".to_owned()]), ..OidcArgs::default() };
        refused(alone, "oidc_areas: needs oidc_issuer");
    }

    #[test]
    fn an_issuer_elsewhere_is_asked_over_tls() {
        let with = |issuer: &str| OidcArgs { oidc_issuer: Some(issuer.to_owned()), ..args() };
        for issuer in ["http://127.0.0.1:80", "http://localhost:8080/realms/a", "http://[::1]:1"] {
            assert!(with(issuer).oidc().is_ok(), "{issuer}");
        }
        for issuer in ["http://id.example", "http://127.0.0.1.evil.example", "ftp://localhost", "id.example"] {
            refused(with(issuer), "oidc_issuer: ");
        }
        refused(with("https://anna:x@id.example"), "more than a host and a path");
    }
}
