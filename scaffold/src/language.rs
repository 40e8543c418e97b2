//! The languages that a project can be begun in, and what is said of each.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript, by componentize-qjs.
    JavaScript,
    /// Python, by componentize-py.
    Python,
    /// C, by clang as Zig ships it.
    C,
    /// Go, by the stock compiler.
    Go,
}

impl Language {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Rust, Self::JavaScript, Self::Python, Self::C, Self::Go];

    /// As its folder in `sdk/` is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
        }
    }

    /// As its authors call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// What has to be there to build.
    pub(crate) fn needs(self) -> &'static str {
        match self {
            Self::Rust => "cargo 1.95; the target wasm32-unknown-unknown is added by rustup when it is missing",
            Self::JavaScript => "Node.js with npm; componentize-qjs is fetched into `.tools/` when it is missing",
            Self::Python => "Python 3 with venv; componentize-py is fetched into `.tools/` when it is missing",
            Self::C => "`zig`, or Python 3 with venv: then Zig's clang is fetched into `.tools/` when it is missing",
            Self::Go => "Go 1.25, or Python 3 with venv: then Go is fetched into `.tools/` when it is missing",
        }
    }

    /// Where the filter is.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::JavaScript => "filter.js",
            Self::Python => "filter.py",
            Self::C => "filter.c",
            Self::Go => "filter.go",
        }
    }

    /// Where the calls are documented.
    pub(crate) fn reference(self) -> &'static str {
        match self {
            Self::Rust => "`weir/sdk/rust` (`cargo doc --open`)",
            Self::JavaScript => "`weir/sdk/js/weir.d.ts`",
            Self::Python => "`weir/sdk/python/weir`",
            Self::C => "`weir/sdk/c/weir.h`",
            Self::Go => "`weir/sdk/go`",
        }
    }
}
