// Goes through the whole SDK: sdk/tour has the cases that every language's tour is held to.

import { abort, deny, drop, filter, HeaderError, hold, log, passThrough, redirect, respond, utf8, wait } from "weir";
import { callout } from "weir/callout";
import { limits } from "weir/limits";
import { secrets } from "weir/secrets";
import { tags } from "weir/tags";
import { timer } from "weir/timer";

import { count, countTick, measure, ticks } from "./counting.js";
import { judged, opened } from "./messages.js";

const text = (status, body) =>
  respond({ status, headers: [["content-type", "text/plain"], ["x-two", "1"], ["x-two", "2"]], body });

function facts(request) {
  const { entry, clientAddress, user, tunnelTarget, serverName, intercepted } = request.connection;
  const first = [request.method, request.scheme, request.authority, request.path, Number(request.version === "http11")];
  const second = [entry, clientAddress, user ?? "-", tunnelTarget ?? "-", serverName ?? "-", intercepted];
  return `${first.join(" ")}\n${second.join(" ")}\n${request.id}`;
}

function rewrite(request) {
  request.method = "PUT";
  request.authority = "other.example:81";
  request.path = "/new?q=1";
  const joined = request.headers.getAll("X-Many").map((value) => `[${value}]`).join("");
  const names = [...request.headers].map(([name]) => `[${name}]`).join("");
  request.headers.set("x-joined", joined);
  request.headers.set("x-names", names);
  request.headers.append("x-many", "é");
  request.headers.delete("x-gone");
}

function outcome(change) {
  try {
    change();
    return "ok";
  } catch (fault) {
    if (fault instanceof HeaderError) return fault.code;
    throw fault;
  }
}

function errors(request) {
  return [
    outcome(() => request.headers.set("content-length", "1")),
    outcome(() => request.headers.set("a b", "1")),
    outcome(() => (request.method = "A B")),
    outcome(() => request.headers.set("a", "1")),
  ].join(" ");
}

function rescheme(request) {
  const ftp = outcome(() => (request.scheme = "ftp"));
  request.scheme = "https";
  request.headers.set("x-scheme", `${request.scheme} ${ftp === "invalid-syntax" ? "refused" : ftp}`);
}

function late(trailers) {
  if (trailers.headers.has("x-wait")) {
    timer.start(trailers, 10);
    return wait;
  }
}

function body(subject, chunk) {
  switch (utf8.decode(chunk.bytes)) {
    case "wait":
      timer.start(subject, 10);
      return wait;
    case "swap":
      return Uint8Array.of(60, 0, 255, 62);
    case "drop":
      return drop;
    case "abort":
      return abort;
    case "respond":
      return text(413, "too much");
  }
}

const answer = ({ kind, status, body, error }) =>
  kind === "response" ? `${status} ${utf8.decode(body)}` : `failed ${error.kind}`;

export const { lifecycle, events, connect, message, completed, tick } = filter({
  config: { mark: "-", names: [], limit: 7, strict: false, any: null },

  state: () => ({ trace: "" }),

  requestHead(request, state) {
    state.trace += "h";
    const { mark, names, limit, strict, any } = this.config;
    if (request.path.startsWith("/config")) return text(200, `${mark} ${names} ${limit} ${strict} ${any?.deep ?? "-"}`);
    if (request.path.startsWith("/facts")) return text(200, facts(request));
    if (request.path.startsWith("/errors")) return text(200, errors(request));
    if (request.path.startsWith("/metrics")) return text(200, measure());
    if (request.path.startsWith("/limits"))
      return text(200, `${limits.cpuMs} ${limits.memoryBytes} ${limits.bufferBytes} ${limits.answerBytes}`);
    if (request.path.startsWith("/abort")) return abort;
    if (request.path.startsWith("/panic")) throw new Error("on purpose");
    if (request.path.startsWith("/scheme")) rescheme(request);
    if (request.path.startsWith("/rewrite")) rewrite(request);
    if (request.path.startsWith("/kv")) count(request);
    if (request.path.startsWith("/ticks")) request.headers.set("x-ticks", ticks());
    if (request.path.startsWith("/tag")) {
      tags.set(request, "seen", "yes");
      request.headers.set("x-tagged", "yes");
    }
    if (request.path.startsWith("/secret")) {
      request.headers.set("authorization", `Bearer ${secrets.placeholder(request, "key")}`);
      request.headers.set("x-none", secrets.placeholder(request, "other") ?? "-");
    }
    if (request.path.startsWith("/wait")) {
      timer.start(request, 10);
      return wait;
    }
    if (request.path.startsWith("/call")) {
      callout.start(request, "oracle", { path: "/answer" });
      return wait;
    }
    if (request.path.startsWith("/skip")) request.setBodyMode("none");
    if (request.path.startsWith("/hold") && request.hasBody) return hold;
  },

  requestBody(request, chunk, state) {
    state.trace += chunk.endOfStream ? "B" : "b";
    if (utf8.decode(chunk.bytes) === "head") request.headers.set("x-held", "yes");
    return body(request, chunk);
  },

  requestTrailers(trailers, state) {
    state.trace += "t";
    trailers.headers.set("x-sum", trailers.headers.get("x-part") ?? "-");
    return late(trailers);
  },

  responseHead(response, state) {
    state.trace += "H";
    if (response.status === 404) response.status = 410;
    response.headers.set("x-trace", state.trace);
  },

  responseBody: body,

  responseTrailers(trailers) {
    trailers.headers.delete("x-secret");
    return late(trailers);
  },

  upstreamError(request, { kind, reason }) {
    if (kind !== "reset") return text(503, `${kind === "tls" ? "tls" : "other"} ${reason}`);
  },

  resumed({ request, chunk, trailers }, call, outcome) {
    if (chunk) return `(${utf8.decode(chunk)})`;
    if (trailers) trailers.headers.set("x-late", "yes");
    else if (outcome.kind === "elapsed") request.headers.set("x-waited", outcome.kind);
    else request.headers.set("x-answer", answer(outcome));
  },

  done({ id, reason }, state) {
    log.info(id, reason, state.trace);
  },

  connect({ target }) {
    if (target.startsWith("denied.")) return deny(`${target}, on purpose`);
    if (target.startsWith("elsewhere.")) return redirect(this.config.mark);
    if (this.config.strict) return passThrough;
  },

  clientHello({ entry }, { serverName, alpn }) {
    if (serverName === "refused.localhost") return deny("by its name");
    if (alpn[0] === "h2" && entry === "forward") return deny("no tunnel comes so");
  },

  open: opened,

  message: judged,

  completed({ request, reason }, { requestBytes, responseBytes, duration, firstByte, upstreamAddress }) {
    const timed = (firstByte ?? Infinity) <= duration ? "timed" : "-";
    const done = Number(reason === "complete");
    log.info("completed", request.path, done, requestBytes, responseBytes, timed, upstreamAddress ?? "-");
  },

  interval: () => 100,

  tick: countTick,
});
