//! Golden cases of filters.
