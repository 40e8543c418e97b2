//! JSON Pointer (RFC 6901).

use crate::node::Node;

/// Names and indices from the root to a value; none for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no JSON pointer: it is empty or begins with `/`"));
        };
        let bad = |token: &str| token.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
        if rest.split('/').any(bad) {
            return Err(format!("`{text}` is no JSON pointer: `~` stands before `0` or `1`"));
        }
        Ok(Self(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect()))
    }

    /// The way to the container, and the value's own name or index; none for the root.
    pub(crate) fn split(&self) -> Option<(&[String], &str)> {
        self.0.split_last().map(|(last, parents)| (parents, last.as_str()))
    }

    pub(crate) fn tokens(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn is_above(&self, other: &Self) -> bool {
        self.0.len() < other.0.len() && other.0.starts_with(&self.0)
    }
}

pub(crate) fn find<'a>(root: &'a mut Node, tokens: &[String]) -> Option<&'a mut Node> {
    tokens.iter().try_fold(root, |node, token| match node {
        Node::List(items) => index(token).and_then(|index| items.get_mut(index)),
        Node::Object(members) => members.iter_mut().find(|(name, _)| name == token).map(|(_, value)| value),
        _ => None,
    })
}

/// Section 4: digits without zeros before them.
pub(crate) fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| token.parse().ok()).flatten()
}
