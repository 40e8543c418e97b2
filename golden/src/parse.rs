//! Text of a case -> [`Case`]. Pure; every fault names its line.

mod message;

use self::message::{message, request_line, status};
use crate::{Case, Connection, Course, Expect, Status, Tunnel, Upstream, Verdict, talk, tunnel};

pub(crate) use self::message::{field, unescaped};

/// The text is no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: String,
}

pub(crate) fn fault<T>(line: usize, fault: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { line, fault: fault.into() })
}

/// A line and its number.
pub(crate) type Line<'a> = (usize, &'a str);

pub(crate) struct Section<'a> {
    pub(crate) title: Line<'a>,
    pub(crate) lines: Vec<Line<'a>>,
}

const SECTIONS: [&str; 17] = [
    "config",
    "connection",
    "tunnel",
    "client hello",
    "request",
    "request trailers",
    "upstream",
    "upstream trailers",
    "upstream error",
    "messages",
    "secrets",
    "expect",
    "forwarded",
    "forwarded trailers",
    "received",
    "received trailers",
    "heard",
];

/// A section of this is what a call to the upstream NAME comes to: a response, or `error KIND`.
const CALL: &str = "call ";

pub(crate) fn case(text: &str) -> Result<Case, ParseError> {
    let (title, sections) = split(text)?;
    let find = |name: &str| sections.iter().find(|section| section.title.1 == name);
    let last = text.lines().count().max(1);

    let config = find("config").map(|section| join(&section.lines));
    let connection = find("connection").map_or_else(|| Ok(Connection::default()), connection)?;
    let request = message(find("request"), find("request trailers"), request_line)?;
    let response = message(find("upstream"), find("upstream trailers"), status)?;
    let upstream = match (find("upstream error"), response) {
        (Some(section), Some(_)) => return fault(section.title.0, "an upstream either answers or fails"),
        (Some(section), None) => Upstream::Error(join(&section.lines)),
        (None, Some(response)) => Upstream::Response(response),
        (None, None) => Upstream::default(),
    };
    let calls = sections.iter().filter_map(call).collect::<Result<_, _>>()?;
    let secrets = find("secrets").map(names).unwrap_or_default();
    let Some(section) = find("expect") else { return fault(last, "no section `### expect VERDICT`") };
    let (verdict, rest) = verdict(section)?;
    let is_of_tunnel = matches!(verdict, Verdict::Open | Verdict::Deny);
    let (course, problems) =
        if is_of_tunnel { (Course::parse(rest)?, Vec::new()) } else { (Course::default(), problems(rest)?) };
    let expect = Expect {
        verdict,
        forwarded: message(find("forwarded"), find("forwarded trailers"), request_line)?,
        received: message(find("received"), find("received trailers"), status)?,
        heard: find("heard").map(talk::heard).transpose()?,
        tunnel: course,
        problems,
    };
    let tunnel = tunnel_of(section, verdict, find("tunnel"), find("client hello"))?;
    if usize::from(request.is_some()) + usize::from(tunnel.is_some()) + usize::from(verdict == Verdict::Invalid) != 1 {
        return fault(section.title.0, "either a `### request` or a `### tunnel`, or `invalid` and neither");
    }
    let opens_socket = matches!(&upstream, Upstream::Response(head) if head.start == Status(101));
    if let Some(section) = find("messages").or(find("heard")).filter(|_| !opens_socket) {
        return fault(section.title.0, "messages need a WebSocket: an upstream that answers `101`");
    }
    let messages = find("messages").map(talk::messages).transpose()?.unwrap_or_default();
    Ok(Case { title, config, connection, request, tunnel, upstream, messages, calls, secrets, expect })
}

/// The tunnel, if that is what the verdict is about.
fn tunnel_of(
    expect: &Section<'_>,
    verdict: Verdict,
    target: Option<&Section<'_>>,
    hello: Option<&Section<'_>>,
) -> Result<Option<Tunnel>, ParseError> {
    match (target, hello, verdict) {
        (Some(target), hello, Verdict::Open | Verdict::Deny | Verdict::Fail) => tunnel::tunnel(target, hello).map(Some),
        (Some(_), _, _) => fault(expect.title.0, "a tunnel is `open`, or it comes to `deny` or `fail`"),
        (None, _, Verdict::Open | Verdict::Deny) => fault(expect.title.0, "`open` and `deny` are of a `### tunnel`"),
        (None, Some(hello), _) => fault(hello.title.0, "a ClientHello in no `### tunnel`"),
        (None, None, _) => Ok(None),
    }
}

fn call(section: &Section<'_>) -> Option<Result<(String, Upstream), ParseError>> {
    let name = section.title.1.strip_prefix(CALL)?.trim().to_owned();
    let error = section.lines.first().and_then(|(_, line)| line.strip_prefix("error "));
    let answer = match error {
        Some(error) => Ok(Upstream::Error(error.trim().to_owned())),
        None => {
            message(Some(section), None, status).map(|answer| answer.map_or_else(Upstream::default, Upstream::Response))
        }
    };
    Some(answer.map(|answer| (name, answer)))
}

/// One a line.
fn names(section: &Section<'_>) -> Vec<String> {
    let names = section.lines.iter().map(|(_, line)| line.trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `### name` lines begin sections; what stands before the first is the title.
fn split(text: &str) -> Result<(String, Vec<Section<'_>>), ParseError> {
    let mut title = Vec::new();
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(name) = line.strip_prefix("### ") {
            let name = name.trim();
            if !SECTIONS.contains(&name) && !name.starts_with(CALL) {
                return fault(
                    number,
                    format!("no such section: `{name}` (there are: {}, call NAME)", SECTIONS.join(", ")),
                );
            }
            if let Some(first) = sections.iter().find(|section| section.title.1 == name) {
                return fault(number, format!("`{name}` stands in line {} already", first.title.0));
            }
            sections.push(Section { title: (number, name), lines: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push((number, line));
        } else if let Some(comment) = line.strip_prefix('#') {
            title.push(comment.trim());
        } else if !line.trim().is_empty() {
            return fault(number, "only `# comments` may stand before the first `### section`");
        }
    }
    for section in &mut sections {
        // Blank lines before the next section are for the reader.
        while section.lines.last().is_some_and(|(_, line)| line.is_empty()) {
            section.lines.pop();
        }
    }
    Ok((title.join(" "), sections))
}

fn join(lines: &[Line<'_>]) -> String {
    lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
}

fn connection(section: &Section<'_>) -> Result<Connection, ParseError> {
    let mut connection = Connection::default();
    for (number, line) in section.lines.iter().copied().filter(|(_, line)| !line.is_empty()) {
        let (name, value) = field((number, line))?;
        match name.as_str() {
            "entry" if ["forward", "connect", "socks5", "transparent", "reverse"].contains(&value.as_str()) => {
                connection.entry = value;
            }
            "client-address" => connection.client_address = value,
            "user" => connection.user = Some(value),
            "tunnel-target" => connection.tunnel_target = Some(value),
            "server-name" => connection.server_name = Some(value),
            "intercepted" if ["true", "false"].contains(&value.as_str()) => connection.intercepted = value == "true",
            _ => return fault(number, format!("no such fact of a connection: `{name}: {value}`")),
        }
    }
    Ok(connection)
}

/// The verdict, and the lines behind it.
fn verdict<'a, 's>(section: &'s Section<'a>) -> Result<(Verdict, &'s [Line<'a>]), ParseError> {
    let Some(((number, word), rest)) = section.lines.split_first() else {
        return fault(section.title.0, "the verdict is missing");
    };
    let Some((_, verdict)) = Verdict::NAMES.iter().find(|(name, _)| name == &word.trim()) else {
        let there = Verdict::NAMES.map(|(name, _)| name).join(", ");
        return fault(*number, format!("no such verdict: `{word}` (there are: {there})"));
    };
    Ok((*verdict, rest))
}

fn problems(lines: &[Line<'_>]) -> Result<Vec<(String, String)>, ParseError> {
    let mut problems = Vec::new();
    for (number, line) in lines.iter().copied().filter(|(_, line)| !line.is_empty()) {
        let Some((pointer, message)) = line.split_once(": ") else {
            return fault(number, "a problem is written `/pointer: part of the message`");
        };
        problems.push((pointer.to_owned(), message.to_owned()));
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Case::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_case_with_everything() {
        let text = "# A case.\n\n### config\n{}\n\n### request\nPOST https://a.example?q\nX-A: b\n\n| a\\n\n|\n| \\x00\n\n\
                    ### request trailers\nt: v\n\n### upstream\n404\n\nno\n\nsuch\n\n### call keys\n200\n\n{}\n\n\
                    ### call down\nerror refused\n\n### secrets\none\n two\n\n### expect\npass\n";
        let case = Case::parse(text).unwrap();
        let request = case.request.unwrap();
        assert_eq!(request.start.to_string(), "POST https://a.example/?q");
        assert_eq!(request.field("x-a"), Some("b"));
        assert_eq!(request.body, [b"a\n".to_vec(), vec![], vec![0]]);
        assert_eq!(request.trailers, Some(vec![("t".to_owned(), "v".to_owned())]));
        let Upstream::Response(response) = case.upstream else { panic!("it answers") };
        assert_eq!((response.start, response.joined()), (Status(404), b"no\n\nsuch".to_vec()));
        assert_eq!(case.title, "A case.");
        let [(keys, Upstream::Response(answer)), (_, down)] = &case.calls[..] else { panic!("two calls") };
        assert_eq!((keys.as_str(), answer.joined()), ("keys", b"{}".to_vec()));
        assert_eq!(case.secrets, ["one", "two"]);
        assert_eq!(down, &Upstream::Error("refused".to_owned()));
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(error("text\n"), "line 1: only `# comments` may stand before the first `### section`");
        assert!(error("### confg\n").starts_with("line 1: no such section: `confg`"));
        assert_eq!(error("### config\n### config\n"), "line 2: `config` stands in line 1 already");
        assert!(error("### expect\nfine\n").starts_with("line 2: no such verdict: `fine` (there are: pass, respond, "));
        assert_eq!(
            error("### expect\npass\n"),
            "line 1: either a `### request` or a `### tunnel`, or `invalid` and neither"
        );
        let request = |rest: &str| error(&format!("### request\n{rest}\n### expect\npass\n"));
        assert_eq!(request("GET /x"), "line 2: the URL is absolute: `http://host/path` or `https://host/path`");
        assert_eq!(request("GET http://a\nb"), "line 3: a field is written `name: value`");
        assert_eq!(
            request("GET http://a\n\n| a\nb"),
            "line 5: where one line of a body is a chunk (`| bytes`), every line is"
        );
        assert_eq!(request("GET http://a\n\n| \\q"), "line 4: the escapes are \\n \\r \\t \\\\ \\xHH");
        assert_eq!(request("GET http://a\nb: \u{100}"), "line 3: field values are latin-1: one character per byte");
    }
}
