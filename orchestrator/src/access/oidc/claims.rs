//! What the claims of a token make of whoever sent it. Pure.

use serde_json::{Map, Value};

use super::{OidcConfig, OidcError};
use crate::access::{Areas, Principal};

/// Characters of a name or subject in the audit trail.
const LONGEST: usize = 128;

/// The role, the areas, and the name for the audit trail: `oidc:NAME/SUB`, as people may choose the one but not the other.
pub(super) fn principal(claims: &Map<String, Value>, config: &OidcConfig) -> Result<Principal, OidcError> {
    let Some(subject) = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty()) else {
        return Err(OidcError::Token("has no subject (`sub`)"));
    };
    let given = at(claims, &config.roles_claim).map(texts).unwrap_or_default();
    let role = config.roles.iter().find(|(value, _)| given.contains(&value.as_str())).map(|(_, role)| *role);
    let role = role.ok_or_else(|| OidcError::NoRole(config.roles_claim.clone()))?;
    let areas = areas(claims, config)?;
    let name = at(claims, &config.name_claim).and_then(Value::as_str).filter(|name| *name != subject);
    let name = match name {
        Some(name) => format!("oidc:{}/{}", clean(name), clean(subject)),
        None => format!("oidc:{}", clean(subject)),
    };
    Ok(Principal { name, role, areas })
}

/// All that fit; where areas are given at all, a token without any is for nothing.
fn areas(claims: &Map<String, Value>, config: &OidcConfig) -> Result<Areas, OidcError> {
    if config.areas.is_empty() {
        return Ok(Areas::UNBOUNDED);
    }
    let given = at(claims, &config.areas_claim).map(texts).unwrap_or_default();
    let fit = config.areas.iter().filter(|(value, _)| given.contains(&value.as_str())).map(|(_, areas)| *areas);
    fit.reduce(Areas::and).ok_or_else(|| OidcError::NoArea(config.areas_claim.clone()))
}

/// By its whole name, as some are addresses with dots in them, else by the way there.
fn at<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

/// A list, or words in one text, as `scope` has them.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => text.split_ascii_whitespace().collect(),
        _ => Vec::new(),
    }
}

/// On one line, without what would make another name of it, within bounds.
fn clean(text: &str) -> String {
    let fits = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    text.chars().take(LONGEST).map(|c| if fits(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::{Area, Role};

    fn config(roles_claim: &str) -> OidcConfig {
        OidcConfig {
            issuer: "https://id.example".parse().unwrap(),
            ca: None,
            audiences: vec!["weir".to_owned()],
            roles_claim: roles_claim.to_owned(),
            roles: vec![("ops".to_owned(), Role::Operator), ("staff".to_owned(), Role::Viewer)],
            areas_claim: "scope".to_owned(),
            areas: Vec::new(),
            name_claim: "preferred_username".to_owned(),
        }
    }

    #[test]
    fn areas_are_those_that_fit_together_and_none_is_none() {
        let areas = |areas: &[Area]| Areas::of(areas).unwrap();
        let given = [
            ("weir:traffic", areas(&[Area::Traffic])),
            ("weir:metrics", areas(&[Area::Metrics])),
            ("weir", Areas::UNBOUNDED),
        ];
        let given = given.map(|(value, areas)| (value.to_owned(), areas)).to_vec();
        let check = |scope: Value, expect: Option<Areas>| {
            let claims = json!({"sub": "1", "roles": ["ops"], "scope": scope});
            let config = OidcConfig { areas: given.clone(), ..config("roles") };
            let got = principal(claims.as_object().unwrap(), &config);
            assert_eq!(got.as_ref().ok().map(|principal| principal.areas), expect, "{claims}: {got:?}");
            assert!(got.is_ok() || matches!(&got, Err(OidcError::NoArea(claim)) if claim == "scope"), "{got:?}");
            // Where none is given, each is for everything.
            let all = principal(claims.as_object().unwrap(), &OidcConfig { areas: Vec::new(), ..config });
            assert_eq!(all.unwrap().areas, Areas::UNBOUNDED);
        };
        check(json!("openid weir:metrics"), Some(areas(&[Area::Metrics])));
        check(json!(["weir:traffic", "weir:metrics"]), Some(areas(&[Area::Traffic, Area::Metrics])));
        check(json!("weir:traffic weir"), Some(Areas::UNBOUNDED));
        for scope in [json!(null), json!(""), json!("openid"), json!("weir:traffic,weir"), json!({"weir": 1}), json!(1)]
        {
            check(scope, None);
        }
    }

    fn check(roles_claim: &str, claims: Value, expect: Option<(&str, Role)>) {
        let got = principal(claims.as_object().unwrap(), &config(roles_claim));
        let got = got.map(|principal| (principal.name, principal.role));
        assert_eq!(got.as_ref().ok().map(|(name, role)| (name.as_str(), *role)), expect, "{claims}: {got:?}");
    }

    #[test]
    fn the_first_role_that_fits_counts() {
        check("roles", json!({"sub": "1", "roles": ["staff", "ops"]}), Some(("oidc:1", Role::Operator)));
        check("roles", json!({"sub": "1", "roles": "x staff"}), Some(("oidc:1", Role::Viewer)));
        check("realm.roles", json!({"sub": "1", "realm": {"roles": ["ops"]}}), Some(("oidc:1", Role::Operator)));
        check(
            "https://a.example/roles",
            json!({"sub": "1", "https://a.example/roles": ["ops"]}),
            Some(("oidc:1", Role::Operator)),
        );
        for roles in [json!(null), json!(["opsx"]), json!([["ops"]]), json!({"ops": 1}), json!(1), json!("ops,staff")] {
            check("roles", json!({"sub": "1", "roles": roles}), None);
        }
        check("roles", json!({"roles": ["ops"]}), None);
        check("roles", json!({"sub": "", "roles": ["ops"]}), None);
    }

    #[test]
    fn a_name_is_told_beside_the_subject_and_makes_no_other_of_it() {
        let named = |name: &str| json!({"sub": "17", "preferred_username": name, "roles": ["ops"]});
        check("roles", named("anna"), Some(("oidc:anna/17", Role::Operator)));
        check("roles", named("anna/1\n8"), Some(("oidc:anna_1_8/17", Role::Operator)));
        check("roles", named("17"), Some(("oidc:17", Role::Operator)));
    }
}
