//! One rule: a pattern, and what a match comes to.

use std::{cell::RefCell, fmt};

use regex_automata::{
    hybrid::{
        dfa,
        regex::{Cache, Regex},
    },
    nfa::thompson,
    util::syntax,
};
use weir_sdk::{Origin, Problems};

use crate::config::{self, Side, Then};

/// Of one pattern's automaton, bytes.
const MAX_AUTOMATON: usize = 2 << 20;
/// RFC 6455 section 5.5: a Close has room for this.
const MAX_REASON: usize = 123;

/// A rule of the configuration, checked.
pub(crate) struct Rule {
    regex: Regex,
    cache: RefCell<Cache>,
    from: Option<Side>,
    pub(crate) then: Then,
    replacement: Vec<u8>,
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Rule {
    /// None where there is a problem with the pattern.
    pub(crate) fn new(rule: config::Rule, at: &str, problems: &mut Problems) -> Option<Self> {
        if !matches!(rule.code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            problems.push(format!("{at}/code"), "no code that may be sent (RFC 6455 section 7.4)");
        }
        if rule.reason.len() > MAX_REASON {
            problems.push(format!("{at}/reason"), format!("{} bytes, at most {MAX_REASON}", rule.reason.len()));
        }
        let (key, expression) = match (&rule.literal, &rule.regex) {
            (Some(literal), None) => ("literal", escape(literal)),
            (None, Some(regex)) => ("regex", regex.clone()),
            _ => {
                problems.push(at, "either `literal` or `regex`");
                return None;
            }
        };
        match build(&expression, rule.ignore_case) {
            Ok(regex) => Some(Self {
                cache: RefCell::new(regex.create_cache()),
                regex,
                from: rule.from,
                then: rule.then,
                replacement: rule.replacement.into_bytes(),
                code: rule.code,
                reason: rule.reason,
            }),
            Err(fault) => {
                problems.push(format!("{at}/{key}"), fault);
                None
            }
        }
    }

    /// Is it about what this side says?
    pub(crate) fn hears(&self, origin: Origin) -> bool {
        self.from.is_none_or(|side| (side == Side::Client) == (origin == Origin::Client))
    }

    /// Is there a match?
    pub(crate) fn finds(&self, text: &[u8]) -> bool {
        self.regex.is_match(&mut self.cache.borrow_mut(), text)
    }

    /// With every match replaced. None: there is none.
    pub(crate) fn replace(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut cache = self.cache.borrow_mut();
        let (mut out, mut at) = (Vec::new(), 0);
        for found in self.regex.find_iter(&mut cache, text).filter(|found| !found.is_empty()) {
            out.extend_from_slice(&text[at..found.start()]);
            out.extend_from_slice(&self.replacement);
            at = found.end();
        }
        (at > 0).then(|| [&out, &text[at..]].concat())
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("from", &self.from).field("then", &self.then).finish_non_exhaustive()
    }
}

/// On bytes, not characters: messages need not be UTF-8, and classes stay small.
fn build(expression: &str, ignore_case: bool) -> Result<Regex, String> {
    let regex = Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false).case_insensitive(ignore_case))
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_AUTOMATON)))
        .dfa(dfa::Config::new().skip_cache_capacity_check(true))
        .build(expression)
        .map_err(|fault| fault.to_string())?;
    if regex.is_match(&mut regex.create_cache(), "") {
        return Err("matches no text at all, that is, everywhere".to_owned());
    }
    Ok(regex)
}

fn escape(literal: &str) -> String {
    let mut escaped = String::with_capacity(literal.len() + 8);
    for c in literal.chars() {
        if c.is_ascii_punctuation() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
