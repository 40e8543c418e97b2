// Facts about an exchange that filters tell each other, and the record. A filter that imports this module needs the grant `tags`.

import host from "weir:filter/tags@0.1.0";

import { numberOf } from "./exchange.js";
import { granted, refusal } from "./refusal.js";

export const TagError = refusal("TagError", {
  "invalid-name": "that is no name of a tag",
  "invalid-value": "the text is too long or the number not finite",
  "too-many": "the filter has set all tags that it may",
  forbidden: "the publication does not let the filter read this tag",
});

const KINDS = { string: "text", number: "number", boolean: "flag" };

export const tags = {
  set(of, name, value) {
    const tag = KINDS[typeof value];
    if (tag === undefined) throw new TypeError("a tag is a string, a number or a boolean");
    granted(TagError, name, () => host.set(numberOf(of), name, { tag, val: value }));
  },

  get: (of, name) => granted(TagError, name, () => host.get(numberOf(of), name))?.val ?? null,
};
