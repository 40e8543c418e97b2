// A store of the filter's own, by key. A filter that imports this module needs the grant `kv`.

import host from "weir:filter/kv@0.1.0";

import { bytesOf } from "./answers.js";
import { granted, refusal } from "./refusal.js";

export const KvError = refusal("KvError", {
  "too-large": "the key or the value is too large",
  full: "the filter's store is full",
  "not-a-number": "the value is no number",
});

const lifetime = (ttl) => (ttl === undefined ? undefined : Number(ttl));

export const kv = {
  get: (key) => host.get(key) ?? null,

  set(key, value, { ttl } = {}) {
    granted(KvError, key, () => host.set(key, bytesOf(value), lifetime(ttl)));
  },

  compareAndSet(key, version, value, { ttl } = {}) {
    return granted(KvError, key, () => host.compareAndSet(key, version ?? undefined, bytesOf(value), lifetime(ttl)));
  },

  delete: (key) => host.delete(key),

  add: (key, by = 1, { ttl } = {}) => granted(KvError, key, () => host.add(key, by, lifetime(ttl))),
};
