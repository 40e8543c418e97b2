//! Tunnels as cases write them: what a client asks for, what its TLS handshake tells, and what became of it.

use crate::{
    ParseError,
    parse::{Section, fault, field},
};

/// What a client asks to be connected to. How it came is the case's [`Connection`](crate::Connection).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// `host:port`.
    pub target: String,
    /// What its TLS handshake tells in clear; none: no TLS begins, or the tunnel does not get so far.
    pub hello: Option<ClientHello>,
}

/// A ClientHello.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The server name.
    pub server_name: Option<String>,
    /// Names of protocols, in the client's order.
    pub alpn: Vec<String>,
}

/// What became of a tunnel beside that it is open or denied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Course {
    /// The `host:port` that it was sent to.
    pub redirect: Option<String>,
    /// TLS is to end at the agent (true) or to pass (false); none: the filter does not say.
    pub intercept: Option<bool>,
    /// Why it was denied. Where it is expected, a part of it.
    pub reason: Option<String>,
}

pub(crate) fn tunnel(target: &Section<'_>, hello: Option<&Section<'_>>) -> Result<Tunnel, ParseError> {
    let line = target.lines.iter().find(|(_, line)| !line.is_empty());
    let Some((_, target)) = line.filter(|(_, line)| line.contains(':')) else {
        return fault(target.title.0, "a tunnel is written `host:port`");
    };
    Ok(Tunnel { target: target.trim().to_owned(), hello: hello.map(client_hello).transpose()? })
}

fn client_hello(section: &Section<'_>) -> Result<ClientHello, ParseError> {
    let mut hello = ClientHello::default();
    for (number, line) in section.lines.iter().copied().filter(|(_, line)| !line.is_empty()) {
        let (name, value) = field((number, line))?;
        match name.as_str() {
            "server-name" => hello.server_name = Some(value),
            "alpn" => hello.alpn = value.split(',').map(|name| name.trim().to_owned()).collect(),
            _ => {
                return fault(
                    number,
                    format!("no such fact of a ClientHello: `{name}` (there are: server-name, alpn)"),
                );
            }
        }
    }
    Ok(hello)
}

impl Course {
    /// Of the lines behind `open` or `deny`.
    pub(crate) fn parse(lines: &[(usize, &str)]) -> Result<Self, ParseError> {
        let mut course = Self::default();
        for (number, line) in lines.iter().copied().filter(|(_, line)| !line.is_empty()) {
            let (name, value) = field((number, line))?;
            match (name.as_str(), value.as_str()) {
                ("redirect", _) => course.redirect = Some(value),
                ("reason", _) => course.reason = Some(value),
                ("tls", "intercept" | "pass-through") => course.intercept = Some(value == "intercept"),
                _ => {
                    return fault(
                        number,
                        "of a tunnel are said `redirect: host:port`, `tls: intercept`, `tls: pass-through`, `reason: part of it`",
                    );
                }
            }
        }
        Ok(course)
    }

    /// For the reader; of a reason only what is expected of it, if it is there.
    pub(crate) fn lines(&self, expected: &Self) -> Vec<String> {
        let reason = match (&self.reason, &expected.reason) {
            (Some(seen), Some(part)) if seen.contains(part.as_str()) => Some(part),
            (_, None) => None,
            (seen, Some(_)) => seen.as_ref(),
        };
        let tls = self.intercept.map(|intercept| if intercept { "intercept" } else { "pass-through" });
        let said = [("redirect", self.redirect.as_deref()), ("tls", tls), ("reason", reason.map(String::as_str))];
        said.into_iter().filter_map(|(name, value)| Some(format!("{name}: {}", value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Case, Course, Outcome, Verdict};

    const CASE: &str = "### connection\nentry: connect\n### tunnel\na.example:443\n### client hello\nserver-name: b.example\n\
                        alpn: h2, http/1.1\n### expect\n";

    fn error(text: &str) -> String {
        Case::parse(text).unwrap_err().to_string()
    }

    fn seen(verdict: Verdict, tunnel: Course) -> Outcome {
        Outcome { verdict, tunnel, ..Outcome::invalid(Vec::new()) }
    }

    #[test]
    fn a_tunnel_is_a_target_and_what_its_handshake_tells() {
        let case = Case::parse(&format!("{CASE}open\nredirect: c.example:1\ntls: pass-through\n")).unwrap();
        let tunnel = case.tunnel.as_ref().unwrap();
        let hello = tunnel.hello.as_ref().unwrap();
        assert_eq!((tunnel.target.as_str(), hello.server_name.as_deref()), ("a.example:443", Some("b.example")));
        assert_eq!(hello.alpn, ["h2", "http/1.1"]);
        let course = Course { redirect: Some("c.example:1".into()), intercept: Some(false), reason: None };
        case.check(&seen(Verdict::Open, course.clone())).unwrap();
        let text = case.check(&seen(Verdict::Open, Course { redirect: None, ..course })).unwrap_err().to_string();
        assert_eq!(text, "tunnel:\n  - redirect: c.example:1\n    tls: pass-through\n");
    }

    #[test]
    fn of_a_reason_a_part_is_enough_and_none_is_asked_for_where_none_is_written() {
        let denied = |reason: &str| seen(Verdict::Deny, Course { reason: Some(reason.into()), ..Course::default() });
        let case = Case::parse(&format!("{CASE}deny\nreason: on the list\n")).unwrap();
        case.check(&denied("it is on the list of bad ones")).unwrap();
        let text = case.check(&denied("for no reason")).unwrap_err().to_string();
        assert_eq!(text, "tunnel:\n  - reason: on the list\n  + reason: for no reason\n");
        Case::parse(&format!("{CASE}deny\n")).unwrap().check(&denied("whatever")).unwrap();
        assert!(case.check(&seen(Verdict::Open, Course::default())).unwrap_err().to_string().starts_with("verdict:"));
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(error("### tunnel\na\n### expect\nopen\n"), "line 1: a tunnel is written `host:port`");
        assert!(
            error("### tunnel\na:1\n### client hello\nname: x\n### expect\nopen\n").starts_with("line 4: no such fact")
        );
        assert!(error("### tunnel\na:1\n### expect\nopen\ntls: no\n").starts_with("line 5: of a tunnel are said"));
        assert!(error("### tunnel\na:1\n### expect\npass\n").starts_with("line 3: a tunnel is"));
        assert!(error("### request\nGET http://a\n### expect\nopen\n").starts_with("line 3: "));
        assert!(
            error("### client hello\nalpn: h2\n### request\nGET http://a\n### expect\npass\n").starts_with("line 1: ")
        );
    }
}
