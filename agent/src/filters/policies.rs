//! What an exchange gets when a filter fails it: the rules of a publication enter, with a request or a tunnel; a policy leaves.
//!
//! A host is named in up to three places, and a client writes each of them as it likes. So none of them alone may weaken a
//! policy: the rules are asked once for each, and the strictest answer counts.

use http::request;
use weir_artifact::{FailurePolicy, Publication};
use weir_host::{Connection, Tunnel};
use weir_query::QueryError;

use super::matching::{Matcher, others};

/// The rules of one filter, in their order, and what holds where none fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Policies {
    rules: Vec<(Matcher, FailurePolicy)>,
    rest: FailurePolicy,
}

impl Policies {
    /// Reads them.
    ///
    /// # Errors
    /// One is no query, or asks for what is not known when the request arrives.
    pub(super) fn of(publication: &Publication) -> Result<Self, QueryError> {
        let rules = publication.on_failure_for.iter();
        let rules = rules.map(|rule| Ok((Matcher::parse(&rule.matching)?, rule.on_failure)));
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, rest: publication.on_failure })
    }

    /// It is the same for all.
    pub(super) fn is_one(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn of_request(&self, request: &request::Parts, connection: &Connection) -> FailurePolicy {
        let named = request.uri.authority().map(|authority| authority.as_str());
        let of = |authority: Option<&str>| {
            let mut rules = self.rules.iter();
            let found = rules.find(|(matcher, _)| matcher.fits_as(authority, request, connection));
            found.map_or(self.rest, |(_, policy)| *policy)
        };
        others(connection)
            .filter(|other| named != Some(other))
            .fold(of(named), |policy, other| policy.stricter(of(Some(other))))
    }

    /// What a tunnel does not say yet may turn out either way.
    pub(super) fn of_tunnel(&self, tunnel: &Tunnel, named: &[&str]) -> FailurePolicy {
        let of = |authority: &str| {
            let mut strictest: Option<FailurePolicy> = None;
            for (matcher, policy) in &self.rules {
                let fits = matcher.fits_tunnel_as(authority, tunnel);
                if fits != Some(false) {
                    strictest = Some(strictest.map_or(*policy, |so_far| so_far.stricter(*policy)));
                }
                if fits == Some(true) {
                    return strictest.unwrap_or(*policy);
                }
            }
            strictest.map_or(self.rest, |so_far| so_far.stricter(self.rest))
        };
        named.iter().map(|authority| of(authority)).reduce(FailurePolicy::stricter).unwrap_or(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use weir_artifact::FailureRule;
    use weir_host::Entry;

    use super::{FailurePolicy::*, *};

    fn policies(rules: &[(&str, FailurePolicy)], rest: FailurePolicy) -> Policies {
        let rule = |(matching, on_failure): &(&str, FailurePolicy)| FailureRule {
            matching: (*matching).to_owned(),
            on_failure: *on_failure,
        };
        let publication = Publication {
            on_failure: rest,
            on_failure_for: rules.iter().map(rule).collect(),
            ..Publication::unsigned("x".parse().unwrap())
        };
        Policies::of(&publication).unwrap()
    }

    fn check(policies: &Policies, url: &str, target: Option<&str>, server_name: Option<&str>, expect: FailurePolicy) {
        let (request, ()) = Request::get(url).body(()).unwrap().into_parts();
        let connection = Connection {
            entry: Entry::Forward,
            client_address: ([127, 0, 0, 1], 1).into(),
            user: None,
            tunnel_target: target.map(str::to_owned),
            server_name: server_name.map(str::to_owned),
            intercepted: true,
        };
        assert_eq!(policies.of_request(&request, &connection), expect, "{url} {target:?} {server_name:?}");
    }

    #[test]
    fn the_first_that_fits_counts() {
        let some = policies(&[("path:/public/login", Closed), ("path:/public/*", Open)], LastGood);
        check(&some, "http://a/public/x", None, None, Open);
        check(&some, "http://a/public/login", None, None, Closed);
        check(&some, "http://a/other", None, None, LastGood);
    }

    #[test]
    fn no_name_alone_weakens() {
        let some = policies(&[("host:static.example", Open)], Closed);
        check(&some, "https://static.example/", Some("static.example:443"), Some("static.example"), Open);
        check(&some, "https://static.example/", Some("bank.example:443"), Some("static.example"), Closed);
        check(&some, "https://static.example/", Some("static.example:443"), Some("bank.example"), Closed);
        check(&some, "https://bank.example/", Some("static.example:443"), None, Closed);
        // and each of them makes it stricter
        let some = policies(&[("host:bank.example", Closed)], Open);
        check(&some, "https://static.example/", Some("bank.example:443"), None, Closed);
        check(&some, "https://bank.example/", Some("static.example:443"), None, Closed);
        check(&some, "https://static.example/", None, None, Open);
    }

    #[test]
    fn what_a_tunnel_does_not_say_yet_counts_as_the_strictest() {
        let tunnel = Tunnel {
            entry: Entry::Connect,
            client_address: "127.0.0.1:1".parse().unwrap(),
            user: None,
            target: "a.example:443".to_owned(),
        };
        for (rules, rest, expect) in [
            (&[("host:a.example", Open)][..], Closed, Open),
            (&[("host:a.example path:/x", Open)], Closed, Closed),
            (&[("path:/x", Closed)], Open, Closed),
            (&[("path:/x", Open), ("host:a.example", LastGood)], Closed, LastGood),
            (&[("host:b.example", Open)], Closed, Closed),
        ] {
            assert_eq!(policies(rules, rest).of_tunnel(&tunnel, &["a.example"]), expect, "{rules:?}");
        }
        assert_eq!(
            policies(&[("host:a.example", Open)], Closed).of_tunnel(&tunnel, &["a.example", "b.example"]),
            Closed
        );
    }
}
