//! All places at once, as one automaton: how far a way from the top has come along each of them is one state, and a step from one
//! to another is worked out when it is met for the first time. So going through a document takes the same for each value,
//! however many places there are. States can be more than anybody wants to keep: then it is given up. Pure.

use std::collections::HashMap;

use super::{
    Pointer,
    pointer::{Along, Into},
};

/// Parts of places that are looked at to work out the steps of one document. It bounds the states too: each takes less memory than
/// eight bytes for each part.
const MOST_WORK: usize = 1 << 20;

/// Steps that no place names.
const UNNAMED: u32 = 0;

/// The places of the rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    all: Vec<Pointer>,
    /// a number for each step that one of them names
    members: HashMap<String, u32>,
    elements: HashMap<usize, u32>,
}

/// A state: where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At(u32);

/// Working out the next step takes more than one document may.
#[derive(Debug)]
pub(super) struct TooMuch;

/// The way through one document.
pub(super) struct Walk<'p> {
    places: &'p Places,
    states: Vec<State>,
    numbers: HashMap<Box<[Along]>, At>,
    steps: HashMap<(u32, u32), At>,
    work: usize,
}

struct State {
    along: Box<[Along]>,
    is_named: bool,
    /// nothing below is named
    is_over: bool,
}

impl Places {
    pub(super) fn new(all: Vec<Pointer>) -> Self {
        let mut places = Self::default();
        for (name, element) in all.iter().flat_map(Pointer::named) {
            let number = u32::try_from(places.members.len()).map_or(UNNAMED, |count| count + 1);
            let number = *places.members.entry(name.to_owned()).or_insert(number);
            if let Some(element) = element {
                places.elements.insert(element, number);
            }
        }
        Self { all, ..places }
    }

    pub(super) fn walk(&self) -> Walk<'_> {
        let mut walk =
            Walk { places: self, states: Vec::new(), numbers: HashMap::new(), steps: HashMap::new(), work: 0 };
        walk.number(self.all.iter().map(Pointer::begin).collect());
        walk
    }

    /// Steps of the same number lead to the same places.
    fn kind(&self, into: Into<'_>) -> u32 {
        let kind = match into {
            Into::Member(name) => self.members.get(name),
            Into::Element(element) => self.elements.get(&element),
        };
        kind.copied().unwrap_or(UNNAMED)
    }
}

impl At {
    /// The whole document.
    pub(super) const TOP: Self = Self(0);
}

impl Walk<'_> {
    /// Is this one of the places?
    pub(super) fn is_named(&self, At(at): At) -> bool {
        self.states[at as usize].is_named
    }

    /// A step further.
    pub(super) fn step(&mut self, at: At, into: Into<'_>) -> Result<At, TooMuch> {
        let state = &self.states[at.0 as usize];
        if state.is_over {
            return Ok(at);
        }
        let kind = self.places.kind(into);
        if let Some(next) = self.steps.get(&(at.0, kind)) {
            return Ok(*next);
        }
        self.work += self.places.all.iter().map(Pointer::length).sum::<usize>();
        if self.work > MOST_WORK {
            return Err(TooMuch);
        }
        let along = self.places.all.iter().zip(&state.along).map(|(place, along)| place.step(*along, into)).collect();
        let next = self.number(along);
        self.steps.insert((at.0, kind), next);
        Ok(next)
    }

    pub(super) fn work(&self) -> usize {
        self.work
    }

    fn number(&mut self, along: Box<[Along]>) -> At {
        if let Some(at) = self.numbers.get(&along) {
            return *at;
        }
        let at = At(u32::try_from(self.states.len()).unwrap_or(u32::MAX));
        let is_named = self.places.all.iter().zip(&along).any(|(place, along)| place.is_at(*along));
        let is_over = along.iter().all(|along| along.is_over());
        self.states.push(State { along: along.clone(), is_named, is_over });
        self.numbers.insert(along, at);
        at
    }
}
