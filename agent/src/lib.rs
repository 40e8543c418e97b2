//! An agent: carries traffic and runs filters on it.
