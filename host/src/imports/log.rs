//! `log`: lines for the operator, limited in rate and length, and unable to forge other lines.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{Level, bindings::weir::filter::log::Level as GuestLevel, line::line, state::State};

/// Longer lines are cut: a log is read by people.
const LINE_BYTES: usize = 16 << 10;

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(&super::interface("log"))?.func_wrap(
        "write",
        |store: StoreContextMut<'_, State>, (level, message): (GuestLevel, WasmStr)| {
            let state = store.data();
            let Some(lost) = state.filter.log_rate().admit() else {
                state.filter.stats().suppressed();
                return Ok(());
            };
            let exchange = state.lent.as_deref().map(|exchange| exchange.id);
            if lost != 0 {
                let note = format!("{lost} lines over the limit were not written");
                state.log.write(&state.filter, None, Level::Warn, &note);
            }
            let text = message.to_str(&store)?;
            let limit = LINE_BYTES.min(state.filter.publication().limits.answer_bytes as usize);
            state.filter.stats().logged();
            state.log.write(&state.filter, exchange, level.into(), &line(&text, limit));
            Ok(())
        },
    )
}

impl From<GuestLevel> for Level {
    fn from(level: GuestLevel) -> Self {
        match level {
            GuestLevel::Debug => Self::Debug,
            GuestLevel::Info => Self::Info,
            GuestLevel::Warn => Self::Warn,
            GuestLevel::Error => Self::Error,
        }
    }
}
