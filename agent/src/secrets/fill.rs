//! Secrets in place of what stands for them, in the last moment before a head is sent.

use http::{HeaderMap, HeaderValue, Method, Uri};
use weir_artifact::Name;
use weir_host::Placeholder;
use zeroize::Zeroizing;

use super::{Secret, Secrets};
use crate::target::{Scheme, Target};

/// Of all fields of a head that hold a secret.
const FILLED_BYTES: usize = 64 << 10;

/// A secret was about to go where it must not. Says which and where, and nothing of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    #[error("filter {filter} sent the secret {secret} to {to}, which is none of its hosts")]
    NotFor { filter: Name, secret: Name, to: String },
    #[error("filter {filter} sent the secret {secret} to {to} without TLS, which the secret does not allow")]
    Cleartext { filter: Name, secret: Name, to: String },
    #[error("filter {filter} sent the secret {secret}, which this agent has no longer")]
    Gone { filter: Name, secret: Name },
    #[error("filter {filter} sent the secret {secret} with {method}, whose answer is what was sent")]
    Echoed { filter: Name, secret: Name, method: Method },
    #[error("fields with secrets in them have more than {FILLED_BYTES} bytes")]
    TooLarge,
}

impl Secrets {
    /// Puts in the secrets that these placeholders stand for. `uri` is the request's, in absolute form, beside its method, and
    /// `target` where it goes. A text that is no placeholder of this exchange is left as it is: it means nothing to anybody.
    ///
    /// # Errors
    /// One is not to go there; the fields are worth nothing then.
    pub fn fill(
        &self,
        fields: &mut HeaderMap,
        placeholders: &[Placeholder],
        (method, uri): (&Method, &Uri),
        target: &Target,
    ) -> Result<(), Misuse> {
        if placeholders.is_empty() {
            return Ok(());
        }
        let known = self.known.load();
        let mut total = 0;
        for value in fields.values_mut() {
            // of its final size or more at once: what is copied into a larger place leaves a copy behind
            let mut filled = Zeroizing::new(Vec::new());
            let mut rest = value.as_bytes();
            while let Some((at, placeholder)) = first(rest, placeholders) {
                let Placeholder { filter, secret, text } = placeholder;
                let found =
                    known.get(secret).ok_or_else(|| Misuse::Gone { filter: filter.clone(), secret: secret.clone() })?;
                found.judge(filter, secret, uri, target)?;
                if is_echoed(method) {
                    return Err(Misuse::Echoed {
                        filter: filter.clone(),
                        secret: secret.clone(),
                        method: method.clone(),
                    });
                }
                total += at + found.value.len();
                if total > FILLED_BYTES {
                    return Err(Misuse::TooLarge);
                }
                if filled.is_empty() {
                    filled.reserve(FILLED_BYTES + rest.len());
                }
                filled.extend_from_slice(&rest[..at]);
                filled.extend_from_slice(&found.value);
                rest = &rest[at + text.len()..];
            }
            if filled.is_empty() {
                continue;
            }
            filled.extend_from_slice(rest);
            *value = HeaderValue::from_bytes(&filled).expect("secrets that no field can hold are not read");
            // HTTP/2 keeps it out of its tables (RFC 7541 section 7.1.3), and whoever prints the field sees none of it
            value.set_sensitive(true);
        }
        Ok(())
    }
}

/// Whoever gets the answer has the fields (RFC 9110 section 9.3.8: none that is sensitive). Some servers know another name for it, and
/// take any case.
fn is_echoed(method: &Method) -> bool {
    ["TRACE", "TRACK"].iter().any(|echo| method.as_str().eq_ignore_ascii_case(echo))
}

/// The first placeholder in a value.
fn first<'a>(value: &[u8], placeholders: &'a [Placeholder]) -> Option<(usize, &'a Placeholder)> {
    (0..value.len()).find_map(|at| {
        let stands_here = |one: &&Placeholder| value[at..].starts_with(one.text.as_bytes());
        placeholders.iter().find(stands_here).map(|found| (at, found))
    })
}

impl Secret {
    fn judge(&self, filter: &Name, secret: &Name, uri: &Uri, target: &Target) -> Result<(), Misuse> {
        let (filter, secret) = (filter.clone(), secret.clone());
        match Target::from_uri(uri) {
            Ok(site) if self.is_for(target, &site) => {}
            Ok(site) if self.covers(target) => return Err(Misuse::NotFor { filter, secret, to: site.to_string() }),
            _ => return Err(Misuse::NotFor { filter, secret, to: target.to_string() }),
        }
        if target.scheme == Scheme::Http && !self.cleartext {
            return Err(Misuse::Cleartext { filter, secret, to: target.to_string() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use arc_swap::ArcSwap;
    use http::header::AUTHORIZATION;
    use proptest::prelude::*;

    use super::*;

    fn secrets(hosts: &[&str], cleartext: bool) -> Secrets {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let secret = Secret { value: b"s3cret".to_vec().into(), hosts, cleartext };
        let known = BTreeMap::from([("key".parse().unwrap(), secret)]);
        Secrets { path: None, known: ArcSwap::from_pointee(known) }
    }

    fn placeholder(secret: &str, text: &str) -> Placeholder {
        Placeholder { filter: "f".parse().unwrap(), secret: secret.parse().unwrap(), text: text.to_owned() }
    }

    fn filled(secrets: &Secrets, value: &str, uri: &str, target: Option<&Target>) -> Result<HeaderValue, Misuse> {
        let uri: Uri = uri.parse().unwrap();
        let own = Target::from_uri(&uri).unwrap();
        let mut fields = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
        let placeholders = [placeholder("key", "weir-secret-01")];
        secrets.fill(&mut fields, &placeholders, (&Method::GET, &uri), target.unwrap_or(&own))?;
        Ok(fields.remove(AUTHORIZATION).unwrap())
    }

    #[test]
    fn a_placeholder_is_replaced_wherever_it_stands() {
        let secrets = secrets(&["a.example"], false);
        let check = |value, expect: &str| {
            let filled = filled(&secrets, value, "https://a.example/", None).unwrap();
            assert_eq!((filled.to_str().unwrap(), filled.is_sensitive()), (expect, value != expect));
        };
        check("weir-secret-01", "s3cret");
        check("Bearer weir-secret-01", "Bearer s3cret");
        check("weir-secret-01weir-secret-01;", "s3crets3cret;");
        check("weir-secret-02", "weir-secret-02");
        check("weir-secret-0", "weir-secret-0");
    }

    #[test]
    fn it_goes_to_its_hosts_alone() {
        let bound = secrets(&["*.example:443", "192.0.2.0/24"], false);
        let check = |uri, target: Option<&Target>| filled(&bound, "weir-secret-01", uri, target);
        check("https://a.example/", None).unwrap();
        check("https://192.0.2.9:8443/", None).unwrap();
        let refused = check("https://a.example.net/", None).unwrap_err().to_string();
        assert_eq!(refused, "filter f sent the secret key to a.example.net:443, which is none of its hosts");
        assert!(matches!(check("https://a.example:8443/", None), Err(Misuse::NotFor { .. })));
        assert!(matches!(check("http://192.0.2.9/", None), Err(Misuse::Cleartext { .. })));
        let clear = secrets(&["*"], true);
        filled(&clear, "weir-secret-01", "http://192.0.2.9/", None).unwrap();
    }

    #[test]
    fn neither_name_of_a_request_may_be_a_strangers() {
        let bound = secrets(&["a.example"], false);
        let target = |uri: &str| Target::from_uri(&uri.parse().unwrap()).unwrap();
        let check = |uri, target: &Target| filled(&bound, "weir-secret-01", uri, Some(target));
        // a server of many sites, asked for another site of its
        let fronted = check("https://evil.example/", &target("https://a.example/")).unwrap_err();
        assert!(fronted.to_string().contains("to evil.example:443"));
        check("https://a.example/", &target("https://evil.example/")).unwrap_err();
        // an address was dialled, and TLS proves the name
        let dialled = |name: &str| Target { server_name: Some(Arc::from(name)), ..target("https://192.0.2.1/") };
        check("https://a.example/", &dialled("a.example")).unwrap();
        check("https://a.example/", &dialled("evil.example")).unwrap_err();
    }

    #[test]
    fn one_that_is_gone_fails_and_heads_are_bounded() {
        let secrets = secrets(&["a.example"], false);
        let uri: Uri = "https://a.example/".parse().unwrap();
        let target = Target::from_uri(&uri).unwrap();
        let mut fields = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("p"))]);
        let gone = secrets.fill(&mut fields, &[placeholder("other", "p")], (&Method::GET, &uri), &target);
        assert!(matches!(gone, Err(Misuse::Gone { .. })));
        let many = "p".repeat(FILLED_BYTES / 6 + 1);
        fields.insert(AUTHORIZATION, HeaderValue::from_str(&many).unwrap());
        let filled = secrets.fill(&mut fields, &[placeholder("key", "p")], (&Method::GET, &uri), &target);
        assert_eq!(filled, Err(Misuse::TooLarge));
    }

    #[test]
    fn what_is_sent_back_has_none() {
        let secrets = secrets(&["a.example"], false);
        let uri: Uri = "https://a.example/".parse().unwrap();
        let target = Target::from_uri(&uri).unwrap();
        for method in ["TRACE", "trace", "TRACK"] {
            let fill = |value| {
                let mut fields = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
                let method = method.parse().unwrap();
                secrets.fill(&mut fields, &[placeholder("key", "weir-secret-01")], (&method, &uri), &target)
            };
            let refused = fill("weir-secret-01").unwrap_err().to_string();
            assert_eq!(refused, format!("filter f sent the secret key with {method}, whose answer is what was sent"));
            fill("another").unwrap();
        }
    }

    proptest! {
        #[test]
        fn what_is_no_placeholder_stays(parts in prop::collection::vec("[a-z -]{0,9}|weir-secret-0[01]", 0..8)) {
            let value = parts.concat().trim().to_owned();
            let filled = filled(&secrets(&["*"], false), &value, "https://a.example/", None).unwrap();
            prop_assert_eq!(filled.to_str().unwrap(), value.replace("weir-secret-01", "s3cret"));
        }
    }
}
