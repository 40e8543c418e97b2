//! The fields after a body.

use crate::{Headers, HeadersMut, Request, headers::Part};

/// The fields after a body.
#[derive(Debug)]
pub struct Trailers {
    request: Request,
    part: Part,
}

impl Trailers {
    pub(crate) fn new(number: u32, part: Part) -> Self {
        Self { request: Request::new(number, true), part }
    }

    /// The request of this exchange.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The fields.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.request.number(), self.part)
    }

    /// The fields, to be changed.
    pub fn headers_mut(&mut self) -> HeadersMut<'_> {
        HeadersMut::new(self.request.number(), self.part)
    }
}
