// Requests to servers that the publication names, for hooks that answer `wait`. A filter that imports this module needs the grant
// `callout`.

import host from "weir:filter/callout@0.1.0";

import { bytesOf, linesOf } from "./answers.js";
import { numberOf } from "./exchange.js";
import { granted, refusal } from "./refusal.js";

export const CallError = refusal("CallError", {
  "unknown-upstream": "the publication names no such upstream",
  "invalid-request": "the method, the path or a field is not valid",
  "too-many": "the filter has started all that it may for this exchange",
});

export const callout = {
  start(of, upstream, { method = "GET", path = "/", headers = {}, body = "", timeout } = {}) {
    const request = { method, path, headers: linesOf(headers), body: bytesOf(body) };
    return granted(CallError, upstream, () => host.start(numberOf(of), upstream, request, timeout));
  },
};
