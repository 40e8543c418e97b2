/**
 * Requests to servers that the publication names, for hooks that answer `wait`. A filter that imports this module needs the grant
 * `callout`.
 */

import type { Subject } from "weir";

export interface CallRequest {
  /** `GET` unless given. */
  method?: string;
  /** Path and query in origin form, below the path of the upstream's URL; `/` unless given. */
  path?: string;
  /** Framing, hop-by-hop fields and `Host` are the agent's. A list of pairs where a name stands more than once. */
  headers?: Record<string, string> | [string, string][];
  /** Strings are sent as UTF-8. */
  body?: string | Uint8Array | ArrayBuffer;
  /** Milliseconds, a whole number, no longer than the upstream's own bound, which holds where this is left out. */
  timeout?: number;
}

/** No such upstream in the publication; not a valid method, path or field; more than 16 calls and timers for one exchange. */
export class CallError extends Error {
  readonly code: "unknown-upstream" | "invalid-request" | "too-many";
}

export const callout: {
  /** Sends a request. What it gives names the call in `resumed`. A call ends with its exchange. Throws {@link CallError}. */
  start(of: Subject, upstream: string, request?: CallRequest): number;
};
