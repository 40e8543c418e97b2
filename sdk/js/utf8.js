// Text and bytes: the engine has no TextEncoder. What is not UTF-8 becomes U+FFFD.

export const utf8 = {
  encode(text) {
    const bytes = [];
    for (const character of String(text)) {
      let code = character.codePointAt(0);
      if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return Uint8Array.from(bytes);
  },

  decode(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const first = bytes[at++];
      if (first < 0x80) {
        text += String.fromCharCode(first);
        continue;
      }
      const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
      let code = first & (0x3f >> more);
      let seen = 0;
      while (seen < more && at < bytes.length && (bytes[at] & 0xc0) === 0x80) {
        code = (code << 6) | (bytes[at++] & 63);
        seen++;
      }
      const least = [0, 0x80, 0x800, 0x10000][more];
      const isWrong = seen < more || first < 0xc2 || first > 0xf4 || code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000);
      text += isWrong ? "\ufffd" : String.fromCodePoint(code);
    }
    return text;
  },
};
