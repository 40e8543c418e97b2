//! Components that are wrong, or only different, made from a good one by its binary format.
//!
//! <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>

/// A core module: wasm, but no component.
pub const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component that exports nothing.
pub const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// The same code under another digest: a custom section changes nothing that runs.
pub fn renamed(component: &[u8], note: &str) -> Vec<u8> {
    section(component, 0, &[name("weir-testkit").as_slice(), note.as_bytes()].concat())
}

/// The component and one more import, a resource type that nobody provides.
pub fn importing(component: &[u8], import: &str) -> Vec<u8> {
    // one import: a plain name, a type, bounded to be a resource
    section(component, 10, &[&[1, 0], name(import).as_slice(), &[3, 1]].concat())
}

/// The component, grown to at least `size` bytes.
pub fn grown(component: &[u8], size: usize) -> Vec<u8> {
    section(component, 0, &[name("padding"), vec![0; size]].concat())
}

fn section(component: &[u8], id: u8, contents: &[u8]) -> Vec<u8> {
    [component, &[id], &leb128(contents.len()), contents].concat()
}

fn name(text: &str) -> Vec<u8> {
    [leb128(text.len()).as_slice(), text.as_bytes()].concat()
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_leb128() {
        assert_eq!(leb128(5), [5]);
        assert_eq!(leb128(300), [0xac, 2]);
        assert_eq!(renamed(EMPTY, "1")[..10], *b"\0asm\x0d\0\x01\0\x00\x0e");
    }
}
