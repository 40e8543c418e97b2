// One exchange as its hooks see it: objects that read and change the agent's own heads. They are good while their hook runs.

import http from "weir:filter/http@0.1.0";

import { granted, refusal } from "./refusal.js";

export const HeaderError = refusal("HeaderError", {
  forbidden: "the agent owns this field, or the part is read-only",
  "invalid-syntax": "not a valid name or value",
  "too-large": "the head would outgrow the agent's bound",
  frozen: "this head has already been sent",
  absent: "there is no such part",
});

const change = (what, call) => granted(HeaderError, what, call);

const NUMBER = Symbol("number");

/** The number of the exchange that an object of a hook belongs to: for modules of the SDK, not for filters. */
export function numberOf(subject) {
  const number = subject?.[NUMBER];
  if (number === undefined) throw new TypeError("this is no request, response, trailers or exchange of a hook");
  return number;
}

class Headers {
  #number;
  #part;

  constructor(number, part) {
    this.#number = number;
    this.#part = part;
  }

  get(name) {
    return http.header(this.#number, this.#part, name) ?? null;
  }

  getAll(name) {
    return http.headerValues(this.#number, this.#part, name);
  }

  has(name) {
    return this.get(name) !== null;
  }

  set(name, value) {
    change(name, () => http.setHeader(this.#number, this.#part, name, String(value)));
  }

  append(name, value) {
    change(name, () => http.appendHeader(this.#number, this.#part, name, String(value)));
  }

  delete(name) {
    change(name, () => http.removeHeader(this.#number, this.#part, name));
  }

  entries() {
    return this[Symbol.iterator]();
  }

  [Symbol.iterator]() {
    return http.headers(this.#number, this.#part)[Symbol.iterator]();
  }
}

export class Request {
  #number;

  constructor(number, endOfStream) {
    this.#number = number;
    this.hasBody = !endOfStream;
  }

  get [NUMBER]() {
    return this.#number;
  }

  get headers() {
    return new Headers(this.#number, "request");
  }

  get id() {
    return http.id(this.#number);
  }

  get connection() {
    return http.connection(this.#number);
  }

  get version() {
    return http.version(this.#number, "request");
  }

  get method() {
    return http.method(this.#number);
  }

  set method(value) {
    change("method", () => http.setMethod(this.#number, value));
  }

  get scheme() {
    return http.scheme(this.#number);
  }

  set scheme(value) {
    change("scheme", () => http.setScheme(this.#number, value));
  }

  get authority() {
    return http.authority(this.#number);
  }

  set authority(value) {
    change("authority", () => http.setAuthority(this.#number, value));
  }

  get path() {
    return http.path(this.#number);
  }

  set path(value) {
    change("path", () => http.setPath(this.#number, value));
  }

  setBodyMode(mode) {
    change("body mode", () => http.setBodyMode(this.#number, "request", mode));
  }
}

export class Response {
  #number;

  constructor(number, endOfStream) {
    this.#number = number;
    this.hasBody = !endOfStream;
  }

  get [NUMBER]() {
    return this.#number;
  }

  get request() {
    return new Request(this.#number, true);
  }

  get headers() {
    return new Headers(this.#number, "response");
  }

  get version() {
    return http.version(this.#number, "response");
  }

  get status() {
    return http.status(this.#number);
  }

  set status(value) {
    change("status", () => http.setStatus(this.#number, value));
  }

  setBodyMode(mode) {
    change("body mode", () => http.setBodyMode(this.#number, "response", mode));
  }
}

export class Trailers {
  #number;
  #part;

  constructor(number, direction) {
    this.#number = number;
    this.#part = `${direction}-trailers`;
  }

  get [NUMBER]() {
    return this.#number;
  }

  get request() {
    return new Request(this.#number, true);
  }

  get headers() {
    return new Headers(this.#number, this.#part);
  }
}

/** What a hook that waits belongs to. */
export class Exchange {
  #number;

  constructor(number, waiting) {
    this.#number = number;
    this.waiting = waiting;
  }

  get chunk() {
    return http.waitingChunk(this.#number) ?? null;
  }

  get [NUMBER]() {
    return this.#number;
  }

  get request() {
    return new Request(this.#number, true);
  }

  get response() {
    return http.status(this.#number) == null ? null : new Response(this.#number, true);
  }

  get trailers() {
    const [direction, what] = this.waiting.split("-");
    return what === "trailers" ? new Trailers(this.#number, direction) : null;
  }
}
