//! The text of the guest contract, for tools that embed it: its worlds live in `filter.wit` and `stream.wit` beside this crate.

/// What the WIT package `weir:filter` has for filters of plain functions; those with streams have `stream.wit` beside it.
pub const FILTER_WIT: &str = include_str!("../filter.wit");

/// `name@version` of the package, as it stands in imports and exports of a component.
pub const PACKAGE: &str = "weir:filter";

/// Version of the package that this tree speaks.
pub const VERSION: &str = "0.1.0";
