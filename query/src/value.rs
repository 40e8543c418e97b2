//! A field's name and its value in, a checked [`Term`] out.

use crate::{
    Began, Did, Is, Match, Number, OneOf, Pattern, QueryError, Regex, Side, Term, Text, hint,
    lex::{RegexText, Value},
    matching::bare_host,
    number, when,
};

/// A name of a field, taken apart.
enum Field {
    Text(Text),
    Number(Number),
    Header(Side, String),
    Body(Side),
    Filter,
    Tag,
    Is,
    After,
    Before,
}

fn field(column: usize, written: &str) -> Result<Field, QueryError> {
    let name = written.to_ascii_lowercase();
    if let Some(&(text, _)) = Text::ALL.iter().find(|(_, known)| *known == name) {
        return Ok(Field::Text(text));
    }
    if let Some(&(number, _)) = Number::ALL.iter().find(|(_, known)| *known == name) {
        return Ok(Field::Number(number));
    }
    let (side, rest) = match name.split_once('.') {
        Some(("request", rest)) => (Side::Request, rest),
        Some(("response", rest)) => (Side::Response, rest),
        _ => (Side::Either, &*name),
    };
    match (rest, side) {
        ("body", side) => return Ok(Field::Body(side)),
        ("size", Side::Response) => return Ok(Field::Number(Number::Size)),
        ("filter", Side::Either) => return Ok(Field::Filter),
        ("tag", Side::Either) => return Ok(Field::Tag),
        ("is", Side::Either) => return Ok(Field::Is),
        ("after", Side::Either) => return Ok(Field::After),
        ("before", Side::Either) => return Ok(Field::Before),
        _ => {}
    }
    match rest.strip_prefix("header.") {
        Some(header) if is_field_name(header) => Ok(Field::Header(side, header.to_owned())),
        Some(_) => Err(QueryError::new(column, "expected the name of a header field behind `header.`")),
        None => Err(QueryError::new(column, hint::no_field(written))),
    }
}

/// token of RFC 9110 section 5.6.2, without what the grammar of queries needs for itself.
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|".contains(&b))
}

/// Is there a field of this name?
pub(crate) fn is_field(name: &str) -> bool {
    field(1, name).is_ok()
}

/// `field:value`
pub(crate) fn term(column: usize, name: &str, value: Value, now_ms: u64) -> Result<Term, QueryError> {
    Ok(match field(column, name)? {
        Field::Text(text) => Term::Text(text, text_match(text, value)?),
        Field::Number(number) => Term::Number(number, number::range(number, &value)?),
        Field::Header(side, name) => {
            Term::Header { side, name, value: Match::Pattern(Pattern::new(value.pieces, false)) }
        }
        Field::Body(side) => {
            let column = value.column;
            let written = Pattern::new(value.pieces, true);
            if written.literal() == Some("") {
                return Err(QueryError::new(column, "expected some text to look for in the body"));
            }
            let any = vec![written.between("*", "*")];
            Term::Body(side, Match::OneOf(OneOf { written, any }))
        }
        Field::Filter => filter(value)?,
        Field::Tag => Term::Tag(Match::Pattern(Pattern::new(value.pieces, false))),
        Field::Is => is(&value)?,
        Field::After => Term::Began(Began::After(when::moment(&value, now_ms)?)),
        Field::Before => Term::Began(Began::Before(when::moment(&value, now_ms)?)),
    })
}

/// `field~regex`
pub(crate) fn regex_term(column: usize, name: &str, regex: &RegexText) -> Result<Term, QueryError> {
    let compile = |ignores_case| Regex::new(regex, ignores_case).map(Match::Regex);
    Ok(match field(column, name)? {
        Field::Text(text) => Term::Text(text, compile(text.ignores_case())?),
        Field::Header(side, name) => Term::Header { side, name, value: compile(false)? },
        Field::Body(side) => Term::Body(side, compile(true)?),
        Field::Filter => Term::Filter { name: compile(true)?, did: None },
        Field::Tag => Term::Tag(compile(false)?),
        Field::Number(_) | Field::Is | Field::After | Field::Before => {
            return Err(QueryError::new(column, format!("`{name}` is no text: expected `{name}:`")));
        }
    })
}

/// A word without a field: part of the URL.
pub(crate) fn word(column: usize, value: Value, bare: Option<&str>) -> Result<Term, QueryError> {
    if let Some(fault) = bare.and_then(hint::no_word) {
        return Err(QueryError::new(column, fault));
    }
    let pattern = Pattern::new(value.pieces, true);
    if pattern.literal() == Some("") {
        return Err(QueryError::new(column, "expected some text to look for in the URL"));
    }
    Ok(Term::Text(Text::Url, Match::Pattern(pattern.between("*", "*"))))
}

fn text_match(field: Text, mut value: Value) -> Result<Match, QueryError> {
    let column = value.column;
    match field {
        Text::Host => normalise_host(&mut value)?,
        Text::Path => check_path(&value)?,
        _ => {}
    }
    let written = Pattern::new(value.pieces, field.ignores_case());
    if let (Some(words), Some(literal)) = (field.words(), written.literal())
        && !words.contains(&literal)
    {
        return Err(QueryError::new(column, hint::one_of(literal, words)));
    }
    let any = match field {
        Text::Type if !written.pieces().any(|piece| piece.contains('/')) => {
            // `json` is a top-level type, a subtype, or a structured suffix (RFC 6838 section 4.2.8).
            vec![written.between("", "/*"), written.between("*/", ""), written.between("*+", "")]
        }
        Text::Client => vec![written.clone(), written.between("", ":*"), written.between("[", "]:*")],
        _ => return Ok(Match::Pattern(written)),
    };
    Ok(Match::OneOf(OneOf { written, any }))
}

/// `NAME` or `NAME=WHAT-IT-DID`; no name of a filter has `=`.
fn filter(mut value: Value) -> Result<Term, QueryError> {
    let split = value.pieces.iter().enumerate().find_map(|(index, piece)| Some((index, piece.split_once('=')?)));
    let Some((index, (name, did))) = split else {
        return Ok(Term::Filter { name: Match::Pattern(Pattern::new(value.pieces, true)), did: None });
    };
    let known = Did::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(did));
    let (Some(&(found, _)), true) = (known, index + 1 == value.pieces.len()) else {
        let words = Did::ALL.map(|(_, word)| word);
        return Err(QueryError::new(value.column, format!("behind `=`, {}", hint::one_of(did, &words))));
    };
    let name = name.to_owned();
    value.pieces[index] = name;
    Ok(Term::Filter { name: Match::Pattern(Pattern::new(value.pieces, true)), did: Some(found) })
}

fn is(value: &Value) -> Result<Term, QueryError> {
    let written = value.pieces.join("*");
    match Is::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(&written)) {
        Some(&(is, _)) => Ok(Term::Is(is)),
        None => Err(QueryError::new(value.column, hint::one_of(&written, &Is::ALL.map(|(_, word)| word)))),
    }
}

// A host or path that could never fit is a mistake, not a query that finds nothing.

fn normalise_host(value: &mut Value) -> Result<(), QueryError> {
    let column = value.column;
    let fault = |message| Err(QueryError::new(column, message));
    if let [only] = &mut value.pieces[..] {
        *only = bare_host(only).to_owned();
    } else if let Some(last) = value.pieces.last_mut() {
        let kept = last.trim_end_matches('.').len();
        if kept > 0 {
            last.truncate(kept);
        }
    }
    let text = value.pieces.join("*");
    if !text.is_ascii() {
        return fault("expected a host in its ASCII form, which begins with `xn--`");
    }
    if text.contains('/') {
        return fault("expected a host alone; `scheme:` and `path:` take the rest of a URL");
    }
    let port = text.split_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    if port || text.contains("]:") {
        return fault("expected a host without its port");
    }
    if text.contains(['[', ']']) {
        return fault("expected an IPv6 address without brackets");
    }
    Ok(())
}

fn check_path(value: &Value) -> Result<(), QueryError> {
    let fault = |message| Err(QueryError::new(value.column, message));
    if value.pieces.iter().any(|piece| piece.contains('?')) {
        return fault("expected a path without `?` and what follows it; `url:` has it");
    }
    // OPTIONS has `*` for a path (RFC 9112 section 3.2.4).
    let literal_star = value.pieces.len() == 1 && value.pieces[0] == "*";
    let star_first = value.pieces.len() > 1 && value.pieces[0].is_empty();
    if !value.pieces[0].starts_with('/') && !star_first && !literal_star {
        return fault("expected a path that begins with `/` or `*`");
    }
    Ok(())
}
