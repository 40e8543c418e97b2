//! Components in a few bytes, by the binary format of the component model: enough to be told apart by parsing.

/// A component that exports the filter world's interfaces, empty.
pub(crate) fn filter() -> Vec<u8> {
    exporting(&["weir:filter/lifecycle@0.1.0", "weir:filter/events@0.1.0"])
}

/// The same code under another digest.
pub(crate) fn filter_noted(note: &str) -> Vec<u8> {
    [filter(), section(0, &[&name("note")[..], note.as_bytes()].concat())].concat()
}

pub(crate) fn exporting(exports: &[&str]) -> Vec<u8> {
    // one instance of no exports
    let instance = section(5, &[1, 1, 0]);
    let mut list = vec![u8::try_from(exports.len()).unwrap()];
    for export in exports {
        list.push(0);
        list.extend(name(export));
        list.extend([5, 0, 0]);
    }
    [b"\0asm\x0d\0\x01\0", &instance[..], &section(11, &list)].concat()
}

/// A filter that imports an instance of this name.
pub(crate) fn importing(import: &str) -> Vec<u8> {
    // an instance type without exports, imported
    let kind = section(7, &[1, 0x42, 0]);
    let import = section(10, &[&[1, 0], &name(import)[..], &[5, 0]].concat());
    let filter = filter();
    // The imported instance is number 0, so the one that is exported is number 1.
    let mut rest = filter[8..].to_vec();
    for place in 0..rest.len() - 2 {
        if rest[place..].starts_with(b"@0.1.0\x05\0\0") {
            rest[place + 7] = 1;
        }
    }
    [&filter[..8], &kind, &import, &rest].concat()
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    let mut length = contents.len();
    while length > 0x7f {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(contents);
    bytes
}

fn name(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}
