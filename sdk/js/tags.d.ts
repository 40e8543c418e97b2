/** Facts about an exchange that filters tell each other, and the record. A filter that imports this module needs the grant `tags`. */

import type { Subject } from "weir";

/**
 * A name is 1 to 64 of a-z, 0-9, `-` and `_`; text is at most 1024 bytes and a number finite; a filter sets 16 an exchange; the
 * publication does not let this filter read what another says.
 */
export class TagError extends Error {
  readonly code: "invalid-name" | "invalid-value" | "too-many" | "forbidden";
}

export const tags: {
  /** Says something of the exchange; others know it as `FILTER.NAME`. Throws {@link TagError}. */
  set(of: Subject, name: string, value: string | number | boolean): void;
  /** `NAME` is what this filter said, `FILTER.NAME` what another did, if the publication lets this one read it. Throws {@link TagError}. */
  get(of: Subject, name: string): string | number | boolean | null;
};
