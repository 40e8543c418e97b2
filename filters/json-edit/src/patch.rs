//! JSON Patch (RFC 6902): all of it, or nothing.

use weir_sdk::Problems;

use crate::{
    config::{Op, OperationConfig},
    node::Node,
    pointer::{Pointer, find, index},
};

/// Operations of one patch.
const MOST: usize = 64;
/// Nodes and levels that a body may have once it is patched: `copy` could double it again and again.
const MOST_NODES: usize = 1 << 20;
const MOST_LEVELS: usize = 256;

#[derive(Debug)]
pub(crate) struct Patch(Vec<Operation>);

#[derive(Debug)]
enum Operation {
    Add(Pointer, Node),
    Remove(Pointer),
    Replace(Pointer, Node),
    Move(Pointer, Pointer),
    Copy(Pointer, Pointer),
    Test(Pointer, Node),
}

/// Why a body is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpatched {
    /// A `test` says that the patch is not meant.
    NotMeant,
    /// An operation does not fit the body.
    Unfit,
}

impl Patch {
    pub(crate) fn new(at: &str, config: &[OperationConfig], problems: &mut Problems) -> Self {
        if config.is_empty() || config.len() > MOST {
            problems.push(at, format!("1 to {MOST} operations"));
        }
        let operations = config.iter().enumerate();
        Self(operations.filter_map(|(index, config)| operation(&format!("{at}/{index}"), config, problems)).collect())
    }

    /// On an error, what `root` is then is of no use.
    pub(crate) fn apply(&self, root: &mut Node) -> Result<(), Unpatched> {
        for operation in &self.0 {
            operation.apply(root)?;
            if matches!(operation, Operation::Copy(..) | Operation::Move(..) | Operation::Add(..))
                && (root.weight() > MOST_NODES || root.depth() > MOST_LEVELS)
            {
                return Err(Unpatched::Unfit);
            }
        }
        Ok(())
    }
}

impl Operation {
    fn apply(&self, root: &mut Node) -> Result<(), Unpatched> {
        match self {
            Self::Add(path, value) => add(root, path, value.clone()),
            Self::Remove(path) => remove(root, path).map(drop),
            Self::Replace(path, value) => {
                *find(root, path.tokens()).ok_or(Unpatched::Unfit)? = value.clone();
                Ok(())
            }
            Self::Move(from, path) => {
                let value = remove(root, from)?;
                add(root, path, value)
            }
            Self::Copy(from, path) => {
                let value = find(root, from.tokens()).ok_or(Unpatched::Unfit)?.clone();
                add(root, path, value)
            }
            Self::Test(path, value) => match find(root, path.tokens()) {
                Some(found) if found == value => Ok(()),
                _ => Err(Unpatched::NotMeant),
            },
        }
    }
}

/// Section 4.1.
fn add(root: &mut Node, path: &Pointer, value: Node) -> Result<(), Unpatched> {
    let Some((parents, last)) = path.split() else {
        *root = value;
        return Ok(());
    };
    match find(root, parents) {
        Some(Node::Object(members)) => {
            match members.iter_mut().find(|(name, _)| name == last) {
                Some((_, old)) => *old = value,
                None => members.push((last.to_owned(), value)),
            }
            Ok(())
        }
        Some(Node::List(items)) => {
            let at = if last == "-" { Some(items.len()) } else { index(last) };
            items.insert(at.filter(|at| *at <= items.len()).ok_or(Unpatched::Unfit)?, value);
            Ok(())
        }
        _ => Err(Unpatched::Unfit),
    }
}

/// Section 4.2.
fn remove(root: &mut Node, path: &Pointer) -> Result<Node, Unpatched> {
    let (parents, last) = path.split().ok_or(Unpatched::Unfit)?;
    match find(root, parents) {
        Some(Node::Object(members)) => {
            let at = members.iter().position(|(name, _)| name == last).ok_or(Unpatched::Unfit)?;
            Ok(members.remove(at).1)
        }
        Some(Node::List(items)) => {
            let at = index(last).filter(|at| *at < items.len()).ok_or(Unpatched::Unfit)?;
            Ok(items.remove(at))
        }
        _ => Err(Unpatched::Unfit),
    }
}

fn operation(at: &str, config: &OperationConfig, problems: &mut Problems) -> Option<Operation> {
    let path = pointer(&format!("{at}/path"), &config.path, problems);
    let from = config.from.as_ref().and_then(|text| pointer(&format!("{at}/from"), text, problems));
    let needs_from = matches!(config.op, Op::Move | Op::Copy);
    if needs_from != config.from.is_some() {
        problems.push(format!("{at}/from"), if needs_from { "it is missing" } else { "this operation has none" });
    }
    let path = path?;
    Some(match config.op {
        Op::Add => Operation::Add(path, Node::of_value(&config.value)),
        Op::Replace => Operation::Replace(path, Node::of_value(&config.value)),
        Op::Test => Operation::Test(path, Node::of_value(&config.value)),
        Op::Remove if path.tokens().is_empty() => {
            problems.push(format!("{at}/path"), "nothing would be left of the body");
            return None;
        }
        Op::Remove => Operation::Remove(path),
        Op::Copy => Operation::Copy(from?, path),
        Op::Move => {
            let from = from?;
            if from.is_above(&path) || from.tokens().is_empty() {
                problems.push(format!("{at}/from"), "a value cannot move into itself (RFC 6902 section 4.4)");
            }
            Operation::Move(from, path)
        }
    })
}

fn pointer(at: &str, text: &str, problems: &mut Problems) -> Option<Pointer> {
    Pointer::parse(text).map_err(|fault| problems.push(at, fault)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(document: &str, operations: &str) -> Result<String, Unpatched> {
        let config: Vec<OperationConfig> = serde_json::from_str(operations).unwrap();
        let mut problems = Problems::new();
        let patch = Patch::new("", &config, &mut problems);
        problems.or(()).unwrap();
        let mut root: Node = serde_json::from_str(document).unwrap();
        patch.apply(&mut root).map(|()| serde_json::to_string(&root).unwrap())
    }

    /// RFC 6902 appendix A.
    #[test]
    fn examples_of_the_rfc() {
        for (document, operations, expected) in [
            (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"foo":"bar","baz":"qux"}"#),
            (
                r#"{"foo":["bar","baz"]}"#,
                r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
                r#"{"foo":["bar","qux","baz"]}"#,
            ),
            (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
            (r#"{"foo":["bar","qux","baz"]}"#, r#"[{"op":"remove","path":"/foo/1"}]"#, r#"{"foo":["bar","baz"]}"#),
            (
                r#"{"baz":"qux","foo":"bar"}"#,
                r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
                r#"{"baz":"boo","foo":"bar"}"#,
            ),
            (
                r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
                r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
                r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
            ),
            (
                r#"{"foo":["all","grass","cows","eat"]}"#,
                r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
                r#"{"foo":["all","cows","eat","grass"]}"#,
            ),
            (
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
                r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0}]"#,
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
                r#"{"foo":"bar","child":{"grandchild":{}}}"#,
            ),
            (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
            (
                r#"{"foo":["bar"]}"#,
                r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
                r#"{"foo":["bar",["abc","def"]]}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/c"},{"op":"add","path":"","value":[1]}]"#,
                "[1]",
            ),
        ] {
            assert_eq!(patched(document, operations).as_deref(), Ok(expected), "{operations}");
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        for (operations, expected) in [
            (r#"[{"op":"test","path":"/a","value":"1"}]"#, Unpatched::NotMeant),
            (r#"[{"op":"test","path":"/none","value":null}]"#, Unpatched::NotMeant),
            (r#"[{"op":"add","path":"/x/y","value":1}]"#, Unpatched::Unfit),
            (r#"[{"op":"remove","path":"/x"}]"#, Unpatched::Unfit),
            (r#"[{"op":"replace","path":"/x","value":1}]"#, Unpatched::Unfit),
            (r#"[{"op":"add","path":"/l/3","value":1}]"#, Unpatched::Unfit),
            (r#"[{"op":"add","path":"/l/01","value":1}]"#, Unpatched::Unfit),
            (r#"[{"op":"remove","path":"/l/-"}]"#, Unpatched::Unfit),
        ] {
            assert_eq!(patched(r#"{"a":1,"l":[1,2]}"#, operations), Err(expected), "{operations}");
        }
    }

    #[test]
    fn a_body_cannot_be_made_to_explode() {
        let double = r#"{"op":"copy","from":"","path":"/a"}"#;
        let operations = format!("[{}]", vec![double; 60].join(","));
        assert_eq!(patched(r#"{"b":[1,2,3]}"#, &operations).map(|text| text.len() < 10_000_000), Ok(true));
        let operations = format!("[{}]", vec![r#"{"op":"copy","from":"","path":"/-"}"#; 60].join(","));
        assert_eq!(patched("[1]", &operations), Err(Unpatched::Unfit));
    }
}
