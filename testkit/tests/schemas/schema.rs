//! As much of JSON Schema (draft 2020-12) as filters' schemas use. A keyword that is not known here is an error, never something that
//! holds.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use regex_automata::hybrid::regex::Regex;
use serde_json::{Map, Value};

/// What has nothing to hold.
const WORDS: [&str; 8] = ["$schema", "$id", "$defs", "title", "description", "default", "examples", "contentEncoding"];

pub(crate) struct Schema(Value);

/// `/pointer: what is wrong`
type Faults = Vec<String>;

impl Schema {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// What is wrong with a document.
    pub(crate) fn faults(&self, document: &Value) -> anyhow::Result<Faults> {
        self.check(&self.0, document, "")
    }

    /// What is wrong with values that the schema itself gives: defaults and examples.
    pub(crate) fn own_faults(&self) -> anyhow::Result<Faults> {
        let mut faults = Faults::new();
        self.visit(&self.0, &mut faults)?;
        Ok(faults)
    }

    fn visit(&self, part: &Value, faults: &mut Faults) -> anyhow::Result<()> {
        match part {
            Value::Object(keywords) => {
                let examples = keywords.get("examples").and_then(Value::as_array).into_iter().flatten();
                let is_schema = keywords.contains_key("type") || keywords.contains_key("$ref");
                for given in keywords.get("default").into_iter().chain(examples).filter(|_| is_schema) {
                    faults.extend(self.check(part, given, &format!("({given})"))?);
                }
                keywords.values().try_for_each(|inner| self.visit(inner, faults))
            }
            Value::Array(items) => items.iter().try_for_each(|inner| self.visit(inner, faults)),
            _ => Ok(()),
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str) -> anyhow::Result<Faults> {
        let keywords = match schema {
            Value::Bool(true) => return Ok(Faults::new()),
            Value::Bool(false) => return Ok(vec![format!("{at}: nothing may be here")]),
            other => other.as_object().context("a schema is an object")?,
        };
        let mut faults = Faults::new();
        for (keyword, rule) in keywords {
            let holds = match keyword.as_str() {
                word if WORDS.contains(&word) => true,
                "$ref" => {
                    let place =
                        rule.as_str().and_then(|rule| rule.strip_prefix('#')).context("a $ref within the schema")?;
                    let target = self.0.pointer(place).with_context(|| format!("no {place}"))?;
                    faults.extend(self.check(target, value, at)?);
                    true
                }
                "not" => !self.check(rule, value, at)?.is_empty(),
                "anyOf" => self.matches(rule, value, at)? > 0,
                "oneOf" => self.matches(rule, value, at)? == 1,
                "properties"
                | "additionalProperties"
                | "propertyNames"
                | "required"
                | "minProperties"
                | "dependentRequired" => {
                    if let Value::Object(object) = value {
                        faults.extend(self.check_object(keyword, keywords, object, at)?);
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        faults.extend(self.check(rule, item, &format!("{at}/{index}"))?);
                    }
                    true
                }
                keyword => holds(keyword, rule, value)?,
            };
            if !holds {
                faults.push(format!("{at}: {value} is not as {keyword} wants it: {rule}"));
            }
        }
        Ok(faults)
    }

    fn matches(&self, rules: &Value, value: &Value, at: &str) -> anyhow::Result<usize> {
        let mut count = 0;
        for rule in rules.as_array().context("a list of schemas")? {
            count += usize::from(self.check(rule, value, at)?.is_empty());
        }
        Ok(count)
    }

    fn check_object(
        &self,
        keyword: &str,
        keywords: &Map<String, Value>,
        object: &Map<String, Value>,
        at: &str,
    ) -> anyhow::Result<Faults> {
        let rule = &keywords[keyword];
        let known = keywords.get("properties").and_then(Value::as_object);
        let mut faults = Faults::new();
        for (key, inner) in object {
            let place = format!("{at}/{key}");
            match (keyword, known.and_then(|known| known.get(key))) {
                ("properties", Some(rule)) => faults.extend(self.check(rule, inner, &place)?),
                ("additionalProperties", None) => faults.extend(self.check(rule, inner, &place)?),
                ("propertyNames", _) => faults.extend(self.check(rule, &Value::String(key.clone()), &place)?),
                _ => {}
            }
        }
        let names = |rule: &Value| -> BTreeSet<String> {
            rule.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut lacks = |wanted: BTreeSet<String>| {
            let missing = wanted.into_iter().filter(|name| !object.contains_key(name));
            faults.extend(missing.map(|name| format!("{at}: {name} is missing")));
        };
        match keyword {
            "required" => lacks(names(rule)),
            "dependentRequired" => {
                let rules = rule.as_object().context("an object of lists")?;
                rules.iter().filter(|(key, _)| object.contains_key(*key)).for_each(|(_, wanted)| lacks(names(wanted)));
            }
            "minProperties" if (object.len() as u64) < rule.as_u64().context("a count")? => {
                faults.push(format!("{at}: too few keys"));
            }
            _ => {}
        }
        Ok(faults)
    }
}

/// Keywords that look at one value alone. Those of another type than the value's have nothing to say.
fn holds(keyword: &str, rule: &Value, value: &Value) -> anyhow::Result<bool> {
    let bound = || rule.as_f64().context("a number");
    Ok(match (keyword, value) {
        ("type", _) => is_of(rule.as_str().context("one type")?, value)?,
        ("const", _) => rule == value,
        ("enum", _) => rule.as_array().context("a list")?.contains(value),
        ("minimum", Value::Number(number)) => bound()? <= number.as_f64().context("a number")?,
        ("maximum", Value::Number(number)) => number.as_f64().context("a number")? <= bound()?,
        ("minLength", Value::String(text)) => bound()? <= text.chars().count() as f64,
        ("maxLength", Value::String(text)) => text.chars().count() as f64 <= bound()?,
        ("minItems", Value::Array(items)) => bound()? <= items.len() as f64,
        ("maxItems", Value::Array(items)) => items.len() as f64 <= bound()?,
        ("pattern", Value::String(text)) => {
            let pattern = Regex::new(rule.as_str().context("a pattern")?)?;
            pattern.is_match(&mut pattern.create_cache(), text.as_bytes())
        }
        ("minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" | "pattern", _) => true,
        _ => bail!("`{keyword}` is not known to this test"),
    })
}

fn is_of(type_: &str, value: &Value) -> anyhow::Result<bool> {
    Ok(match type_ {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => bail!("there is no type `{other}`"),
    })
}
