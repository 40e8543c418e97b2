//! All patterns as one automaton. Says where the next match is, and whether more bytes could still change that.

use std::fmt;

use regex_automata::{
    Anchored, Input, MatchKind,
    hybrid::{
        dfa::{self, DFA},
        regex::{self, Regex},
    },
    nfa::thompson::{self, WhichCaptures},
};
use regex_syntax::{
    ParserBuilder,
    hir::{Hir, Look},
};
use weir_sdk::Problems;

use crate::config::{Config, Pattern};

/// Longest match of one pattern, bytes: what a stream may have to hold back.
const MAX_LENGTH: usize = 1024;
/// Longest replacement, bytes: it bounds how much a chunk can grow.
const MAX_REPLACEMENT: usize = 256;
const MAX_AUTOMATON: usize = 8 << 20;

/// A match: where it begins and ends, and which pattern it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pattern: usize,
}

/// The patterns of one configuration.
pub(crate) struct Matcher {
    regex: Regex,
    cache: regex::Cache,
    replacements: Vec<Vec<u8>>,
    /// So many bytes from its start decide a match.
    reach: usize,
    looks_around: bool,
}

impl Matcher {
    /// None when there are problems that leave nothing to match with.
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Option<Self> {
        if config.patterns.is_empty() {
            problems.push("/patterns", "at least one pattern");
        }
        check_replacement(&config.replacement, "/replacement", problems);
        let mut hirs = Vec::with_capacity(config.patterns.len());
        let mut replacements = Vec::with_capacity(config.patterns.len());
        for (index, pattern) in config.patterns.iter().enumerate() {
            let at = format!("/patterns/{index}");
            match parse(pattern) {
                Ok(hir) => hirs.push(hir),
                Err((key, fault)) => problems.push(format!("{at}{key}"), fault),
            }
            if let Some(replacement) = &pattern.replacement {
                check_replacement(replacement, &format!("{at}/replacement"), problems);
            }
            replacements.push(pattern.replacement.as_ref().unwrap_or(&config.replacement).clone().into_bytes());
        }
        if hirs.is_empty() || hirs.len() != config.patterns.len() {
            return None;
        }
        match Self::build(&hirs, replacements) {
            Ok(matcher) => Some(matcher),
            Err(fault) => {
                problems.push("/patterns", format!("the patterns together are too large: {fault}"));
                None
            }
        }
    }

    fn build(hirs: &[Hir], replacements: Vec<Vec<u8>>) -> Result<Self, String> {
        // Backward, every match is followed, to find the earliest start.
        let forward = automaton(hirs, false, dfa::Config::new())?;
        let backward = automaton(hirs, true, dfa::Config::new().match_kind(MatchKind::All))?;
        let regex = Regex::builder().build_from_dfas(forward, backward);
        let longest = hirs.iter().filter_map(|hir| hir.properties().maximum_len()).max().unwrap_or(MAX_LENGTH);
        let looks_around = hirs.iter().any(|hir| !hir.properties().look_set().is_empty());
        Ok(Self {
            cache: regex.create_cache(),
            regex,
            replacements,
            reach: longest + usize::from(looks_around),
            looks_around,
        })
    }

    /// So many bytes from where a match begins decide whether it is one, and which.
    pub(crate) fn reach(&self) -> usize {
        self.reach
    }

    /// Patterns look at the byte before a match (`\b`, `^`).
    pub(crate) fn looks_around(&self) -> bool {
        self.looks_around
    }

    /// What stands in place of a match.
    pub(crate) fn replacement(&self, found: Found) -> &[u8] {
        &self.replacements[found.pattern]
    }

    /// The first match at or after `from`, as if the text ended where it ends now.
    pub(crate) fn find(&mut self, text: &[u8], from: usize) -> Option<Found> {
        let found = self.regex.try_search(&mut self.cache, &Input::new(text).range(from..));
        let found = found.expect("automata without quit bytes and with an endless cache finish every search")?;
        Some(Found { start: found.start(), end: found.end(), pattern: found.pattern().as_usize() })
    }

    /// No byte that may follow the text changes which match, if any, begins at `at`.
    pub(crate) fn is_settled(&mut self, text: &[u8], at: usize) -> bool {
        let input = Input::new(text).range(at..).anchored(Anchored::Yes);
        let (steps, cache) = (self.regex.forward(), self.cache.forward_mut());
        let Ok(mut state) = steps.start_state_forward(cache, &input) else { return false };
        for byte in &text[at..] {
            match steps.next_state(cache, state, *byte) {
                Ok(next) if next.is_dead() => return true,
                Ok(next) => state = next,
                // To hold back more than needed is never wrong.
                Err(_) => return false,
            }
        }
        false
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("patterns", &self.replacements.len()).field("reach", &self.reach).finish()
    }
}

fn automaton(hirs: &[Hir], backward: bool, config: dfa::Config) -> Result<DFA, String> {
    let bounds = thompson::Config::new()
        .utf8(false)
        .reverse(backward)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(MAX_AUTOMATON));
    let nfa =
        thompson::Compiler::new().configure(bounds).build_many_from_hir(hirs).map_err(|fault| fault.to_string())?;
    let config = config.skip_cache_capacity_check(true);
    DFA::builder().configure(config).build_from_nfa(nfa).map_err(|fault| fault.to_string())
}

/// The fault comes with the key beneath the pattern where it is.
fn parse(pattern: &Pattern) -> Result<Hir, (&'static str, String)> {
    let (key, expression) = match (&pattern.literal, &pattern.regex) {
        (Some(literal), None) => ("/literal", regex_syntax::escape(literal)),
        (None, Some(regex)) => ("/regex", regex.clone()),
        _ => return Err(("", "either `literal` or `regex`".to_owned())),
    };
    // Bytes, not characters: bodies need not be UTF-8, and classes stay small.
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(pattern.ignore_case)
        .build()
        .parse(&expression);
    let hir = parsed.map_err(|fault| (key, fault.to_string()))?;
    let properties = hir.properties();
    let unicode = [Look::WordUnicode, Look::WordUnicodeNegate, Look::WordStartUnicode, Look::WordEndUnicode];
    match properties.maximum_len() {
        _ if properties.minimum_len().is_none() => Err((key, "can never match".to_owned())),
        _ if properties.minimum_len() == Some(0) => {
            Err((key, "matches no text at all, that is, everywhere".to_owned()))
        }
        _ if unicode.into_iter().any(|look| properties.look_set().contains(look)) => {
            Err((key, "`(?u)` is not supported: bodies are bytes".to_owned()))
        }
        None => Err((key, format!("has no longest match: give repetitions a bound, as in `\\d{{1,{MAX_LENGTH}}}`"))),
        Some(length) if length > MAX_LENGTH => {
            Err((key, format!("its longest match has {length} bytes; {MAX_LENGTH} is the most that is held back")))
        }
        Some(_) => Ok(hir),
    }
}

fn check_replacement(text: &str, at: &str, problems: &mut Problems) {
    if text.len() > MAX_REPLACEMENT {
        problems.push(at, format!("{} bytes, at most {MAX_REPLACEMENT}", text.len()));
    }
}
