//! Characters in, tokens with their columns out. Knows quotes and escapes, not what fields there are.

use crate::QueryError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Open,
    Close,
    And,
    Or,
    /// The keyword or `-`.
    Not,
    /// `field:value`
    Term {
        field: String,
        value: Value,
    },
    /// `field~regex`
    Regex {
        field: String,
        regex: RegexText,
    },
    /// A value without a field; `bare` when it has neither quotes nor escapes.
    Word {
        value: Value,
        bare: Option<String>,
    },
}

/// A value with quotes and escapes undone, cut at its stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub column: usize,
    /// One at least; between two neighbours was a `*`.
    pub pieces: Vec<String>,
}

/// A regular expression with the quotes undone; its own escapes are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegexText {
    pub text: String,
    /// Of each character, and of the end.
    pub columns: Vec<usize>,
}

pub(crate) struct Lexer {
    chars: Vec<char>,
    at: usize,
}

/// A column counts characters from 1.
fn column(at: usize) -> usize {
    at + 1
}

impl Lexer {
    pub(crate) fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0 }
    }

    /// The next token and its column; at the end, none and the column behind the last character.
    pub(crate) fn next(&mut self) -> Result<(usize, Option<Token>), QueryError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let begin = column(self.at);
        let Some(first) = self.peek() else { return Ok((begin, None)) };
        let token = match first {
            '(' => self.single(Token::Open),
            ')' => self.single(Token::Close),
            '-' => {
                let token = self.single(Token::Not);
                if self.peek().is_none_or(char::is_whitespace) {
                    let expected = "expected `field:value`, a word or `(` right behind `-`";
                    return Err(QueryError::new(column(self.at), expected));
                }
                token
            }
            // a path, whatever is in it
            '"' | '/' => self.bare_word()?,
            _ => self.word()?,
        };
        Ok((begin, Some(token)))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn single(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn word(&mut self) -> Result<Token, QueryError> {
        let begin = self.at;
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ':' | '~' | '"' | '\\');
        while self.peek().is_some_and(|c| !ends(c)) {
            self.at += 1;
        }
        let word: String = self.chars[begin..self.at].iter().collect();
        match self.peek() {
            Some(':' | '~') if word.is_empty() => {
                let expected = "expected `field:value`, found a value without a field";
                Err(QueryError::new(column(begin), expected))
            }
            // an address as it is copied from elsewhere
            Some(':') if is_web(&word) && self.chars[self.at + 1..].starts_with(&['/', '/']) => {
                self.at = begin;
                self.bare_word()
            }
            Some(':') => {
                self.at += 1;
                let value = self.value(&word)?;
                Ok(Token::Term { field: word, value })
            }
            Some('~') => {
                self.at += 1;
                let regex = self.regex(&word)?;
                Ok(Token::Regex { field: word, regex })
            }
            next => match word.to_ascii_lowercase().as_str() {
                "and" if next != Some('"') && next != Some('\\') => Ok(Token::And),
                "or" if next != Some('"') && next != Some('\\') => Ok(Token::Or),
                "not" if next != Some('"') && next != Some('\\') => Ok(Token::Not),
                _ => {
                    self.at = begin;
                    self.bare_word()
                }
            },
        }
    }

    fn bare_word(&mut self) -> Result<Token, QueryError> {
        let begin = self.at;
        let value = self.value("")?;
        let raw = &self.chars[begin..self.at];
        let bare = (!raw.iter().any(|c| matches!(c, '"' | '\\'))).then(|| raw.iter().collect());
        Ok(Token::Word { value, bare })
    }

    fn value(&mut self, field: &str) -> Result<Value, QueryError> {
        let begin = self.at;
        let mut pieces = vec![String::new()];
        // Where the quotes opened that are still open.
        let mut quoted: Option<usize> = None;
        while let Some(c) = self.peek().filter(|&c| quoted.is_some() || !c.is_whitespace() && c != ')') {
            let at = self.at;
            self.at += 1;
            let piece = pieces.last_mut().expect("there is one from the start");
            match c {
                '"' => quoted = if quoted.is_some() { None } else { Some(at) },
                '*' => pieces.push(String::new()),
                '\\' => piece.push(self.escaped()?),
                '(' if quoted.is_none() => {
                    let expected = "expected a space before `(`; a value with `(` needs quotes";
                    return Err(QueryError::new(column(at), expected));
                }
                other => piece.push(other),
            }
        }
        self.closed(quoted)?;
        if self.at == begin {
            return Err(QueryError::new(column(begin), format!("expected a value behind `{field}:`")));
        }
        Ok(Value { column: column(begin), pieces })
    }

    /// `\"` is a quotation mark; what else begins with `\` is the regular expression's own.
    fn regex(&mut self, field: &str) -> Result<RegexText, QueryError> {
        let begin = self.at;
        let quoted = (self.peek() == Some('"')).then_some(begin);
        self.at += usize::from(quoted.is_some());
        let (mut text, mut columns) = (String::new(), Vec::new());
        let ends = |c: char| match quoted {
            Some(_) => c == '"',
            None => c.is_whitespace() || c == ')',
        };
        while let Some(c) = self.peek().filter(|&c| !ends(c)) {
            if c == '(' && quoted.is_none() {
                let expected = "expected a space before `(`; a regular expression with `(` needs quotes";
                return Err(QueryError::new(column(self.at), expected));
            }
            columns.push(column(self.at));
            self.at += 1;
            if c != '\\' {
                text.push(c);
                continue;
            }
            let escaped = self.escaped()?;
            if escaped != '"' {
                text.push('\\');
                columns.push(column(self.at - 1));
            }
            text.push(escaped);
        }
        columns.push(column(self.at));
        if quoted.is_some() && self.peek() == Some('"') {
            self.at += 1;
            if self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, '(' | ')')) {
                let expected = "expected a space behind the `\"` that closes; a quotation mark within is `\\\"`";
                return Err(QueryError::new(column(self.at), expected));
            }
        } else {
            self.closed(quoted)?;
        }
        if text.is_empty() {
            let expected = format!("expected a regular expression behind `{field}~`");
            return Err(QueryError::new(column(begin), expected));
        }
        Ok(RegexText { text, columns })
    }

    fn escaped(&mut self) -> Result<char, QueryError> {
        let c = self.peek().ok_or_else(|| QueryError::new(column(self.at), "expected a character behind `\\`"))?;
        self.at += 1;
        Ok(c)
    }

    fn closed(&self, quoted: Option<usize>) -> Result<(), QueryError> {
        let Some(opened) = quoted else { return Ok(()) };
        let expected = format!("expected `\"` to close the one of column {}", column(opened));
        Err(QueryError::new(column(self.at), expected))
    }
}

fn is_web(scheme: &str) -> bool {
    ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}
