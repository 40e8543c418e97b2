//! Members that are beyond the format, whose names begin with `_` (HAR 1.2, "Custom fields": readers ignore those that are not
//! theirs). One that cannot be read is passed over, and where it stands and why is told; of an object only the members that are
//! wrong. So no such member is a reason to refuse an entry. What is read first is bounded: it is in memory as what it is.

use std::{cell::Cell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::place::{Fault, cut};

/// Values in one member: an exchange of Weir's has a few hundred.
const MOST: usize = 200_000;

/// Such a member.
#[derive(Debug)]
pub(super) struct Custom<T> {
    pub(super) value: Option<T>,
    /// within it
    faults: Vec<Fault>,
}

impl<T> Default for Custom<T> {
    fn default() -> Self {
        Self { value: None, faults: Vec::new() }
    }
}

impl<T> Custom<T> {
    /// What it says, if anything; what is wrong with it is added to `passed_over`.
    pub(super) fn take(&mut self, pointer: &str, passed_over: &mut PassedOver) -> Option<T> {
        self.faults.drain(..).for_each(|fault| passed_over.fault(pointer, fault));
        self.value.take()
    }
}

/// What was passed over within an entry.
#[derive(Debug, Default)]
pub(super) struct PassedOver(pub(super) Vec<Fault>);

impl PassedOver {
    pub(super) fn fault(&mut self, pointer: &str, fault: Fault) {
        self.0.push(Fault { pointer: format!("{pointer}{}", fault.pointer), ..fault });
    }

    /// What came of a member, or nothing.
    pub(super) fn ok<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault)).ok()
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Custom<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let left = Cell::new(MOST);
        let mut value = Bounded { left: &left }.deserialize(deserializer)?;
        if left.get() == 0 {
            return Ok(Self { value: None, faults: vec![Fault::new("", format!("more than {MOST} values"))] });
        }
        // what is derived would take its members from a list too
        if value.is_array() {
            return Ok(Self { value: None, faults: vec![Fault::new("", "a list")] });
        }
        let mut faults = Vec::new();
        loop {
            match serde_path_to_error::deserialize::<_, Option<T>>(&value) {
                Ok(value) => return Ok(Self { value, faults }),
                Err(error) => {
                    let fault = Fault::of_path(error.path(), &cut(&error.inner().to_string()));
                    let member = error.path().iter().next().map(ToString::to_string);
                    faults.push(fault);
                    let is_without =
                        |members: &mut Map<String, Value>| member.and_then(|name| members.remove(&name)).is_some();
                    if !value.as_object_mut().is_some_and(is_without) {
                        return Ok(Self { value: None, faults });
                    }
                }
            }
        }
    }
}

/// A value of so many at most; of what is beyond, nothing is kept.
#[derive(Clone, Copy)]
struct Bounded<'c> {
    left: &'c Cell<usize>,
}

impl Bounded<'_> {
    /// Is there room for one more?
    fn has_room(self) -> bool {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        left > 0
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while self.has_room() {
            match items.next_element_seed(self)? {
                Some(item) => list.push(item),
                None => return Ok(list.into()),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while self.has_room() {
            match members.next_key::<String>()? {
                Some(name) => drop(map.insert(name, members.next_value_seed(self)?)),
                None => return Ok(map.into()),
            }
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Own {
        name: String,
        numbers: Vec<u8>,
    }

    fn read(text: &str) -> (Option<(String, Vec<u8>)>, Vec<String>) {
        let mut custom: Custom<Own> = serde_json::from_str(text).unwrap();
        let mut passed_over = PassedOver::default();
        let value = custom.take("/_own", &mut passed_over).map(|own| (own.name, own.numbers));
        (value, passed_over.0.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn what_is_wrong_is_passed_over_and_the_rest_is_taken() {
        let own = |name: &str, numbers: &[u8]| Some((name.to_owned(), numbers.to_vec()));
        let check = |text: &str, value: Option<(String, Vec<u8>)>, faults: &[&str]| {
            assert_eq!(read(text), (value, faults.iter().map(|fault| (*fault).to_owned()).collect()), "{text}");
        };
        check(r#"{"name":"a","numbers":[1],"other":{"x":[null]}}"#, own("a", &[1]), &[]);
        check("null", None, &[]);
        check(r#"{"name":"a","numbers":[1,-1]}"#, own("a", &[]), &["/_own/numbers/1"]);
        check(r#"{"name":{},"numbers":7}"#, own("", &[]), &["/_own/name", "/_own/numbers"]);
        for other in ["7", "true", "-1", "1.5", "\"x\"", "[]"] {
            check(other, None, &["/_own"]);
        }
        let many = format!(r#"{{"name":"a","other":[{}1]}}"#, "[],".repeat(MOST));
        check(&many, None, &["/_own"]);
        assert!(serde_json::from_str::<Custom<Own>>(r#"{"name":"#).is_err());
    }
}
