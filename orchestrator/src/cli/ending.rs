//! One thing of a listing, by its id or the last characters of it.

use serde_json::Value;

use super::{failure::Failure, person};

/// Of a UUID.
const WHOLE: usize = 36;

/// The id that is meant: where it is whole it is not looked for, so `list` is asked for the others alone.
pub(crate) async fn id(
    which: &str,
    what: &str,
    list: impl AsyncFnOnce() -> Result<Vec<Value>, Failure>,
) -> Result<String, Failure> {
    if which.len() == WHOLE {
        return Ok(which.to_owned());
    }
    one(which, what, &list().await?)
}

fn one(which: &str, what: &str, items: &[Value]) -> Result<String, Failure> {
    let shown = person::line(which);
    let fits = |id: &&str| !which.is_empty() && id.ends_with(&which.to_ascii_lowercase());
    let meant: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).filter(fits).collect();
    match meant[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(Failure::Refused(format!("no {what}'s id ends with `{shown}`"))),
        _ => Err(Failure::Refused(format!("more than one {what}'s id ends with `{shown}`: give more of it"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_is_meant_or_none() {
        let items = [json!({"id": "0199-aa01"}), json!({"id": "0199-bb01"})];
        assert_eq!(one("A01", "token", &items).unwrap(), "0199-aa01");
        for (which, why) in
            [("01", "more than one token's id ends with `01`"), ("x\u{1b}", "no token's"), ("", "no token's")]
        {
            assert!(one(which, "token", &items).unwrap_err().to_string().contains(why), "{which}");
        }
    }
}
