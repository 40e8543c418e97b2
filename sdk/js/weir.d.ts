/** Write filters for the Weir proxy in JavaScript. */

/**
 * Makes a filter. Its one place is the entry module: `export const { lifecycle, events } = filter({ … })`. A filter with hooks of
 * `connect`, `message`, `completed` or `tick` exports that too, by this name: `export const { lifecycle, events, tick } = filter({ … })`.
 *
 * Hooks come in this order: request head, request body and trailers, response head (or upstream error), response body and
 * trailers, done. A hook that is not there is not called, and costs nothing. In every hook, `this.config` is the configuration.
 */
export function filter<Config extends object, State extends object = Record<string, unknown>>(
  definition: Definition<Config, State> & ThisType<Definition<Config, State> & { readonly config: Config }>,
): { lifecycle: object; events: object; connect: object; message: object; completed: object; tick: object };

export interface Definition<Config extends object, State extends object> {
  /**
   * Keys of the configuration, each with its default, which shows its type too. A key that is not here is a fault, as is a value
   * of another type. `null`, `[]` and `{}` accept whatever is there (`null`) or is in there; `validate` checks that. Left out:
   * there is nothing to configure.
   */
  config?: Config;

  /** What is wrong with a configuration whose keys and types are right. */
  validate?(config: Config): Problem[] | void;

  /** Asks for less or more than the hooks say: heads and trailers for each hook that is there, bodies as `"transform"`. */
  subscription?(config: Config): Partial<Subscription>;

  /** What is remembered of one exchange between its hooks; `{}` unless given. */
  state?(): State;

  /** The head of a request came. */
  requestHead?(request: Request, state: State): Action | void;

  /** A chunk of a request's body came. Its head can be changed only if it is held. */
  requestBody?(request: Request, chunk: Chunk, state: State): ChunkAction | void;

  /** A request's trailers came, after its last chunk. */
  requestTrailers?(trailers: Trailers, state: State): TrailersAction | void;

  /** The head of a response came. */
  responseHead?(response: Response, state: State): Action | void;

  /** A chunk of a response's body came. Its head can be changed only if it is held. */
  responseBody?(response: Response, chunk: Chunk, state: State): ChunkAction | void;

  /** A response's trailers came, after its last chunk. */
  responseTrailers?(trailers: Trailers, state: State): TrailersAction | void;

  /** No response came. `respond` answers in its place; nothing leaves the agent's own error response. */
  upstreamError?(request: Request, error: UpstreamError, state: State): Action | void;

  /**
   * A call or timer that a hook waits for has ended (`wait`). What the hook could change can be changed now. `call` is the number
   * that starting it gave. Returning nothing lets things
   * pass as they are, and so does a filter without this hook.
   */
  resumed?(exchange: Exchange, call: number, outcome: CallOutcome, state: State): Resumption | void;

  /** The exchange is over. Runs once for every exchange that met a hook. */
  done?(exchange: { id: string; reason: DoneReason }, state: State): void;

  /**
   * Of `connect`. The client asks for a tunnel (CONNECT, SOCKS5); nothing has been dialled. Returning nothing: this filter has nothing
   * against it. There is no exchange here, nor in `clientHello` and `tick`: what needs one cannot be used.
   */
  connect?(to: Tunnel): Decision | void;

  /** Of `connect`. TLS begins inside the tunnel. It is too late to redirect: that fails by policy. */
  clientHello?(to: Tunnel, hello: ClientHello): Decision | void;

  /**
   * Of `message`. The upstream has answered a WebSocket's handshake with 101, or begun a stream of server-sent events. Whether this filter
   * is to see what follows; it is without this hook, and where it returns nothing.
   */
  open?(response: Response, state: State): boolean | void;

  /**
   * Of `message`. One whole message, at most `limits.bufferBytes`; a longer one fails by policy. Returning nothing lets it pass. Those of the
   * client meet the filters of the chain in its order, those of the upstream in reverse. Neither this hook nor `open` can wait.
   */
  message?(response: Response, origin: Origin, content: Content, state: State): MessageAction | void;

  /**
   * Of `completed`. What an exchange came to, before `done`: every exchange that the publication's `match` lets the filter see,
   * whether or not it met another hook, but one that the filter failed and one that stood behind its open breaker.
   */
  completed?(exchange: { request: Request; reason: DoneReason }, summary: Summary, state: State): void;

  /** Of `tick`. Work by the clock, in each instance that a worker keeps. What was missed is not made up for. */
  tick?(): void;

  /** Milliseconds from one tick to the next, at least 100; 1000 without it. Asked once. */
  interval?(): number;
}

/** What a client asks to be connected to. */
export interface Tunnel {
  entry: Connection["entry"];
  /** IP address and port. */
  clientAddress: string;
  /** Who the client proved to be. */
  user?: string | null;
  /** `host:port`. What an earlier filter redirected to, if one did. */
  target: string;
}

/** What the client's TLS handshake tells in clear. */
export interface ClientHello {
  serverName?: string | null;
  /** Names of protocols, in the client's order. */
  alpn: string[];
}

/** Who says a message. All server-sent events are of the upstream. */
export type Origin = "client" | "upstream";

/** One whole message: text or bytes of a WebSocket, or a server-sent event. */
export type Content = string | Uint8Array | ServerEvent;

/** One server-sent event. */
export interface ServerEvent {
  /** The type; `message` where there is none. */
  event?: string | null;
  /** Lines, joined by line feeds. */
  data: string;
  /** What the client is to keep. */
  id?: string | null;
  /** Milliseconds until the client connects again. */
  retry?: number | null;
}

/** A message: in place of the one that came, an event in place of an event, text or bytes in place of text or bytes. */
export type MessageAction = Answer<"drop"> | Answer<"close"> | Content;

/**
 * The WebSocket is closed, or the response ended, on both sides. The code is 1000 to 4999, of those that may be sent (RFC 6455 section 7.4),
 * the reason at most 123 bytes.
 */
export function close(code: number, reason?: string): Answer<"close">;

/** What an exchange came to, in figures: bytes of content, and milliseconds from the request's head on. */
export interface Summary {
  /** As the client sent them. */
  requestBytes: number;
  /** As the client got them. */
  responseBytes: number;
  duration: number;
  /** To the head of the upstream's response. */
  firstByte?: number | null;
  /** IP address and port that it was sent to. */
  upstreamAddress?: string | null;
}

/** A fault in the configuration. */
export interface Problem {
  /** RFC 6901 pointer into it, such as `/hosts/0`; `""` for the whole. */
  pointer: string;
  /** For whoever wrote the configuration. */
  message: string;
}

/**
 * How much of a body a filter takes part in: it never enters the filter; chunks are shown; chunks may be replaced or dropped as
 * they pass; one call with the whole body, up to `maxBuffer` (a longer one fails the exchange by policy).
 */
export type BodyMode = "none" | "observe" | "transform" | "buffer";

/** What the filter wants to see. */
export interface Subscription {
  requestHead: boolean;
  requestBody: BodyMode;
  requestTrailers: boolean;
  responseHead: boolean;
  responseBody: BodyMode;
  responseTrailers: boolean;
  /** Bodies arrive with Content-Encoding (gzip, deflate, br, zstd) undone, and travel on without it. */
  decoded: boolean;
  /** Bytes, for `"buffer"` and `hold`; 1 MiB unless given. The agent's limit caps it. */
  maxBuffer: number;
}

/** What a hook may answer. Returning nothing lets things pass as they are. */
declare class Answer<Kind extends string> {
  private readonly kind: Kind;
}
export type Action = Answer<"respond"> | Answer<"abort"> | Answer<"hold"> | Answer<"wait">;
/** A string or bytes: in place of the chunk. */
export type ChunkAction = Answer<"respond"> | Answer<"abort"> | Answer<"drop"> | Answer<"wait"> | Uint8Array | string;
export type TrailersAction = Answer<"respond"> | Answer<"abort"> | Answer<"wait">;
/** Of `resumed`. `hold` is for a head; `drop`, a string and bytes are for a chunk; `wait` is for the next call that ends. */
export type Resumption = Action | ChunkAction;

/** Answers the client; the request goes no further. The agent sets Content-Length. */
export function respond(response: {
  /** 200 to 599; 200 unless given. */
  status?: number;
  /** An object, or a list of pairs where a name stands more than once. */
  headers?: Record<string, string> | [string, string][];
  /** Strings are sent as UTF-8. */
  body?: string | Uint8Array | ArrayBuffer;
}): Answer<"respond">;
/** Closes without an answer: the connection on HTTP/1, the stream on HTTP/2. */
export const abort: Answer<"abort">;
/** Keeps this head back until its body ended or `maxBuffer` bytes came, so that body hooks may still change it. */
export const hold: Answer<"hold">;
/** What becomes of a tunnel. */
export type Decision = Answer<"deny"> | Answer<"redirect"> | Answer<"intercept"> | Answer<"pass-through">;
/** Refused, with a reason that the client may see. */
export function deny(reason: string): Answer<"deny">;
/** To this `host:port`. */
export function redirect(target: string): Answer<"redirect">;
/** TLS ends at the agent, and other hooks see what is inside. */
export const intercept: Answer<"intercept">;
/** Bytes pass as they are. */
export const passThrough: Answer<"pass-through">;

/** Nothing in place of this chunk or message. */
export const drop: Answer<"drop">;

/**
 * Goes on when a call or timer that this filter has started for the exchange ends: `resumed` decides. One that has ended already
 * counts. With none, and in `upstreamError`, it fails the exchange by policy. `weir/timer` and `weir/callout` start them.
 */
export const wait: Answer<"wait">;

/** A piece of a body. */
export interface Chunk {
  /** Empty at most when `endOfStream` is true. */
  bytes: Uint8Array;
  /** No more comes after this, except trailers. */
  endOfStream: boolean;
}

/** Fields of a head or of trailers. Names are compared without regard to case; values have one character per byte (latin-1). */
export interface Headers extends Iterable<[name: string, value: string]> {
  /** First value of a field. */
  get(name: string): string | null;
  /** Every value of a field, in order. Lines are not split at commas. */
  getAll(name: string): string[];
  has(name: string): boolean;
  /** Puts one value in place of every value of the field. Throws {@link HeaderError}. */
  set(name: string, value: string | number): void;
  /** Adds a field line. Throws {@link HeaderError}. */
  append(name: string, value: string | number): void;
  /** Removes every value of the field; one that is not there is no error. Throws {@link HeaderError}. */
  delete(name: string): void;
  /** Every field line, names in lower case. Dearer than `get` for less than about twelve fields. */
  entries(): Iterator<[name: string, value: string]>;
}

/** A change of a head that did not happen. */
export class HeaderError extends Error {
  readonly code: "forbidden" | "invalid-syntax" | "too-large" | "frozen" | "absent";
}

export type Version = "http10" | "http11" | "http2" | "http3";

/** The request of an exchange. Good while its hook runs. */
export interface Request {
  /** The exchange's id in the traffic store, a UUID. */
  readonly id: string;
  readonly connection: Connection;
  readonly version: Version;
  /** In `requestHead`: a body follows. Elsewhere false. */
  readonly hasBody: boolean;
  method: string;
  /** `http` or `https`: whether the agent speaks TLS to the upstream. An authority without a port goes to the scheme's own. */
  scheme: string;
  /** `host[:port]` that the exchange goes to. `Host` and `:authority` follow it. */
  authority: string;
  /** Path and query in origin form, as received: nothing is decoded. */
  path: string;
  readonly headers: Headers;
  /** Takes part in this body less than subscribed. Only in `requestHead`. */
  setBodyMode(mode: BodyMode): void;
}

/** The response of an exchange. Good while its hook runs. */
export interface Response {
  /** Its head has been sent: it can be read. */
  readonly request: Request;
  readonly version: Version;
  /** In `responseHead`: a body follows. Elsewhere false. */
  readonly hasBody: boolean;
  status: number;
  readonly headers: Headers;
  /** Takes part in this body less than subscribed. Only in `responseHead`. */
  setBodyMode(mode: BodyMode): void;
}

export interface Trailers {
  readonly request: Request;
  readonly headers: Headers;
}

/** The exchange of a hook that waits. Good while `resumed` runs. */
export interface Exchange {
  /** The hook that has waited. */
  readonly waiting:
    | "request-head"
    | "request-body"
    | "request-trailers"
    | "response-head"
    | "response-body"
    | "response-trailers";
  /** The chunk that waits, if a body's hook has waited: a copy, made when it is asked for. */
  readonly chunk: Uint8Array | null;
  readonly request: Request;
  /** `null` before there is one. */
  readonly response: Response | null;
  /** The trailers that wait, if their hook has waited. */
  readonly trailers: Trailers | null;
}

/** What says which exchange is meant. */
export type Subject = Request | Response | Trailers | Exchange;

/** What a call or timer came to. A call fails with `"too-large"` when its response exceeds what the publication allows. */
export type CallOutcome =
  | { kind: "elapsed" }
  | { kind: "response"; status: number; headers: [name: string, value: string][]; body: Uint8Array }
  | { kind: "failed"; error: UpstreamError };

/**
 * Facts of the connection. They may disagree: a client can CONNECT to one host, name a second in its TLS handshake and a third
 * in `Host`. A filter that decides access checks each.
 */
export interface Connection {
  entry: "forward" | "connect" | "socks5" | "transparent" | "reverse";
  /** IP address and port. */
  clientAddress: string;
  /** Who the client proved to be. */
  user: string | null;
  /** `host:port` that the client asked to be connected to (CONNECT, SOCKS5). */
  tunnelTarget: string | null;
  /** Server name of the client's TLS handshake. */
  serverName: string | null;
  /** The client's TLS ends at the agent. */
  intercepted: boolean;
}

export interface UpstreamError {
  kind: "refused" | "reset" | "timeout" | "dns" | "tls" | "protocol" | "too-large";
  /** Of `"tls"`. */
  reason: string;
}

export type DoneReason =
  | "complete"
  | "client-gone"
  | "upstream-gone"
  | "filter-answered"
  | "filter-failed"
  | "shut-down";

/** Lines for the operator, who limits their rate. */
export const log: Record<"debug" | "info" | "warn" | "error", (...parts: unknown[]) => void>;

/** Text and bytes: the engine has no TextEncoder. What is not UTF-8 becomes U+FFFD. */
export const utf8: { encode(text: string): Uint8Array; decode(bytes: Uint8Array): string };
