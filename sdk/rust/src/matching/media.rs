//! Media types of bodies (RFC 9110 section 8.3).

use crate::{Headers, Problems};

/// A list of media types, with `*` for any text on either side: `text/*`, `application/*+json`.
#[derive(Debug, Clone, Default)]
pub struct MediaTypes(Vec<(String, String)>);

impl MediaTypes {
    /// Reads a list that stands at `at` in the configuration, such as `/content_types`.
    pub fn new(at: &str, texts: &[String], problems: &mut Problems) -> Self {
        let mut types = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let stars = text.matches('*').count();
            match text.to_ascii_lowercase().split_once('/') {
                Some((type_, subtype)) if !type_.is_empty() && !subtype.is_empty() && !text.contains([';', ' ']) => {
                    if stars > 2 || type_.matches('*').count() > 1 || subtype.matches('*').count() > 1 {
                        problems.push(format!("{at}/{index}"), "at most one `*` on each side of the `/`");
                    }
                    types.push((type_.to_owned(), subtype.to_owned()));
                }
                _ => problems.push(
                    format!("{at}/{index}"),
                    format!("`{text}` is no media type: write `text/plain`, `text/*` or `application/*+json`"),
                ),
            }
        }
        Self(types)
    }

    /// Is any body of these fields one of them? With several lines of `Content-Type`, nobody knows which one a reader goes
    /// by, and a body without a type could be anything: both count.
    pub fn may_contain(&self, headers: Headers<'_>) -> bool {
        let types = headers.get_all("content-type");
        types.is_empty() || types.iter().any(|field| self.contains(Some(field)))
    }

    /// Is a body of this `Content-Type` one of them? One without a type, or whose type is none, could be anything: yes.
    pub fn contains(&self, field: Option<&str>) -> bool {
        let Some(field) = field else { return true };
        let essence = field.split(';').next().unwrap_or(field).trim().to_ascii_lowercase();
        match essence.split_once('/') {
            Some((type_, subtype)) => {
                self.0.iter().any(|(left, right)| matches(left, type_) && matches(right, subtype))
            }
            None => true,
        }
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_stars() {
        let mut problems = Problems::new();
        let types = ["text/*", "application/*+json", "application/xml"].map(str::to_owned);
        let types = MediaTypes::new("/content_types", &types, &mut problems);
        problems.or(()).unwrap();
        for yes in ["text/plain", "Text/HTML; charset=utf-8", "application/problem+json", "application/xml", "garbage"]
        {
            assert!(types.contains(Some(yes)), "{yes}");
        }
        for no in ["image/png", "application/json", "application/xml2", "textual/plain"] {
            assert!(!types.contains(Some(no)), "{no}");
        }
        assert!(types.contains(None));
        let mut problems = Problems::new();
        MediaTypes::new(
            "/content_types",
            &["text".to_owned(), "a/*b*".to_owned(), "text/plain; q=1".to_owned()],
            &mut problems,
        );
        assert_eq!(
            problems.iter().map(|p| p.pointer.as_str()).collect::<Vec<_>>(),
            ["/content_types/0", "/content_types/1", "/content_types/2"]
        );
    }
}
