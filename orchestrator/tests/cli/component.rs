//! Components as the server and the commands look at them: names of imports and exports, no code, since neither runs any.
//!
//! <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>

/// A component with the hooks of a filter that imports `imports` of `weir:filter`, under a digest of its own.
pub(crate) fn filter(imports: &[&str], note: &str) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // One type: an instance that exports nothing.
    section(&mut bytes, 7, &[1, 0x42, 0]);
    for import in imports {
        section(&mut bytes, 10, &[&[1][..], &name(import), &[5, 0]].concat());
    }
    // One instance made of nothing, behind those imported.
    section(&mut bytes, 5, &[1, 1, 0]);
    let own = u8::try_from(imports.len()).unwrap();
    for export in ["lifecycle", "events"] {
        section(&mut bytes, 11, &[&[1][..], &name(export), &[5, own, 0]].concat());
    }
    let note = [&[4][..], b"note", note.as_bytes()].concat();
    section(&mut bytes, 0, &note);
    bytes
}

fn name(interface: &str) -> Vec<u8> {
    let name = if interface.contains(':') { interface.to_owned() } else { format!("weir:filter/{interface}@0.1.0") };
    [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
}

fn section(bytes: &mut Vec<u8>, id: u8, contents: &[u8]) {
    assert!(contents.len() < 128, "the length is one byte");
    bytes.extend([id, contents.len() as u8]);
    bytes.extend(contents);
}
