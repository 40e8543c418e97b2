/* Says hello: refuses one path, counts what a request's body came in, and marks every response. */
#include "weir.h"

struct config {
  const char *header, *value, *block;
};

static struct config config;

static const weir_key keys[] = {
    WEIR_STRING(struct config, header, "x-hello"),
    WEIR_STRING(struct config, value, "from c"),
    WEIR_STRING(struct config, block, "/blocked"),
    {0},
};

/* What is remembered of one exchange. */
struct state {
  uint32_t chunks;
};

static void validate(const void *given, weir_problems *problems) {
  const struct config *config = given;
  if (config->block[0] != '/') weir_problem(problems, "/block", "a path begins with `/`");
}

static void subscribe(const void *config, weir_subscription *subscription) {
  (void)config;
  subscription->request_body = WEIR_BODY_OBSERVE;
}

static weir_action request_head(weir_exchange *exchange, void *state) {
  (void)state;
  if (weir_starts_with(weir_path(exchange), config.block)) {
    return weir_respond((weir_local_response){
        .status = 403,
        .headers = (weir_field[]){{"content-type", "text/plain"}, {0}},
        .text = "blocked by hello-c\n",
    });
  }
  if (weir_has_body(exchange)) return weir_hold_for_body();
  weir_set_header(exchange, WEIR_REQUEST, "x-seen", "0");
  return weir_next();
}

static weir_chunk_action request_body(weir_exchange *exchange, weir_chunk chunk, void *of_exchange) {
  struct state *state = of_exchange;
  if (chunk.length) state->chunks++;
  if (chunk.end_of_stream) weir_set_header(exchange, WEIR_REQUEST, "x-seen", weir_decimal(state->chunks));
  return weir_pass();
}

static weir_action response_head(weir_exchange *exchange, void *state) {
  (void)state;
  weir_set_header(exchange, WEIR_RESPONSE, config.header, config.value);
  return weir_next();
}

const weir_filter weir_this_filter = {
    .config = &config,
    .config_size = sizeof config,
    .keys = keys,
    .state_size = sizeof(struct state),
    .validate = validate,
    .subscribe = subscribe,
    .request_head = request_head,
    .request_body = request_body,
    .response_head = response_head,
};
