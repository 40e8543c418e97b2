// The rest of the tour: messages of WebSockets and server-sent events.

import { close, drop, utf8 } from "weir";

export function opened(response, state) {
  state.trace += "O";
  return !response.request.path.startsWith("/ws?unseen");
}

export function judged(response, origin, content, state) {
  state.trace += origin === "client" ? "m" : "M";
  switch (said(content)) {
    case "swap":
      return other(content);
    case "drop":
      return drop;
    case "trace":
      return state.trace;
    case "close":
      return close(4001, "enough");
  }
}

const said = (content) => (content instanceof Uint8Array ? utf8.decode(content) : content.data ?? content);

function other(content) {
  if (typeof content === "string") return `not ${content}`;
  if (content instanceof Uint8Array) return Uint8Array.of(60, 0, 255, 62);
  const { event, id, retry } = content;
  return { event: event && `${event}!`, data: "two\nlines", id, retry: retry && retry + 1 };
}
