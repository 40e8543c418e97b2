//! How an answer is written: a table for people, an array for programs. A closed pipe is an error, not a panic.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::person;

/// Width when there is no terminal to ask: what goes to a file or to `grep` is cut only where it is beyond reading.
const WIDTH: usize = 1_000;
const GAP: usize = 2;
/// A column that gives way is never narrower than this.
const NARROWEST: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: what REST answers; a listing is an array
    Json,
}

/// One line, or several, whether the last of them is ended or not.
pub(crate) fn say(text: impl AsRef<str>) -> io::Result<()> {
    let text = text.as_ref();
    let mut out = io::stdout().lock();
    out.write_all(text.strip_suffix('\n').unwrap_or(text).as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Byte for byte, but on a terminal, which what came from the network must not command.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        return out.write_all(person::body(&text).as_bytes());
    }
    out.write_all(bytes)
}

pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    say(serde_json::to_string_pretty(value)?)
}

/// How a column behaves.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// As wide as its widest cell.
    Text(&'static str),
    /// The same, to the right.
    Number(&'static str),
    /// Gives way, cut with `…`, when the table is wider than the terminal.
    Long(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Text(head) | Self::Number(head) | Self::Long(head) => head,
        }
    }
}

/// Cells have to be fit for a terminal: see [`super::person`].
pub(crate) fn table<const N: usize>(columns: [Column; N], rows: Vec<[String; N]>) -> String {
    layout(columns, rows, width())
}

fn width() -> usize {
    let stated = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    stated.or_else(|| Table::new().width().map(usize::from)).unwrap_or(WIDTH)
}

fn layout<const N: usize>(columns: [Column; N], rows: Vec<[String; N]>, width: usize) -> String {
    let mut widths = columns.map(|column| column.head().len());
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = cell.chars().count().max(*widest);
        }
    }
    give_way(&columns, &mut widths, width);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(columns.map(Column::head));
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| cut(cell, width)).collect();
        table.add_row(cells);
    }
    for (index, column) in columns.iter().enumerate() {
        let Some(laid) = table.column_mut(index) else { continue };
        laid.set_padding((0, GAP as u16));
        if matches!(column, Column::Number(_)) {
            laid.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The widest of the long columns gives first.
fn give_way(columns: &[Column], widths: &mut [usize], width: usize) {
    let gaps = GAP * columns.len().saturating_sub(1);
    loop {
        let total = widths.iter().sum::<usize>() + gaps;
        let long = columns.iter().zip(widths.iter_mut()).filter(|(column, _)| matches!(column, Column::Long(_)));
        let widest = long.map(|(_, width)| width).filter(|width| **width > NARROWEST).max_by_key(|width| **width);
        match widest {
            Some(widest) if total > width => *widest -= 1,
            _ => return,
        }
    }
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_columns_give_way_and_nothing_wraps() {
        let columns = [Column::Text("ID"), Column::Long("URL"), Column::Number("SIZE")];
        let url = format!("https://example.com/{}", "x".repeat(200));
        let rows = vec![["1".to_owned(), url, "5 B".to_owned()], ["22".to_owned(), "-".to_owned(), "99 B".to_owned()]];
        let laid = layout(columns, rows, 40);
        let lines: Vec<&str> = laid.lines().collect();
        assert_eq!(lines[0], format!("ID  URL{}SIZE", " ".repeat(29)));
        assert_eq!(lines[1], format!("1   https://example.com/{}…   5 B", "x".repeat(9)));
        assert_eq!(lines[2], format!("22  -{}99 B", " ".repeat(31)));
    }
}
