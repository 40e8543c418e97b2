//! Characters in, tokens with their columns out. Knows quotes and escapes, not what fields there are.

use std::{iter::Peekable, str::Chars};

use crate::QueryError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Open,
    Close,
    And,
    Or,
    /// The keyword or `-`.
    Not,
    Term {
        field: String,
        value: Value,
    },
}

/// A value with quotes and escapes undone, cut at its stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub column: usize,
    /// One at least; between two neighbours was a `*`.
    pub pieces: Vec<String>,
}

pub(crate) struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    /// Of the character that comes next, from 1.
    column: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { chars: text.chars().peekable(), column: 1 }
    }

    /// The next token and its column; at the end, none and the column behind the last character.
    pub(crate) fn next(&mut self) -> Result<(usize, Option<Token>), QueryError> {
        while self.take_if(char::is_whitespace).is_some() {}
        let column = self.column;
        let Some(&first) = self.chars.peek() else { return Ok((column, None)) };
        let token = match first {
            '(' => self.single(Token::Open),
            ')' => self.single(Token::Close),
            '-' => {
                let token = self.single(Token::Not);
                if self.chars.peek().is_none_or(|c| c.is_whitespace()) {
                    return Err(QueryError::new(self.column, "expected `field:value` or `(` right behind `-`"));
                }
                token
            }
            _ => self.word(column)?,
        };
        Ok((column, Some(token)))
    }

    fn single(&mut self, token: Token) -> Token {
        self.take_if(|_| true);
        token
    }

    fn word(&mut self, column: usize) -> Result<Token, QueryError> {
        let mut word = String::new();
        while let Some(c) = self.take_if(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ':' | '"')) {
            word.push(c);
        }
        if word.is_empty() {
            return Err(QueryError::new(column, "expected `field:value`, found a value without a field"));
        }
        if self.take_if(|c| c == ':').is_some() {
            let value = self.value(&word)?;
            return Ok(Token::Term { field: word, value });
        }
        match word.to_ascii_lowercase().as_str() {
            "and" => Ok(Token::And),
            "or" => Ok(Token::Or),
            "not" => Ok(Token::Not),
            _ => Err(QueryError::new(column, format!("expected `field:value`, `and`, `or` or `not`, found `{word}`"))),
        }
    }

    fn value(&mut self, field: &str) -> Result<Value, QueryError> {
        let column = self.column;
        let mut pieces = vec![String::new()];
        // Where the quotes opened that are still open.
        let mut quoted: Option<usize> = None;
        let mut seen = false;
        loop {
            let at = self.column;
            let Some(c) = self.take_if(|c| quoted.is_some() || !c.is_whitespace() && c != ')') else { break };
            seen = true;
            let piece = pieces.last_mut().expect("there is one from the start");
            match c {
                '"' => quoted = if quoted.is_some() { None } else { Some(at) },
                '*' => pieces.push(String::new()),
                '\\' => match self.take_if(|_| true) {
                    Some(escaped) => piece.push(escaped),
                    None => return Err(QueryError::new(self.column, "expected a character behind `\\`")),
                },
                '(' if quoted.is_none() => {
                    return Err(QueryError::new(at, "expected a space before `(`; a value with `(` needs quotes"));
                }
                other => piece.push(other),
            }
        }
        if let Some(opened) = quoted {
            return Err(QueryError::new(self.column, format!("expected `\"` to close the one of column {opened}")));
        }
        if !seen {
            return Err(QueryError::new(column, format!("expected a value behind `{field}:`")));
        }
        Ok(Value { column, pieces })
    }

    fn take_if(&mut self, fits: impl Fn(char) -> bool) -> Option<char> {
        let c = self.chars.next_if(|&c| fits(c))?;
        self.column += 1;
        Some(c)
    }
}
