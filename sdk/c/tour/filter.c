/* Goes through the whole SDK: sdk/tour has the cases that every language's tour is held to. */
#include <string.h>

#include "tour.h"

struct config config;

static const weir_key keys[] = {
    WEIR_STRING(struct config, mark, "-"),
    WEIR_STRINGS(struct config, names),
    WEIR_NUMBER(struct config, limit, 7),
    WEIR_BOOL(struct config, strict, false),
    WEIR_JSON(struct config, any),
    {0},
};

void met(void *state, char what) {
  char *trace = ((struct state *)state)->trace;
  size_t length = strlen(trace);
  if (length < sizeof(struct state) - 1) trace[length] = what;
}

static const char *or_dash(const char *text) { return text ? text : "-"; }

static weir_local_response text(uint16_t status, const char *body) {
  static const weir_field headers[] = {{"content-type", "text/plain"}, {"x-two", "1"}, {"x-two", "2"}, {0}};
  return (weir_local_response){.status = status, .headers = headers, .text = body};
}

static const char *configured(void) {
  const char *names = "";
  for (size_t i = 0; i < config.names.count; i++) names = weir_format("%s%s%s", names, i ? "," : "", config.names.items[i]);
  const weir_json *deep = config.any ? weir_json_at(config.any, "deep") : NULL;
  return weir_format("%s %s %g %s %s", config.mark, names, config.limit, config.strict ? "true" : "false", deep ? deep->string : "-");
}

static const char *facts(weir_exchange *x) {
  static const char *const entries[] = {"forward", "connect", "socks5", "transparent", "reverse"};
  weir_connection c = weir_connection_of(x);
  return weir_format("%s %s %s %s %d\n%s %s %s %s %s %s\n%s", weir_method(x), weir_scheme(x), weir_authority(x), weir_path(x),
                     weir_version_of(x, WEIR_REQUEST) == WEIR_HTTP11, entries[c.entry], c.client_address, or_dash(c.user),
                     or_dash(c.tunnel_target), or_dash(c.server_name), c.intercepted ? "true" : "false", weir_id(x));
}

static void rewrite(weir_exchange *x) {
  weir_set_method(x, "PUT");
  weir_set_authority(x, "other.example:81");
  weir_set_path(x, "/new?q=1");
  const char *joined = "", *names = "";
  for (const char **value = weir_header_values(x, WEIR_REQUEST, "X-Many"); *value; value++) joined = weir_format("%s[%s]", joined, *value);
  for (const weir_field *field = weir_headers(x, WEIR_REQUEST); field->name; field++) names = weir_format("%s[%s]", names, field->name);
  weir_set_header(x, WEIR_REQUEST, "x-joined", joined);
  weir_set_header(x, WEIR_REQUEST, "x-names", names);
  weir_append_header(x, WEIR_REQUEST, "x-many", "\xc3\xa9");
  weir_remove_header(x, WEIR_REQUEST, "x-gone");
}

static const char *errors(weir_exchange *x) {
  static const char *const words[] = {"ok", "forbidden", "invalid-syntax", "too-large", "frozen", "absent"};
  return weir_format("%s %s %s %s", words[weir_set_header(x, WEIR_REQUEST, "content-length", "1")],
                     words[weir_set_header(x, WEIR_REQUEST, "a b", "1")], words[weir_set_method(x, "A B")],
                     words[weir_set_header(x, WEIR_REQUEST, "a", "1")]);
}

static weir_action call(weir_exchange *x) {
  weir_start start = weir_start_call(x, "oracle", (weir_call_request){.path = "/answer"}, NULL);
  return start == WEIR_STARTED ? weir_wait() : weir_respond(text(500, weir_format("not started: %d", start)));
}

static void count(weir_exchange *x) {
  double sum = 0;
  if (weir_kv_add("n", 1, 0, NULL) || weir_kv_add("n", 1, 0, &sum)) return;
  weir_set_header(x, WEIR_REQUEST, "x-count", weir_format("%g", sum));
}

/* The fault of a gauge that has a counter's name, and of a name that is none. */
static const char *measure(void) {
  static const char *const words[] = {"ok", "invalid-name", "conflict", "too-many"};
  static const double bounds[] = {1, 10};
  static const weir_field labels[] = {{"kind", "a"}, {0}};
  weir_metric counter, gauge, histogram;
  if (weir_counter("tour_seen", "Requests.", labels, &counter) || weir_gauge("tour_level", "", NULL, &gauge) ||
      weir_histogram("tour_size", "", NULL, bounds, 2, &histogram))
    return "none";
  weir_metric_add(counter, 1);
  weir_metric_set(gauge, 5);
  weir_metric_add(gauge, -2);
  weir_metric_observe(histogram, 4);
  return weir_format("%s %s", words[weir_gauge("tour_seen", "", NULL, &gauge)], words[weir_counter("a b", "", NULL, &counter)]);
}

static void rescheme(weir_exchange *x) {
  weir_result ftp = weir_set_scheme(x, "ftp");
  weir_set_scheme(x, "https");
  weir_set_header(x, WEIR_REQUEST, "x-scheme", weir_format("%s %s", weir_scheme(x), ftp == WEIR_INVALID_SYNTAX ? "refused" : "?"));
}

static void ticks(weir_exchange *x) {
  double sum = 0;
  if (!weir_kv_add("ticks", 0, 0, &sum)) weir_set_header(x, WEIR_REQUEST, "x-ticks", weir_format("%g", sum));
}

static weir_resumption resumed(weir_exchange *x, weir_call call, const weir_outcome *outcome, void *state) {
  static const char *const kinds[] = {"refused", "reset", "timeout", "dns", "tls", "protocol", "too-large"};
  (void)call, (void)state;
  weir_chunk chunk = weir_waiting_chunk(x);
  if (chunk.bytes) {
    const char *late = weir_format("(%.*s)", (int)chunk.length, (const char *)chunk.bytes);
    return weir_resume_body(weir_replace(late, strlen(late)));
  }
  if (weir_waiting(x) == WEIR_HOOK_REQUEST_TRAILERS) return weir_set_header(x, WEIR_REQUEST_TRAILERS, "x-late", "yes"), weir_proceed();
  if (weir_waiting(x) == WEIR_HOOK_RESPONSE_TRAILERS) return weir_set_header(x, WEIR_RESPONSE_TRAILERS, "x-late", "yes"), weir_proceed();
  switch (outcome->kind) {
  case WEIR_ELAPSED: weir_set_header(x, WEIR_REQUEST, "x-waited", "elapsed"); break;
  case WEIR_ANSWERED: weir_set_header(x, WEIR_REQUEST, "x-answer", weir_format("%d %s", outcome->status, outcome->body)); break;
  case WEIR_FAILED: weir_set_header(x, WEIR_REQUEST, "x-answer", weir_format("failed %s", kinds[outcome->error])); break;
  }
  return weir_proceed();
}

static weir_action request_head(weir_exchange *x, void *state) {
  met(state, 'h');
  const char *path = weir_path(x);
  if (weir_starts_with(path, "/config")) return weir_respond(text(200, configured()));
  if (weir_starts_with(path, "/facts")) return weir_respond(text(200, facts(x)));
  if (weir_starts_with(path, "/errors")) return weir_respond(text(200, errors(x)));
  if (weir_starts_with(path, "/metrics")) return weir_respond(text(200, measure()));
  if (weir_starts_with(path, "/limits"))
    return weir_respond(text(200, weir_format("%u %.0f %u %u", weir_cpu_ms(), weir_memory_bytes(), weir_buffer_bytes(), weir_answer_bytes())));
  if (weir_starts_with(path, "/abort")) return weir_abort();
  if (weir_starts_with(path, "/panic")) __builtin_trap();
  if (weir_starts_with(path, "/wait") && weir_start_timer(x, 10, NULL) == WEIR_STARTED) return weir_wait();
  if (weir_starts_with(path, "/call")) return call(x);
  if (weir_starts_with(path, "/kv")) count(x);
  if (weir_starts_with(path, "/ticks")) ticks(x);
  if (weir_starts_with(path, "/secret")) {
    const char *other = weir_secret(x, "other");
    weir_set_header(x, WEIR_REQUEST, "authorization", weir_format("Bearer %s", weir_secret(x, "key")));
    weir_set_header(x, WEIR_REQUEST, "x-none", other ? other : "-");
  }
  if (weir_starts_with(path, "/tag") && !weir_tag_text(x, "seen", "yes")) weir_set_header(x, WEIR_REQUEST, "x-tagged", "yes");
  if (weir_starts_with(path, "/scheme")) rescheme(x);
  if (weir_starts_with(path, "/rewrite")) rewrite(x);
  if (weir_starts_with(path, "/skip")) weir_set_body_mode(x, WEIR_REQUEST, WEIR_BODY_NONE);
  if (weir_starts_with(path, "/hold") && weir_has_body(x)) return weir_hold_for_body();
  return weir_next();
}

static bool is(weir_chunk chunk, const char *word) { return chunk.length == strlen(word) && !memcmp(chunk.bytes, word, chunk.length); }

static weir_chunk_action body(weir_exchange *x, weir_chunk chunk) {
  static const uint8_t bytes[] = {'<', 0, 0xff, '>'};
  if (is(chunk, "wait") && weir_start_timer(x, 10, NULL) == WEIR_STARTED) return weir_wait_body();
  if (is(chunk, "swap")) return weir_replace(bytes, sizeof bytes);
  if (is(chunk, "drop")) return weir_drop();
  if (is(chunk, "abort")) return weir_abort_body();
  if (is(chunk, "respond")) return weir_respond_instead(text(413, "too much"));
  return weir_pass();
}

static weir_chunk_action request_body(weir_exchange *x, weir_chunk chunk, void *state) {
  met(state, chunk.end_of_stream ? 'B' : 'b');
  if (is(chunk, "head")) weir_set_header(x, WEIR_REQUEST, "x-held", "yes");
  return body(x, chunk);
}

static weir_chunk_action trailers(weir_exchange *x, weir_part part) {
  if (weir_header(x, part, "x-wait") && weir_start_timer(x, 10, NULL) == WEIR_STARTED) return weir_wait_body();
  return weir_pass();
}

static weir_chunk_action request_trailers(weir_exchange *x, void *state) {
  met(state, 't');
  weir_set_header(x, WEIR_REQUEST_TRAILERS, "x-sum", or_dash(weir_header(x, WEIR_REQUEST_TRAILERS, "x-part")));
  return trailers(x, WEIR_REQUEST_TRAILERS);
}

static weir_action response_head(weir_exchange *x, void *state) {
  met(state, 'H');
  if (weir_status(x) == 404) weir_set_status(x, 410);
  weir_set_header(x, WEIR_RESPONSE, "x-trace", ((struct state *)state)->trace);
  return weir_next();
}

static weir_chunk_action response_body(weir_exchange *x, weir_chunk chunk, void *state) {
  (void)state;
  return body(x, chunk);
}

static weir_chunk_action response_trailers(weir_exchange *x, void *state) {
  (void)state;
  weir_remove_header(x, WEIR_RESPONSE_TRAILERS, "x-secret");
  return trailers(x, WEIR_RESPONSE_TRAILERS);
}

static weir_action upstream_error(weir_exchange *x, weir_upstream_error error, const char *reason, void *state) {
  (void)x, (void)state;
  if (error == WEIR_RESET) return weir_next();
  return weir_respond(text(503, weir_format("%s %s", error == WEIR_TLS ? "tls" : "other", reason)));
}

static void done(weir_exchange *x, weir_done_reason reason, void *state) {
  (void)reason;
  weir_log(WEIR_INFO, weir_format("%s %s", weir_id(x), ((struct state *)state)->trace));
}

const weir_filter weir_this_filter = {
    .config = &config,
    .config_size = sizeof config,
    .keys = keys,
    .state_size = sizeof(struct state),
    .request_head = request_head,
    .request_body = request_body,
    .request_trailers = request_trailers,
    .response_head = response_head,
    .response_body = response_body,
    .response_trailers = response_trailers,
    .upstream_error = upstream_error,
    .resumed = resumed,
    .done = done,
};
