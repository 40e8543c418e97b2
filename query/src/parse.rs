//! Tokens in, a checked [`Query`] out. Descends once per nesting, and no deeper than [`MAX_DEPTH`].

use crate::{
    Beyond, Expr, MAX_BYTES, MAX_DEPTH, MAX_REGEXES, MAX_TERMS, Moment, Query, QueryError, Term,
    lex::{Lexer, Token},
    value,
};

pub(crate) fn parse(text: &str, now_ms: u64) -> Result<Query, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(QueryError::new(1, format!("expected {MAX_BYTES} bytes at most, found {}", text.len())));
    }
    let mut lexer = Lexer::new(text);
    let ahead = lexer.next()?;
    let mut parser = Parser { lexer, ahead, now_ms, terms: 0, regexes: 0, beyond: [None, None] };
    if parser.ahead.1.is_none() {
        return Ok(Query::default());
    }
    let expr = parser.or(0)?;
    match parser.ahead {
        (_, None) => Ok(Query { expr: Some(expr), beyond: parser.beyond }),
        (column, Some(_)) => Err(QueryError::new(column, "this `)` closes nothing: expected a term or the end")),
    }
}

struct Parser {
    lexer: Lexer,
    ahead: (usize, Option<Token>),
    now_ms: u64,
    terms: usize,
    regexes: usize,
    beyond: [Option<(usize, Beyond)>; 2],
}

impl Parser {
    fn or(&mut self, depth: usize) -> Result<Expr, QueryError> {
        let mut parts = vec![self.and(depth)?];
        while self.ahead.1 == Some(Token::Or) {
            self.advance()?;
            parts.push(self.and(depth)?);
        }
        Ok(Expr::or(parts))
    }

    fn and(&mut self, depth: usize) -> Result<Expr, QueryError> {
        let mut parts = vec![self.not(depth)?];
        loop {
            match self.ahead.1 {
                Some(Token::And) => {
                    self.advance()?;
                }
                Some(Token::Open | Token::Not | Token::Term { .. } | Token::Regex { .. } | Token::Word { .. }) => {}
                None | Some(Token::Or | Token::Close) => return Ok(Expr::and(parts)),
            }
            parts.push(self.not(depth)?);
        }
    }

    fn not(&mut self, depth: usize) -> Result<Expr, QueryError> {
        let (column, token) = self.advance()?;
        if depth > MAX_DEPTH {
            return Err(QueryError::new(
                column,
                format!("expected no more than {MAX_DEPTH} of `(`, `not` and `-` nested"),
            ));
        }
        let expected =
            |found: &str| QueryError::new(column, format!("expected `field:value`, a word or `(`, found {found}"));
        match token {
            Some(Token::Not) => Ok(Expr::Not(Box::new(self.not(depth + 1)?))),
            Some(Token::Open) => {
                let inner = self.or(depth + 1)?;
                match self.advance()? {
                    (_, Some(Token::Close)) => Ok(inner),
                    (at, _) => Err(QueryError::new(at, format!("expected `)` to close the `(` of column {column}"))),
                }
            }
            Some(Token::Term { field, value }) => {
                let term = value::term(column, &field, value, self.now_ms)?;
                self.term(column, term, Beyond::Field(field))
            }
            Some(Token::Regex { field, regex }) => {
                self.regexes += 1;
                if self.regexes > MAX_REGEXES {
                    let expected = format!("expected no more than {MAX_REGEXES} regular expressions");
                    return Err(QueryError::new(column, expected));
                }
                let term = value::regex_term(column, &field, &regex)?;
                self.term(column, term, Beyond::Field(field))
            }
            Some(Token::Word { value, bare }) => {
                let term = value::word(column, value, bare.as_deref())?;
                // Who misspells a field must not be understood as somebody who means a word.
                for beyond in &mut self.beyond {
                    beyond.get_or_insert((column, Beyond::Word));
                }
                self.term(column, term, Beyond::Word)
            }
            Some(Token::Close) => Err(expected("`)`")),
            Some(Token::And) => Err(expected("`and`")),
            Some(Token::Or) => Err(expected("`or`")),
            None => Err(expected("the end")),
        }
    }

    fn term(&mut self, column: usize, term: Term, written: Beyond) -> Result<Expr, QueryError> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(QueryError::new(column, format!("expected no more than {MAX_TERMS} terms")));
        }
        for moment in [Moment::Request, Moment::Response] {
            if !term.known_at(moment) {
                self.beyond[moment as usize].get_or_insert((column, written.clone()));
            }
        }
        Ok(Expr::Term(term))
    }

    /// Gives the token ahead and reads the next.
    fn advance(&mut self) -> Result<(usize, Option<Token>), QueryError> {
        let next = match self.ahead.1 {
            Some(_) => self.lexer.next()?,
            None => (self.ahead.0, None),
        };
        Ok(std::mem::replace(&mut self.ahead, next))
    }
}
