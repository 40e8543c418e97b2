//! The frame of an archive: `log`, its `creator` and `entries`. Each entry is handed on as soon as it is read.

use std::{
    cell::RefCell,
    fmt,
    io::{self, Read},
    rc::Rc,
};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{
    Found, ImportError, LeftOut, Source,
    custom::PassedOver,
    exchange::{self, Outcome},
    model::{Creator, Entry},
    place::{Fault, cut},
    shorten::{Shorten, Told},
};

/// Places that are told; all are counted.
const MOST_PLACES: usize = 5;
/// Told apart; what comes then is counted together.
const MOST_SCHEMES: usize = 20;

/// What is carried through the visitors of the frame.
struct Reading<'a> {
    take: &'a mut dyn FnMut(Found) -> bool,
    told: Rc<Told>,
    /// Why it ended, in more words than serde can carry.
    failure: Option<ImportError>,
    source: Source,
    left_out: LeftOut,
    has_entries: bool,
}

pub(super) fn read(file: impl Read, take: &mut dyn FnMut(Found) -> bool) -> Result<(Source, LeftOut), ImportError> {
    let told = Rc::new(Told::default());
    let reading = RefCell::new(Reading {
        take,
        told: Rc::clone(&told),
        failure: None,
        source: Source::default(),
        left_out: LeftOut::default(),
        has_entries: false,
    });
    let file = without_mark(file).map_err(|error| ImportError::File(error.to_string()))?;
    let mut json = serde_json::Deserializer::from_reader(Shorten::new(file, Rc::clone(&told)));
    let result = Part { reading: &reading, of: Frame::File }.deserialize(&mut json).and_then(|()| json.end());
    let mut reading = reading.into_inner();
    reading.left_out.cut = told.cut.get();
    match (reading.failure, result) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(ImportError::File(cut(&not_read(&error)))),
        (None, Ok(())) if !reading.has_entries => {
            Err(ImportError::File("there is no `log` with `entries`: this is no HTTP Archive".to_owned()))
        }
        (None, Ok(())) => Ok((reading.source, reading.left_out)),
    }
}

/// A HAR is JSON: a file that is none may be the wrong one, and one that ends early was not written to its end.
fn not_read(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Syntax => format!("it is no JSON, so no HTTP Archive: {error}"),
        Category::Eof => format!("it is no whole JSON, so no HTTP Archive, or one that was cut off: {error}"),
        Category::Data | Category::Io => error.to_string(),
    }
}

/// Some writers begin with a byte order mark.
fn without_mark(mut file: impl Read) -> io::Result<impl Read> {
    let mut first = Vec::new();
    file.by_ref().take(3).read_to_end(&mut first)?;
    if first == b"\xef\xbb\xbf" {
        first.clear();
    }
    Ok(io::Cursor::new(first).chain(file))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    File,
    Log,
    Entries,
}

struct Part<'a, 'b> {
    reading: &'a RefCell<Reading<'b>>,
    of: Frame,
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.of {
            Frame::File | Frame::Log => deserializer.deserialize_map(self),
            Frame::Entries => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Part<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.of {
            Frame::File => "an HTTP Archive: an object with `log`",
            Frame::Log => "`log`, an object with `entries`",
            Frame::Entries => "`log.entries`, a list",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = if self.of == Frame::File { Frame::Log } else { Frame::Entries };
        let mut seen = false;
        while let Some(name) = members.next_key::<String>()? {
            match (self.of, name.as_str()) {
                (Frame::File, "log") | (Frame::Log, "entries") => {
                    if seen {
                        return Err(A::Error::custom(format!("`{name}` is there twice")));
                    }
                    seen = true;
                    members.next_value_seed(Part { reading: self.reading, of: inner })?;
                }
                (Frame::Log, "creator") => {
                    let creator: Option<Creator> = members.next_value()?;
                    let Creator { name, version } = creator.unwrap_or_default();
                    self.reading.borrow_mut().source.creator = cut(format!("{name} {version}").trim());
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
            self.reading.borrow().told.passed.set(0);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.reading.borrow_mut().has_entries = true;
        let mut index = 0;
        loop {
            self.reading.borrow().told.passed.set(0);
            if entries.next_element_seed(One { reading: self.reading, index })?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
}

struct One<'a, 'b> {
    reading: &'a RefCell<Reading<'b>>,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let entry: Result<Entry, _> = serde_path_to_error::deserialize(deserializer);
        let mut reading = self.reading.borrow_mut();
        let taken = match entry {
            Ok(entry) => reading.taken(self.index, entry),
            Err(error) => {
                let reason = error.inner().to_string();
                Err(Fault::of_path(error.path(), &reason).at(self.index))
            }
        };
        taken.map_err(|failure| {
            reading.failure = Some(failure);
            D::Error::custom("told elsewhere")
        })
    }
}

impl Reading<'_> {
    fn taken(&mut self, index: usize, mut entry: Entry) -> Result<(), ImportError> {
        let mut listed = std::mem::take(&mut entry.messages);
        self.left_out.messages += listed.left_out;
        let mut passed_over = PassedOver::default();
        listed.faults.drain(..).for_each(|fault| passed_over.fault("/_webSocketMessages", fault));
        let exchange = exchange::exchange(index, entry, &self.source, &mut passed_over);
        for fault in passed_over.0 {
            self.left_out.odd += 1;
            if self.left_out.first_odd.len() < MOST_PLACES {
                self.left_out.first_odd.push(fault.at(index).to_string());
            }
        }
        match exchange {
            Ok(Outcome::Exchange(exchange)) => {
                let mut messages = listed.messages(exchange.started_us);
                messages.iter_mut().for_each(|message| message.exchange = exchange.id.clone());
                let goes_on = (self.take)(Found { index, exchange: *exchange, messages });
                if goes_on { Ok(()) } else { Err(ImportError::Stopped) }
            }
            Ok(Outcome::Other(scheme)) => {
                let known = self.left_out.entries.contains_key(&scheme) || self.left_out.entries.len() < MOST_SCHEMES;
                *self.left_out.entries.entry(if known { scheme } else { "others".to_owned() }).or_default() += 1;
                Ok(())
            }
            Err(fault) => Err(fault.at(index)),
        }
    }
}
