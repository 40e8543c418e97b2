//! Where the columns of bodies are that are not copied as they are.

pub(super) struct Places {
    pub(super) number: usize,
    pub(super) digest: usize,
    pub(super) size: usize,
    pub(super) coding: usize,
    pub(super) object: usize,
    pub(super) bytes: usize,
    /// Archives of earlier versions have none.
    pub(super) lost: Option<usize>,
}

impl Places {
    pub(super) fn of(columns: &[impl AsRef<str>]) -> Option<Self> {
        let place = |name: &str| columns.iter().position(|column| column.as_ref() == name);
        Some(Self {
            number: place("number")?,
            digest: place("digest")?,
            size: place("size")?,
            coding: place("coding")?,
            object: place("object")?,
            bytes: place("bytes")?,
            lost: place("lost"),
        })
    }
}
