//! Fields of a head or of trailers, read and changed in place by calls to the agent: nothing is copied that is not asked
//! for.

use std::{fmt, marker::PhantomData};

use crate::imports;

/// A set of fields of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Request,
    Response,
    RequestTrailers,
    ResponseTrailers,
}

/// Why a change of a head did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// The agent owns this field (framing and hop-by-hop fields, RFC 9110 section 7.6.1) or the part is read-only.
    Forbidden,
    /// Not a valid field name, field value, method, status, authority or path.
    InvalidSyntax,
    /// The head would outgrow the agent's bound.
    TooLarge,
    /// This head has already been sent.
    Frozen,
    /// There is no such part: no response yet, or no trailers.
    Absent,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "the agent owns this field, or the part is read-only",
            Self::InvalidSyntax => "not a valid name or value",
            Self::TooLarge => "the head would outgrow the agent's bound",
            Self::Frozen => "this head has already been sent",
            Self::Absent => "there is no such part",
        })
    }
}

impl std::error::Error for HeaderError {}

/// Fields, to be read. Names are compared without regard to case; values are latin-1.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    number: u32,
    part: Part,
    of: PhantomData<&'a ()>,
}

impl Headers<'_> {
    pub(crate) fn new(number: u32, part: Part) -> Self {
        Self { number, part, of: PhantomData }
    }

    /// First value of a field.
    pub fn get(&self, name: &str) -> Option<String> {
        imports::header(self.number, self.part, name)
    }

    /// Every value of a field, in order. Lines are not split at commas.
    pub fn get_all(&self, name: &str) -> Vec<String> {
        imports::header_values(self.number, self.part, name)
    }

    /// The field is there. Costs as much as [`Self::get`].
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every field line, names in lower case. Dearer than [`Self::get`] for less than about twelve fields.
    pub fn all(&self) -> Vec<(String, String)> {
        imports::headers(self.number, self.part)
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").field("part", &self.part).finish_non_exhaustive()
    }
}

/// Fields, to be read and changed. Names are compared without regard to case; values are latin-1.
pub struct HeadersMut<'a> {
    headers: Headers<'a>,
    of: PhantomData<&'a mut ()>,
}

impl HeadersMut<'_> {
    pub(crate) fn new(number: u32, part: Part) -> Self {
        Self { headers: Headers::new(number, part), of: PhantomData }
    }

    /// Puts one value in place of every value of the field.
    ///
    /// # Errors
    /// The field is as it was.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        imports::set_header(self.number, self.part, name, value)
    }

    /// Adds a field line.
    ///
    /// # Errors
    /// Nothing was added.
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        imports::append_header(self.number, self.part, name, value)
    }

    /// Removes every value of the field; a field that is not there is no error.
    ///
    /// # Errors
    /// The field is as it was.
    pub fn remove(&mut self, name: &str) -> Result<(), HeaderError> {
        imports::remove_header(self.number, self.part, name)
    }

    /// Removes fields of these names (in lower case) that somebody else may have sent, in every spelling that an upstream
    /// may take for one of them: CGI and its heirs make one variable of `x-user` and `x_user`.
    ///
    /// # Errors
    /// Some may still be there.
    pub fn remove_forged(&mut self, names: &[&str]) -> Result<(), HeaderError> {
        if names.is_empty() {
            return Ok(());
        }
        let alike = |a: u8, b: u8| a == b || matches!((a, b), (b'_', b'-') | (b'-', b'_'));
        for (sent, _) in self.all() {
            let is_one =
                |name: &&str| name.len() == sent.len() && name.bytes().zip(sent.bytes()).all(|(a, b)| alike(a, b));
            if names.iter().any(is_one) {
                self.remove(&sent)?;
            }
        }
        Ok(())
    }
}

impl<'a> std::ops::Deref for HeadersMut<'a> {
    type Target = Headers<'a>;

    fn deref(&self) -> &Headers<'a> {
        &self.headers
    }
}
