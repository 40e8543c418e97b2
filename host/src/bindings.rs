//! The contract in Rust: generated from `wit/`, here and nowhere else.
//!
//! Guests' exports are called through this. Imports are linked by hand in [`crate::imports`], so that strings of a
//! guest are looked at in its memory and not copied first.
#![allow(missing_docs, unreachable_pub, reason = "generated; the contract documents itself")]

wasmtime::component::bindgen!({ path: "../wit/filter.wit", world: "filter" });

/// The interfaces that a filter may export beside these, each from the world that adds it.
pub mod connect {
    wasmtime::component::bindgen!({
        path: "../wit/filter.wit",
        world: "connect-hooks",
        with: { "weir:filter/http": super::weir::filter::http },
    });
}

pub mod message {
    wasmtime::component::bindgen!({
        path: "../wit/filter.wit",
        world: "message-hooks",
        with: { "weir:filter/http": super::weir::filter::http },
    });
}

pub mod completed {
    wasmtime::component::bindgen!({
        path: "../wit/filter.wit",
        world: "completed-hooks",
        with: { "weir:filter/http": super::weir::filter::http },
    });
}

pub mod tick {
    wasmtime::component::bindgen!({ path: "../wit/filter.wit", world: "tick-hooks" });
}

/// `stream-filter`, from `wit/stream.wit`.
pub mod streaming {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "stream-filter",
        exports: { default: async },
        with: {
            "weir:filter/http": super::weir::filter::http,
            "weir:filter/log": super::weir::filter::log,
            "weir:filter/limits": super::weir::filter::limits,
            "weir:filter/metrics": super::weir::filter::metrics,
            "weir:filter/clock": super::weir::filter::clock,
            "weir:filter/random": super::weir::filter::random,
            "weir:filter/kv": super::weir::filter::kv,
            "weir:filter/tags": super::weir::filter::tags,
            "weir:filter/secrets": super::weir::filter::secrets,
        },
    });
}
