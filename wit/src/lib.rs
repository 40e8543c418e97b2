//! The text of the guest contract, for tools that embed it: the world lives in `filter.wit` beside this crate.

/// The WIT package `weir:filter`, whole.
pub const FILTER_WIT: &str = include_str!("../filter.wit");

/// `name@version` of the package, as it stands in imports and exports of a component.
pub const PACKAGE: &str = "weir:filter";

/// Version of the package that this tree speaks.
pub const VERSION: &str = "0.1.0";
