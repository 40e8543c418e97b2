/* Write filters for the Weir proxy in C.
 *
 * A filter is one table, `weir_this_filter`: what its configuration looks like, and the hooks that it wants. The agent calls
 * a hook as the head, the body and the trailers of a request and its response pass; what the hook returns says what
 * happens next. See examples/hello-c.
 *
 * Strings are UTF-8 and end with NUL; those of header fields, paths and methods have one character per byte of what
 * travels (latin-1). Whatever the SDK hands out (strings, chunks, lists) lives until the hook returns and is freed by
 * nobody: copy what has to stay. */
#ifndef WEIR_H
#define WEIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------ the exchange */

/* A request and its response, lent to a hook. */
typedef struct weir_exchange weir_exchange;

/* How the client reached the agent: absolute-form request to a forward proxy, inside a CONNECT tunnel, through SOCKS5,
 * redirected by the network, reverse proxy. */
typedef enum { WEIR_FORWARD, WEIR_CONNECT, WEIR_SOCKS5, WEIR_TRANSPARENT, WEIR_REVERSE } weir_entry;

typedef enum { WEIR_HTTP10, WEIR_HTTP11, WEIR_HTTP2, WEIR_HTTP3 } weir_version;

/* A set of fields. */
typedef enum { WEIR_REQUEST, WEIR_RESPONSE, WEIR_REQUEST_TRAILERS, WEIR_RESPONSE_TRAILERS } weir_part;

/* Whether a change of a head happened; if not, it is as it was. */
typedef enum {
  WEIR_OK,
  WEIR_FORBIDDEN,      /* the agent owns this field (framing and hop-by-hop fields), or the part is read-only */
  WEIR_INVALID_SYNTAX, /* not a valid name, value, method, status, authority or path */
  WEIR_TOO_LARGE,      /* the head would outgrow the agent's bound */
  WEIR_FROZEN,         /* this head has already been sent */
  WEIR_ABSENT,         /* there is no such part: no response yet, or no trailers */
} weir_result;

/* How much of a body a filter takes part in. */
typedef enum {
  WEIR_BODY_NONE,      /* it never enters the filter */
  WEIR_BODY_OBSERVE,   /* chunks are shown; replacing or dropping one fails the exchange by policy */
  WEIR_BODY_TRANSFORM, /* chunks may be replaced or dropped as they pass */
  WEIR_BODY_BUFFER,    /* one call with the whole body, up to `max_buffer`; a longer one fails the exchange by policy */
} weir_body_mode;

/* A field line. A list of them ends with one whose name is NULL. */
typedef struct {
  const char *name;
  const char *value;
} weir_field;

/* Facts of the connection; NULL where there is none. They may disagree: a client can CONNECT to one host, name a second in its
 * TLS handshake and a third in Host. A filter that decides access checks each. */
typedef struct {
  weir_entry entry;
  const char *client_address; /* IP address and port */
  const char *user;           /* who the client proved to be */
  const char *tunnel_target;  /* host:port that it asked to be connected to (CONNECT, SOCKS5) */
  const char *server_name;    /* of its TLS handshake */
  bool intercepted;           /* its TLS ends at the agent */
} weir_connection;

weir_connection weir_connection_of(weir_exchange *exchange);
/* The exchange's id in the traffic store, a UUID. */
const char *weir_id(weir_exchange *exchange);
/* Of the request; of the response with WEIR_RESPONSE, once there is one. */
weir_version weir_version_of(weir_exchange *exchange, weir_part part);
/* In a head hook: a body follows. Elsewhere false. */
bool weir_has_body(weir_exchange *exchange);

const char *weir_method(weir_exchange *exchange);
weir_result weir_set_method(weir_exchange *exchange, const char *value);
/* "http" or "https". */
const char *weir_scheme(weir_exchange *exchange);
/* Whether the agent speaks TLS to the upstream. An authority without a port goes to the scheme's own. */
weir_result weir_set_scheme(weir_exchange *exchange, const char *value);
/* host[:port] that the exchange goes to. Host and :authority follow it. */
const char *weir_authority(weir_exchange *exchange);
weir_result weir_set_authority(weir_exchange *exchange, const char *value);
/* Path and query in origin form, as received: nothing is decoded. */
const char *weir_path(weir_exchange *exchange);
weir_result weir_set_path(weir_exchange *exchange, const char *value);
/* Status of the response; 0 before there is one. */
uint16_t weir_status(weir_exchange *exchange);
weir_result weir_set_status(weir_exchange *exchange, uint16_t value);

/* First value of a field, NULL if it is not there. Names are compared without regard to case. */
const char *weir_header(weir_exchange *exchange, weir_part part, const char *name);
/* Every value of a field, in order; NULL ends them. Lines are not split at commas. */
const char **weir_header_values(weir_exchange *exchange, weir_part part, const char *name);
/* Every field line, names in lower case. Dearer than `weir_header` for less than about twelve fields. */
const weir_field *weir_headers(weir_exchange *exchange, weir_part part);
/* Puts one value in place of every value of the field. */
weir_result weir_set_header(weir_exchange *exchange, weir_part part, const char *name, const char *value);
/* Adds a field line. */
weir_result weir_append_header(weir_exchange *exchange, weir_part part, const char *name, const char *value);
/* Removes every value of the field; a field that is not there is no error. */
weir_result weir_remove_header(weir_exchange *exchange, weir_part part, const char *name);
/* Takes part in the body of WEIR_REQUEST or WEIR_RESPONSE less than subscribed. Only in the head hook of that direction. */
weir_result weir_set_body_mode(weir_exchange *exchange, weir_part part, weir_body_mode mode);

/* ---------------------------------------------------------------------------------------------------- answers */

/* A response that the filter makes itself; the agent sets Content-Length. */
typedef struct {
  uint16_t status;           /* 200 to 599 */
  const weir_field *headers; /* ended by a NULL name; or NULL */
  const char *text;          /* the body, if it is text */
  const void *body;          /* else these bytes */
  size_t body_length;
} weir_local_response;

typedef struct weir_reply weir_reply;

/* Answer of a hook that sees a head. */
typedef struct {
  uint8_t what;
  weir_reply *reply;
} weir_action;

/* Answer of a hook that sees a chunk or trailers. */
typedef struct {
  uint8_t what;
  weir_reply *reply;
  const void *bytes;
  size_t length;
} weir_chunk_action;

/* Go on with the next filter. */
weir_action weir_next(void);
/* Answer the client with this; the request goes no further. The response is copied. */
weir_action weir_respond(weir_local_response response);
/* Close without an answer: the connection on HTTP/1, the stream on HTTP/2. */
weir_action weir_abort(void);
/* Keep this head back until its body ended or `max_buffer` bytes came, so that body hooks may still change it. */
weir_action weir_hold_for_body(void);
/* Go on when a call or timer that this filter has started for the exchange ends: `resumed` decides. One that has ended
 * already counts. With none it fails the exchange by policy, and so it does in `upstream_error`. */
weir_action weir_wait(void);

/* As it is, without a copy. Also: go on after trailers. */
weir_chunk_action weir_pass(void);
/* These bytes in its place. They are not copied: not on the stack of the hook, please. */
weir_chunk_action weir_replace(const void *bytes, size_t length);
/* Nothing in its place. */
weir_chunk_action weir_drop(void);
/* Possible until the response's head is sent to the client; later it closes like `weir_abort_body`. */
weir_chunk_action weir_respond_instead(weir_local_response response);
weir_chunk_action weir_abort_body(void);
/* As `weir_wait`. */
weir_chunk_action weir_wait_body(void);

/* Answer of `resumed`: what is to happen with what waited. */
typedef struct {
  uint8_t what;
  weir_reply *reply;
  const void *bytes;
  size_t length;
} weir_resumption;

/* A head goes on to the next filter, a chunk as it is, trailers go on. */
weir_resumption weir_proceed(void);
/* What a hook of a head could answer; `weir_wait` is for the next call that ends. */
weir_resumption weir_resume(weir_action action);
/* What a hook of a chunk or of trailers could answer. */
weir_resumption weir_resume_body(weir_chunk_action action);

/* ------------------------------------------------------------------------------------------------ configuration */

typedef struct weir_problems weir_problems;
/* Reports a fault of the configuration at a place, an RFC 6901 pointer such as "/hosts/0". Both strings are copied. */
void weir_problem(weir_problems *problems, const char *pointer, const char *message);

typedef enum { WEIR_JSON_NULL, WEIR_JSON_BOOL, WEIR_JSON_NUMBER, WEIR_JSON_STRING, WEIR_JSON_ARRAY, WEIR_JSON_OBJECT } weir_json_kind;

/* A JSON value. */
typedef struct weir_json {
  weir_json_kind kind;
  bool boolean;
  double number;
  const char *string;
  const char *key;               /* in an object */
  const struct weir_json *first; /* of an array or object */
  const struct weir_json *next;  /* in an array or object */
} weir_json;

/* The value of a key, NULL if there is none. */
const weir_json *weir_json_at(const weir_json *object, const char *key);

/* A list of strings. */
typedef struct {
  const char **items;
  size_t count;
} weir_strings;

typedef enum { WEIR_KEY_END, WEIR_KEY_STRING, WEIR_KEY_NUMBER, WEIR_KEY_BOOL, WEIR_KEY_STRINGS, WEIR_KEY_JSON } weir_key_kind;

/* A key of the configuration and the member that holds it. A key that no entry names is a fault, as is a wrong type. */
typedef struct {
  const char *name;
  weir_key_kind kind;
  size_t offset;
  bool required;
  const char *string;
  double number;
  bool boolean;
} weir_key;

/* WEIR_STRING(struct config, header, "x-hello") or WEIR_STRING(struct config, header, NULL, .required = true) */
#define WEIR_STRING(type, member, ...) {.name = #member, .kind = WEIR_KEY_STRING, .offset = offsetof(type, member), .string = __VA_ARGS__}
#define WEIR_NUMBER(type, member, ...) {.name = #member, .kind = WEIR_KEY_NUMBER, .offset = offsetof(type, member), .number = __VA_ARGS__}
#define WEIR_BOOL(type, member, ...) {.name = #member, .kind = WEIR_KEY_BOOL, .offset = offsetof(type, member), .boolean = __VA_ARGS__}
/* A member of type weir_strings, empty by default. */
#define WEIR_STRINGS(type, member) {.name = #member, .kind = WEIR_KEY_STRINGS, .offset = offsetof(type, member)}
/* A member of type const weir_json *, NULL by default: whatever is there. */
#define WEIR_JSON(type, member) {.name = #member, .kind = WEIR_KEY_JSON, .offset = offsetof(type, member)}

/* What the filter wants to see. */
typedef struct {
  bool request_head;
  weir_body_mode request_body;
  bool request_trailers;
  bool response_head;
  weir_body_mode response_body;
  bool response_trailers;
  bool decoded;        /* bodies arrive with Content-Encoding undone, and travel on without it */
  uint32_t max_buffer; /* bytes, for WEIR_BODY_BUFFER and weir_hold_for_body; the agent's limit caps it */
} weir_subscription;

/* -------------------------------------------------------------------------------------------------- the filter */

typedef struct {
  const uint8_t *bytes;
  size_t length;
  bool end_of_stream;
} weir_chunk;

typedef enum {
  WEIR_REFUSED,
  WEIR_RESET,
  WEIR_TIMEOUT,
  WEIR_DNS,
  WEIR_TLS,
  WEIR_PROTOCOL,
  WEIR_RESPONSE_TOO_LARGE,
} weir_upstream_error;

/* Names a call or timer of one exchange. */
typedef uint32_t weir_call;

/* A hook that can wait. */
typedef enum {
  WEIR_HOOK_REQUEST_HEAD,
  WEIR_HOOK_REQUEST_BODY,
  WEIR_HOOK_REQUEST_TRAILERS,
  WEIR_HOOK_RESPONSE_HEAD,
  WEIR_HOOK_RESPONSE_BODY,
  WEIR_HOOK_RESPONSE_TRAILERS,
} weir_hook;

/* In `resumed`: which hook has waited. */
weir_hook weir_waiting(weir_exchange *exchange);
/* In `resumed`: the chunk that waits, if a body's hook has waited; else its `bytes` are NULL. */
weir_chunk weir_waiting_chunk(weir_exchange *exchange);

/* What a call or timer came to. */
typedef enum {
  WEIR_ELAPSED,  /* the time of a timer has passed */
  WEIR_ANSWERED, /* a whole response */
  WEIR_FAILED,   /* none; WEIR_RESPONSE_TOO_LARGE when it exceeds what the publication allows */
} weir_outcome_kind;

typedef struct {
  weir_outcome_kind kind;
  /* of WEIR_ANSWERED */
  uint16_t status;
  const weir_field *headers; /* names in lower case, ended by a NULL name */
  const uint8_t *body;       /* a 0 that does not count stands behind it: text can be read as it is */
  size_t body_length;
  /* of WEIR_FAILED */
  weir_upstream_error error;
  const char *reason; /* of WEIR_TLS, else "" */
} weir_outcome;

typedef enum {
  WEIR_COMPLETE,
  WEIR_CLIENT_GONE,
  WEIR_UPSTREAM_GONE,
  WEIR_FILTER_ANSWERED,
  WEIR_FILTER_FAILED,
  WEIR_SHUT_DOWN,
} weir_done_reason;

/* A filter. Hooks that are NULL are never called, and cost nothing. `state` is what this exchange's hooks keep: `state_size`
 * bytes, zero before the first hook, freed after `done`. */
typedef struct {
  void *config;         /* where the configuration goes; strings in it live as long as the filter */
  size_t config_size;   /* of the struct it is */
  const weir_key *keys; /* its members, ended by {0} */
  size_t state_size;

  /* Reports what is wrong with a configuration beyond types and keys. */
  void (*validate)(const void *config, weir_problems *problems);
  /* Asks for less or more than the hooks of this table say: a head or trailers for each hook, bodies as WEIR_BODY_TRANSFORM,
   * `max_buffer` of 1 MiB. */
  void (*subscribe)(const void *config, weir_subscription *subscription);

  weir_action (*request_head)(weir_exchange *exchange, void *state);
  /* The head can be changed here only if it is held. */
  weir_chunk_action (*request_body)(weir_exchange *exchange, weir_chunk chunk, void *state);
  weir_chunk_action (*request_trailers)(weir_exchange *exchange, void *state);
  weir_action (*response_head)(weir_exchange *exchange, void *state);
  weir_chunk_action (*response_body)(weir_exchange *exchange, weir_chunk chunk, void *state);
  weir_chunk_action (*response_trailers)(weir_exchange *exchange, void *state);
  /* No response came. `weir_respond` answers in its place; `weir_next` leaves the agent's own. `reason` is of WEIR_TLS. */
  weir_action (*upstream_error)(weir_exchange *exchange, weir_upstream_error error, const char *reason, void *state);
  /* A call or timer that a hook waits for has ended (`weir_wait`). What that hook could change can be changed now. Without this
   * hook what waited proceeds. */
  weir_resumption (*resumed)(weir_exchange *exchange, weir_call call, const weir_outcome *outcome, void *state);
  /* The exchange is over: the last chance to free what `state` points to. */
  void (*done)(weir_exchange *exchange, weir_done_reason reason, void *state);
} weir_filter;

/* The filter of this component, which its author defines. */
extern const weir_filter weir_this_filter;

/* ---------------------------------------------------------------------------------------------------- further hooks */

/* A filter has these where its author defines the table: `build.sh` looks for its name in the sources and says -DWEIR_EXPORTS_CONNECT,
 * -DWEIR_EXPORTS_MESSAGE, -DWEIR_EXPORTS_COMPLETED, -DWEIR_EXPORTS_TICK. Other filters do not export them, and are not called. */

/* What a client asks to be connected to. */
typedef struct {
  weir_entry entry;
  const char *client_address; /* IP address and port */
  const char *user;           /* who the client proved to be; or NULL */
  const char *target;         /* host:port; what an earlier filter redirected to, if one did */
} weir_tunnel;

/* What the client's TLS handshake tells in clear. */
typedef struct {
  const char *server_name; /* or NULL */
  const char **alpn;       /* names of protocols, in the client's order; NULL ends them */
} weir_client_hello;

/* What becomes of a tunnel. */
typedef struct {
  uint8_t what;
  const char *text;
} weir_decision;

/* This filter has nothing against it. */
weir_decision weir_no_objection(void);
/* Refused, with a reason that the client may see. */
weir_decision weir_deny(const char *reason);
/* To this host:port. */
weir_decision weir_redirect(const char *target);
/* TLS ends at the agent, and other hooks see what is inside. */
weir_decision weir_intercept(void);
/* Bytes pass as they are. */
weir_decision weir_pass_through(void);

/* Tunnels, before anything is dialled. There is no exchange: what needs one cannot be used. */
typedef struct {
  /* The client asks for a tunnel (CONNECT, SOCKS5). */
  weir_decision (*on_connect)(const weir_tunnel *to);
  /* TLS begins inside it. It is too late to redirect: that fails by policy. */
  weir_decision (*on_client_hello)(const weir_tunnel *to, const weir_client_hello *hello);
} weir_connect_hooks;
extern const weir_connect_hooks weir_this_connect;

/* Who says a message. All server-sent events are of the upstream. */
typedef enum { WEIR_BY_CLIENT, WEIR_BY_UPSTREAM } weir_origin;

/* Text and bytes are of WebSockets. */
typedef enum { WEIR_MESSAGE_TEXT, WEIR_MESSAGE_BINARY, WEIR_MESSAGE_EVENT } weir_message_kind;

/* One whole message of a WebSocket, or one server-sent event. */
typedef struct {
  weir_message_kind kind;
  const char *data; /* what it says, UTF-8 unless it is WEIR_MESSAGE_BINARY; a 0 that does not count stands behind it */
  size_t length;
  /* of WEIR_MESSAGE_EVENT */
  const char *event; /* its type; NULL: none, which is "message" */
  const char *id;    /* that the client is to keep; NULL: none */
  bool has_retry;
  uint32_t retry; /* milliseconds until the client connects again */
} weir_message;

/* What becomes of a message. */
typedef struct {
  uint8_t what;
  weir_message message;
  uint16_t code;
  const char *reason;
} weir_message_action;

/* It goes on as it is. */
weir_message_action weir_pass_message(void);
/* This goes on in its place: an event in place of an event, text or bytes in place of text or bytes. What it points to is not
 * copied: not on the stack of the hook, please. */
weir_message_action weir_replace_message(weir_message message);
/* The same message, but for what it says: an event keeps its type, id and time. */
weir_message_action weir_replace_text(const weir_message *message, const char *text);
/* Nothing goes on. */
weir_message_action weir_drop_message(void);
/* The WebSocket is closed, or the response ended, on both sides. The code is 1000 to 4999, of those that may be sent (RFC 6455 section
 * 7.4), the reason at most 123 bytes. */
weir_message_action weir_close(uint16_t code, const char *reason);

/* Messages of WebSockets and of streams of server-sent events. Those of the client meet the filters of the chain in its order, those of
 * the upstream in reverse. These hooks cannot wait. */
typedef struct {
  /* The upstream has answered a WebSocket's handshake with 101, or begun a stream of events. Whether this filter is to see what follows;
   * NULL: it is. */
  bool (*on_open)(weir_exchange *exchange, void *state);
  /* One whole message, at most `weir_buffer_bytes` long; a longer one fails by policy. */
  weir_message_action (*on_message)(weir_exchange *exchange, weir_origin origin, const weir_message *message, void *state);
} weir_message_hooks;
extern const weir_message_hooks weir_this_message;

/* What an exchange came to, in figures: bytes of content, and milliseconds from the request's head on. */
typedef struct {
  weir_done_reason reason;
  double request_bytes;         /* as the client sent them */
  double response_bytes;        /* as the client got them */
  double duration;              /* to the end */
  double first_byte;            /* to the head of the upstream's response; -1: there was none */
  const char *upstream_address; /* IP address and port that it was sent to; or NULL */
} weir_summary;

typedef struct {
  /* Every exchange that the publication's `match` lets the filter see, whether or not it met another hook, but one that the filter failed
   * and one that stood behind its open breaker. Before `done`. Nothing can be changed. */
  void (*on_completed)(weir_exchange *exchange, const weir_summary *summary, void *state);
} weir_completed_hooks;
extern const weir_completed_hooks weir_this_completed;

/* Work by the clock, in each instance that a worker keeps. There is no exchange. */
typedef struct {
  /* Milliseconds from one tick to the next, at least 100; NULL: 1000. Asked once. */
  uint32_t (*interval)(void);
  /* What was missed is not made up for. */
  void (*on_tick)(void);
} weir_tick_hooks;
extern const weir_tick_hooks weir_this_tick;

/* ---------------------------------------------------------------------------------------------- calls and timers */

/* For hooks that wait. Other exchanges meet their hooks meanwhile; a call or timer ends with its exchange at the latest. */

typedef enum {
  WEIR_STARTED,
  WEIR_UNKNOWN_UPSTREAM, /* no upstream of this name in the publication */
  WEIR_INVALID_CALL,     /* not a valid method, path or field; or a timer of more than a minute */
  WEIR_TOO_MANY_CALLS,   /* 16 calls and timers per exchange and filter */
} weir_start;

/* Begins a timer. `call` may be NULL where nobody asks which one ended. Needs the grant `timer`. */
weir_start weir_start_timer(weir_exchange *exchange, uint32_t milliseconds, weir_call *call);

typedef struct {
  const char *method;        /* NULL: GET */
  const char *path;          /* path and query in origin form, below the path of the upstream's URL */
  const weir_field *headers; /* ended by a NULL name; or NULL. Framing, hop-by-hop fields and Host are the agent's */
  const void *body;
  size_t body_length;
  uint32_t timeout; /* milliseconds, no longer than the upstream's own; 0 is that */
} weir_call_request;

/* Sends a request to a server that the publication names. Needs the grant `callout`. */
weir_start weir_start_call(weir_exchange *exchange, const char *upstream, weir_call_request request, weir_call *call);
/* First value of a field of the response to a call, NULL if it is not there. Names are compared without regard to case. */
const char *weir_outcome_header(const weir_outcome *outcome, const char *name);

/* ------------------------------------------------------------------------------------------------------ the store */

/* A store of the filter's own, by key: its versions and instances share one on each agent, and it survives swaps and restarts.
 * Needs the grant `kv`. A `ttl` is in milliseconds; 0 keeps an entry until it is deleted. */

/* Why nothing was written. */
typedef enum {
  WEIR_KV_OK,
  WEIR_KV_TOO_LARGE,    /* a key is 1 to 512 bytes, a value at most 64 KiB */
  WEIR_KV_FULL,         /* the filter's store is full */
  WEIR_KV_NOT_A_NUMBER, /* `weir_kv_add` to a value that is none */
} weir_kv_result;

typedef struct {
  const uint8_t *value; /* a 0 that does not count stands behind it */
  size_t length;
  double version; /* changes with each write of the key */
} weir_kv_entry;

/* Whether there is one. */
bool weir_kv_get(const char *key, weir_kv_entry *entry);
weir_kv_result weir_kv_set(const char *key, const void *value, size_t length, double ttl);
/* Sets only if the entry has this version still; 0: only if there is none. `is_set` says whether. */
weir_kv_result weir_kv_compare_and_set(const char *key, double version, const void *value, size_t length, double ttl, bool *is_set);
/* Whether there was one. */
bool weir_kv_delete(const char *key);
/* Adds to a number; `sum`, which may be NULL, is what it is then. An absent one counts as 0 and lives for `ttl`; one that is
 * there keeps the time it has. */
weir_kv_result weir_kv_add(const char *key, double by, double ttl, double *sum);

/* ----------------------------------------------------------------------------------------------------------- tags */

/* Facts about an exchange that filters tell each other, and the record. Needs the grant `tags`. */

typedef enum {
  WEIR_TAG_OK,
  WEIR_TAG_INVALID_NAME,  /* a name is 1 to 64 of a-z, 0-9, `-` and `_`; another filter's has the filter's name and a dot before it */
  WEIR_TAG_INVALID_VALUE, /* more than 1024 bytes of text, or no finite number */
  WEIR_TAG_TOO_MANY,      /* 16 of one filter, per exchange */
  WEIR_TAG_FORBIDDEN,     /* another filter's, and the publication does not let this one read it */
  WEIR_TAG_ABSENT,        /* nobody has set it */
} weir_tag_result;

typedef enum { WEIR_TAG_TEXT, WEIR_TAG_NUMBER, WEIR_TAG_FLAG } weir_tag_kind;

/* What a tag says: the member that `kind` names. */
typedef struct {
  weir_tag_kind kind;
  const char *text;
  double number;
  bool flag;
} weir_tag;

/* Says something of the exchange; what this filter said under the same name is replaced. Others know it as FILTER.NAME. */
weir_tag_result weir_tag_text(weir_exchange *exchange, const char *name, const char *text);
weir_tag_result weir_tag_number(weir_exchange *exchange, const char *name, double number);
weir_tag_result weir_tag_flag(weir_exchange *exchange, const char *name, bool flag);
/* NAME is what this filter said, FILTER.NAME what another did, if the publication lets this one read it. `tag` is written if the answer is WEIR_TAG_OK. */
weir_tag_result weir_tag_of(weir_exchange *exchange, const char *name, weir_tag *tag);

/* ------------------------------------------------------------------------------------------------------- secrets */

/* Text that stands for a secret of the agent's, to be put into a field of this exchange's request or of a call for it: the agent
 * puts the secret in its place when it sends the head. Towards a host that the secret is not for, the exchange or call fails. NULL:
 * the agent has no such secret, or the publication does not grant it. Good for this exchange only. Needs the grant `secrets`. */
const char *weir_secret(weir_exchange *exchange, const char *name);

/* --------------------------------------------------------------------------------------- numbers, times and chance */

/* Numbers in the agent's /metrics, as weir_agent_filter_metric_NAME with the label `filter`. Need the grant `metrics`. */

typedef enum {
  WEIR_METRIC_OK,
  WEIR_METRIC_INVALID_NAME, /* of the metric or a label; a label twice or the agent's own; bounds that do not ascend */
  WEIR_METRIC_CONFLICT,     /* the name is in use for another kind of metric */
  WEIR_METRIC_TOO_MANY,     /* 256 series, 8 labels, 32 bounds */
} weir_metric_result;

/* Names a series in this instance. */
typedef uint32_t weir_metric;

/* `labels` end with a NULL name, or are NULL. The same name and labels are the same series, so these may be called at any time. */
weir_metric_result weir_counter(const char *name, const char *help, const weir_field *labels, weir_metric *metric);
weir_metric_result weir_gauge(const char *name, const char *help, const weir_field *labels, weir_metric *metric);
/* `bounds` ascend; none are 0.005 to 10. */
weir_metric_result weir_histogram(const char *name, const char *help, const weir_field *labels, const double *bounds, size_t count,
                                  weir_metric *metric);
/* Of a counter or gauge. A number that names no series of the right kind ends the instance, here and below. */
void weir_metric_add(weir_metric metric, double by);
/* Of a gauge. */
void weir_metric_set(weir_metric metric, double value);
/* Of a histogram. */
void weir_metric_observe(weir_metric metric, double value);

/* What this filter may use, as its publication says: CPU time of one hook (ms), memory of an instance, what `max_buffer` is capped
 * to, what one answer may hold (bytes). */
uint32_t weir_cpu_ms(void);
double weir_memory_bytes(void);
uint32_t weir_buffer_bytes(void);
uint32_t weir_answer_bytes(void);

/* Milliseconds since the Unix epoch. Needs the grant `clock`. */
double weir_now(void);
/* Milliseconds since some moment before; never goes back. Needs the grant `clock`. */
double weir_monotonic(void);

/* Fills memory from a generator fit for cryptography. Needs the grant `random`. */
void weir_random(void *to, size_t length);
uint32_t weir_random_number(void);

/* ------------------------------------------------------------------------------------------------------- the rest */

typedef enum { WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR } weir_level;
/* A line for the operator, who limits their rate. */
void weir_log(weir_level level, const char *message);

/* Memory until the hook returns. */
void *weir_alloc(size_t size);
/* As printf, into such memory. */
const char *weir_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A number in decimal. Much smaller than `weir_format`. */
const char *weir_decimal(uint32_t number);
bool weir_starts_with(const char *text, const char *beginning);

#ifdef __cplusplus
}
#endif
#endif
