//! Text of a case -> [`Case`]. Pure; every fault names its line.

use crate::{Case, Connection, Expect, Fields, Message, RequestLine, Start, Status, Upstream, Verdict};

/// The text is no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: String,
}

fn fault<T>(line: usize, fault: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { line, fault: fault.into() })
}

/// A line and its number.
type Line<'a> = (usize, &'a str);

struct Section<'a> {
    title: Line<'a>,
    lines: Vec<Line<'a>>,
}

const SECTIONS: [&str; 13] = [
    "config",
    "connection",
    "request",
    "request trailers",
    "upstream",
    "upstream trailers",
    "upstream error",
    "secrets",
    "expect",
    "forwarded",
    "forwarded trailers",
    "received",
    "received trailers",
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
    let (verdict, problems) = verdict(section)?;
    let expect = Expect {
        verdict,
        forwarded: message(find("forwarded"), find("forwarded trailers"), request_line)?,
        received: message(find("received"), find("received trailers"), status)?,
        problems,
    };
    if request.is_none() != (verdict == Verdict::Invalid) {
        return fault(section.title.0, "either a `### request`, or `invalid` and no request");
    }
    Ok(Case { title, config, connection, request, upstream, calls, secrets, expect })
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

fn verdict(section: &Section<'_>) -> Result<(Verdict, Vec<(String, String)>), ParseError> {
    let Some(((number, word), rest)) = section.lines.split_first() else {
        return fault(section.title.0, "the verdict is missing");
    };
    let Some((_, verdict)) = Verdict::NAMES.iter().find(|(name, _)| name == &word.trim()) else {
        return fault(*number, format!("no such verdict: `{word}`"));
    };
    let mut problems = Vec::new();
    for (number, line) in rest.iter().copied().filter(|(_, line)| !line.is_empty()) {
        let Some((pointer, message)) = line.split_once(": ") else {
            return fault(number, "a problem is written `/pointer: part of the message`");
        };
        problems.push((pointer.to_owned(), message.to_owned()));
    }
    Ok((*verdict, problems))
}

fn message<S: Start>(
    section: Option<&Section<'_>>,
    trailers: Option<&Section<'_>>,
    start: impl Fn(Line<'_>) -> Result<S, ParseError>,
) -> Result<Option<Message<S>>, ParseError> {
    let Some(section) = section else {
        return match trailers {
            Some(trailers) => fault(trailers.title.0, "trailers of no message"),
            None => Ok(None),
        };
    };
    let Some((first, rest)) = section.lines.split_first() else {
        return fault(section.title.0, "the message is empty");
    };
    let (head, body) = match rest.iter().position(|(_, line)| line.is_empty()) {
        Some(blank) => (&rest[..blank], &rest[blank + 1..]),
        None => (rest, &[][..]),
    };
    let trailers = trailers.map(|section| section.lines.iter().copied().map(field).collect()).transpose()?;
    Ok(Some(Message { start: start(*first)?, fields: fields(head)?, body: body_chunks(body)?, trailers }))
}

fn fields(lines: &[Line<'_>]) -> Result<Fields, ParseError> {
    lines.iter().copied().map(field).collect()
}

fn field((number, line): Line<'_>) -> Result<(String, String), ParseError> {
    let Some((name, value)) = line.split_once(':') else { return fault(number, "a field is written `name: value`") };
    if value.chars().any(|c| c as u32 > 0xff) {
        return fault(number, "field values are latin-1: one character per byte");
    }
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn request_line((number, line): Line<'_>) -> Result<RequestLine, ParseError> {
    let words: Vec<&str> = line.split(' ').collect();
    let [method, url] = words[..] else { return fault(number, "a request begins `METHOD http://host/path`") };
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)) else {
        return fault(number, "the URL is absolute: `http://host/path` or `https://host/path`");
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(RequestLine { method: method.to_owned(), scheme: scheme.to_owned(), authority: authority.to_owned(), path })
}

fn status((number, line): Line<'_>) -> Result<Status, ParseError> {
    match line.trim().parse() {
        Ok(code @ 100..=599) => Ok(Status(code)),
        _ => fault(number, "a response begins with its status: `200`"),
    }
}

/// Either text, which is one chunk, or one chunk per line, each behind `| ` and with escapes.
fn body_chunks(lines: &[Line<'_>]) -> Result<Vec<Vec<u8>>, ParseError> {
    let Some((_, first)) = lines.first() else { return Ok(Vec::new()) };
    if !first.starts_with('|') {
        return Ok(vec![join(lines).into_bytes()]);
    }
    lines.iter().copied().map(chunk).collect()
}

fn chunk((number, line): Line<'_>) -> Result<Vec<u8>, ParseError> {
    let Some(text) = line.strip_prefix("| ").or(line.strip_prefix('|').filter(|rest| rest.is_empty())) else {
        return fault(number, "where one line of a body is a chunk (`| bytes`), every line is");
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return fault(number, "`\\x` wants two hex digits"),
            },
            _ => return fault(number, "the escapes are \\n \\r \\t \\\\ \\xHH"),
        });
    }
    Ok(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
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
        assert_eq!(error("### expect\nfine\n"), "line 2: no such verdict: `fine`");
        assert_eq!(error("### expect\npass\n"), "line 1: either a `### request`, or `invalid` and no request");
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
