//! The exports `completed` and `tick` of a component, where `export!` is asked for them.

use std::time::Duration;

use crate::{
    Completed, Summary, Tick,
    component::{Component, done_reason},
};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from wit/filter.wit, where the documentation is"
)]
pub mod completed_bindings {
    wit_bindgen::generate!({
        path: "../../wit/filter.wit",
        world: "completed-hooks",
        pub_export_macro: true,
        export_macro_name: "export_completed",
        default_bindings_module: "weir_sdk::__private::completed_bindings",
        with: { "weir:filter/http@0.1.0": crate::component::bindings::weir::filter::http },
    });
}

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from wit/filter.wit, where the documentation is"
)]
pub mod tick_bindings {
    wit_bindgen::generate!({
        path: "../../wit/filter.wit",
        world: "tick-hooks",
        pub_export_macro: true,
        export_macro_name: "export_tick",
        default_bindings_module: "weir_sdk::__private::tick_bindings",
    });
}

pub use completed_bindings::export_completed;
pub use tick_bindings::export_tick;

use completed_bindings::exports::weir::filter::completed;
use tick_bindings::exports::weir::filter::tick;

impl<C: Component> completed::Guest for C
where
    C::Filter: Completed,
{
    fn on_completed(of: u32, told: completed::Summary) {
        let summary = Summary {
            request_bytes: told.request_bytes,
            response_bytes: told.response_bytes,
            duration: milliseconds(told.duration),
            first_byte: told.first_byte.map(milliseconds),
            upstream_address: told.upstream_address,
        };
        C::with(|guest| guest.completed(of, done_reason(told.reason), &summary));
    }
}

fn milliseconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count / 1000.0).unwrap_or_default()
}

impl<C: Component> tick::Guest for C
where
    C::Filter: Tick,
{
    fn interval() -> u32 {
        let interval = C::with(|guest| guest.interval());
        u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
    }

    fn on_tick() {
        C::with(|guest| guest.tick());
    }
}
