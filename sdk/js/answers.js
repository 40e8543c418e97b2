// What hooks return, in the contract's words.

import { utf8 } from "./utf8.js";

class Answer {
  constructor(tag, val) {
    this.tag = tag;
    if (val !== undefined) this.val = val;
  }
}

export const abort = new Answer("abort");
export const drop = new Answer("drop-chunk");
export const hold = new Answer("hold-for-body");
export const wait = new Answer("wait");

export const intercept = new Answer("intercept");
export const passThrough = new Answer("pass-through");
export const close = (code, reason = "") => new Answer("close", { code, reason: String(reason) });
export const deny = (reason) => new Answer("deny", String(reason));
export const redirect = (target) => new Answer("redirect", String(target));

const next = new Answer("next");
const pass = new Answer("pass");
const proceed = new Answer("proceed");

export function respond({ status = 200, headers = {}, body = "" } = {}) {
  return new Answer("respond", { status, headers: linesOf(headers), body: bytesOf(body) });
}

/** Field lines, from an object or a list of pairs. */
export function linesOf(headers) {
  const lines = Array.isArray(headers) ? headers : Object.entries(headers);
  return lines.map(([name, value]) => [String(name), String(value)]);
}

export function bytesOf(body) {
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (typeof body === "string") return utf8.encode(body);
  throw new TypeError("a body is a string or a Uint8Array");
}

/** Of a hook that sees a head: nothing, or an answer. */
export function action(returned) {
  if (returned === undefined) return next;
  if (returned instanceof Answer) return returned;
  throw new TypeError("a hook of a head returns nothing, respond(…), hold, wait or abort");
}

/** Of a hook that sees a chunk or trailers: nothing, other bytes, or an answer. */
export function chunkAction(returned) {
  if (returned === undefined) return pass;
  return returned instanceof Answer ? returned : new Answer("replace", bytesOf(returned));
}

/** Of the hook that decides what becomes of what waited: nothing, other bytes, or an answer. */
export function resumption(returned) {
  if (returned === undefined) return proceed;
  return returned instanceof Answer ? returned : new Answer("replace", bytesOf(returned));
}

/** About a tunnel: nothing, or an answer. */
export function decision(returned) {
  if (returned === undefined) return next;
  if (returned instanceof Answer) return returned;
  throw new TypeError("a hook of a tunnel returns nothing, deny(…), redirect(…), intercept or passThrough");
}

const dropMessage = new Answer("drop-message");

/** About a message: nothing, another in its place, or an answer. */
export function messageAction(returned) {
  if (returned === undefined) return pass;
  if (returned === drop) return dropMessage;
  return returned instanceof Answer ? returned : new Answer("replace", contentOf(returned));
}

function contentOf(said) {
  if (typeof said === "string") return { tag: "text", val: said };
  if (said instanceof Uint8Array || said instanceof ArrayBuffer) return { tag: "binary", val: bytesOf(said) };
  if (typeof said?.data !== "string") throw new TypeError("a message is a string, a Uint8Array or an event: { data: … }");
  const { event, data, id, retry } = said;
  return { tag: "event", val: { event: event ?? undefined, data, id: id ?? undefined, retry: retry ?? undefined } };
}
