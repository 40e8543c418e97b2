//! `log`: lines for the operator, limited in rate and length, and unable to forge other lines.

use std::{borrow::Cow, fmt::Write as _};

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{Level, bindings::weir::filter::log::Level as GuestLevel, state::State};

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

/// One line, whatever the guest wrote: control characters are escaped, the rest of an overlong one is counted.
fn line(text: &str, limit: usize) -> Cow<'_, str> {
    let end = text.floor_char_boundary(limit);
    let (kept, cut) = (&text[..end], text.len() - end);
    if cut == 0 && !kept.contains(char::is_control) {
        return Cow::Borrowed(kept);
    }
    let mut line = String::with_capacity(kept.len() + 32);
    for c in kept.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    if cut != 0 {
        write!(line, "… ({cut} bytes more)").expect("writing to a string cannot fail");
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(line("plain é", 100), "plain é");
        assert_eq!(line("a\nINFO forged\u{1b}[2J\u{9b}", 100), "a\\nINFO forged\\u{1b}[2J\\u{9b}");
        assert_eq!(line("abécd", 3), "ab… (4 bytes more)");
    }
}
