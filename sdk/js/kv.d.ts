/** A store of the filter's own, by key. A filter that imports this module needs the grant `kv`. */

/** What is kept under a key. */
export interface Entry {
  value: Uint8Array;
  /** Changes with each write of the key. */
  version: number;
}

export interface Lifetime {
  /** Milliseconds; left out: until it is deleted. */
  ttl?: number;
}

/** Nothing was written: a key is 1 to 512 bytes, a value at most 64 KiB; the store is full; `add` to what is no number. */
export class KvError extends Error {
  readonly code: "too-large" | "full" | "not-a-number";
}

/**
 * The filter's versions and instances share one store on each agent, and it survives swaps and restarts. What was written in the
 * last second may be lost when the agent is killed. Strings are kept as UTF-8.
 */
export const kv: {
  get(key: string): Entry | null;
  /** Throws {@link KvError}. */
  set(key: string, value: string | Uint8Array, lifetime?: Lifetime): void;
  /** Sets only if the entry has this version still; `null`: only if there is none. Whether it was set. Throws {@link KvError}. */
  compareAndSet(key: string, version: number | null, value: string | Uint8Array, lifetime?: Lifetime): boolean;
  /** Whether there was one. */
  delete(key: string): boolean;
  /**
   * Adds to a number, 1 unless given, and gives the sum. An absent one counts as 0 and lives for `ttl`; one that is there keeps the
   * time it has. Throws {@link KvError}.
   */
  add(key: string, by?: number, lifetime?: Lifetime): number;
};
