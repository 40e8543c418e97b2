//! Tokens in, a checked [`Query`] out. Descends once per nesting, and no deeper than [`MAX_DEPTH`].

use crate::{
    Expr, MAX_BYTES, MAX_DEPTH, Query, QueryError,
    lex::{Lexer, Token},
    value,
};

pub(crate) fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(QueryError::new(1, format!("expected {MAX_BYTES} bytes at most, found {}", text.len())));
    }
    let mut lexer = Lexer::new(text);
    let ahead = lexer.next()?;
    let mut parser = Parser { lexer, ahead, beyond_request: None };
    if parser.ahead.1.is_none() {
        return Ok(Query::default());
    }
    let expr = parser.or(0)?;
    match parser.ahead {
        (_, None) => Ok(Query { expr: Some(expr), beyond_request: parser.beyond_request }),
        (column, Some(_)) => Err(QueryError::new(column, "this `)` closes nothing: expected a term or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: (usize, Option<Token>),
    beyond_request: Option<(usize, String)>,
}

impl Parser<'_> {
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
                Some(Token::Open | Token::Not | Token::Term { .. }) => {}
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
        let expected = |found: &str| QueryError::new(column, format!("expected `field:value` or `(`, found {found}"));
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
                let term = value::term(column, &field, value)?;
                if !term.at_request() && self.beyond_request.is_none() {
                    self.beyond_request = Some((column, field));
                }
                Ok(Expr::Term(term))
            }
            Some(Token::Close) => Err(expected("`)`")),
            Some(Token::And) => Err(expected("`and`")),
            Some(Token::Or) => Err(expected("`or`")),
            None => Err(expected("the end")),
        }
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
