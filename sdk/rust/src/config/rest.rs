//! Every fault of a type, not only the first, where serde stops: what is wrong is put aside, something that fits stands in its place,
//! and the whole is read again. What nothing fits ends it: the faults that were found so far are told.

use serde_json::{Value, json};

use super::error::Error;
use crate::{Problem, Problems};

/// So many faults are enough for one look.
const FAULTS: usize = 32;

/// All faults of a configuration, beginning with the first. `read` says what is wrong with another.
pub(super) fn all(mut value: Value, first: Error, read: &dyn Fn(&Value) -> Option<Error>) -> Problems {
    let mut faults: Vec<Problem> = vec![first.into_problem()];
    while let Some(last) = faults.last().filter(|_| faults.len() < FAULTS) {
        let next = repaired(&value, last).into_iter().find_map(|candidate| {
            let next = read(&candidate).map(Error::into_problem);
            let goes_on = next.as_ref().is_none_or(|next| !faults.contains(next) && is_elsewhere(next, last));
            goes_on.then_some((candidate, next))
        });
        let Some((candidate, Some(next))) = next else { break };
        value = candidate;
        faults.push(next);
    }
    faults.into_iter().collect()
}

/// A fault around the place that was repaired is none of its own, unless something else is missing there.
fn is_elsewhere(next: &Problem, repaired: &Problem) -> bool {
    let is_within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match (missing(next), missing(repaired)) {
        (Some(field), _) if next.pointer != repaired.pointer => {
            !is_within(&next.pointer, &repaired.pointer) && repaired.pointer != at(&next.pointer, field)
        }
        (Some(field), Some(other)) => field != other,
        _ => !is_within(&next.pointer, &repaired.pointer) && !is_within(&repaired.pointer, &next.pointer),
    }
}

/// The field that a struct lacks, in serde's words.
fn missing(problem: &Problem) -> Option<&str> {
    problem.message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn at(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The configuration with something else at the place of a fault, in the order of what fits most often.
fn repaired(value: &Value, fault: &Problem) -> Vec<Value> {
    let mut repaired = Vec::new();
    if let Some(field) = missing(fault) {
        for stand_in in stand_ins() {
            let mut candidate = value.clone();
            let Some(object) = candidate.pointer_mut(&fault.pointer).and_then(Value::as_object_mut) else { break };
            object.insert(field.to_owned(), stand_in);
            repaired.push(candidate);
        }
        return repaired;
    }
    let (around, last) = fault.pointer.rsplit_once('/').unwrap_or_default();
    let key = last.replace("~1", "/").replace("~0", "~");
    let mut without = value.clone();
    // an element of a list stays: places behind it would be told wrongly
    if without.pointer_mut(around).and_then(Value::as_object_mut).and_then(|object| object.remove(&key)).is_some() {
        repaired.push(without);
    }
    let sibling = value.pointer(around).and_then(Value::as_array).and_then(|list| list.first()).cloned();
    for stand_in in stand_ins().into_iter().chain(sibling) {
        let mut candidate = value.clone();
        let Some(place) = candidate.pointer_mut(&fault.pointer) else { break };
        *place = stand_in;
        repaired.push(candidate);
    }
    repaired
}

fn stand_ins() -> [Value; 8] {
    [json!(null), json!({}), json!([]), json!(""), json!("a"), json!(1), json!(false), json!(0)]
}
