/* The component's exports: the contract's plain functions and exchange numbers, answered by the filter's table. */
#include <string.h>

#include "internal.h"

static const weir_filter *const filter = &weir_this_filter;

/* --------------------------------------------------------------------------------------------------- lifecycle */

void exports_weir_filter_lifecycle_validate_config(filter_string_t *json, exports_weir_filter_lifecycle_list_problem_t *ret) {
  weir_enter();
  weir_problems problems = {0};
  void *config = weir_alloc(filter->config_size);
  memset(config, 0, filter->config_size);
  weir_read_config(*json, config, weir_alloc, &problems);
  *ret = (exports_weir_filter_lifecycle_list_problem_t){problems.items, problems.count};
  weir_leave();
}

static weir_body_mode body(bool has_hook) { return has_hook ? WEIR_BODY_TRANSFORM : WEIR_BODY_NONE; }

static weir_subscription subscription(void) {
  weir_subscription wanted = {
      .request_head = filter->request_head,
      .request_body = body(filter->request_body),
      .request_trailers = filter->request_trailers,
      .response_head = filter->response_head,
      .response_body = body(filter->response_body),
      .response_trailers = filter->response_trailers,
      .max_buffer = 1 << 20,
  };
  if (filter->subscribe) filter->subscribe(filter->config, &wanted);
  return wanted;
}

/* "/pointer: message; …" */
static filter_string_t all(const weir_problems *problems) {
  size_t length = 0;
  for (size_t i = 0; i < problems->count; i++) length += problems->items[i].pointer.len + problems->items[i].message.len + 4;
  uint8_t *text = weir_alloc(length), *to = text;
  for (size_t i = 0; i < problems->count; i++) {
    const exports_weir_filter_lifecycle_problem_t *problem = &problems->items[i];
    if (i) *to++ = ';', *to++ = ' ';
    memcpy(to, problem->pointer.ptr, problem->pointer.len);
    to += problem->pointer.len;
    if (problem->pointer.len) *to++ = ':', *to++ = ' ';
    memcpy(to, problem->message.ptr, problem->message.len);
    to += problem->message.len;
  }
  return (filter_string_t){text, (size_t)(to - text)};
}

bool exports_weir_filter_lifecycle_configure(filter_string_t *json, exports_weir_filter_lifecycle_subscription_t *ret, filter_string_t *err) {
  weir_enter();
  weir_problems problems = {0};
  weir_read_config(*json, filter->config, weir_forever, &problems);
  if (problems.count) {
    *err = all(&problems);
  } else {
    weir_subscription wanted = subscription();
    *ret = (exports_weir_filter_lifecycle_subscription_t){
        .request_head = wanted.request_head,
        .request_body = (weir_filter_http_body_mode_t)wanted.request_body,
        .request_trailers = wanted.request_trailers,
        .response_head = wanted.response_head,
        .response_body = (weir_filter_http_body_mode_t)wanted.response_body,
        .response_trailers = wanted.response_trailers,
        .decoded = wanted.decoded,
        .max_buffer = wanted.max_buffer,
    };
  }
  weir_leave();
  return !problems.count;
}

/* ------------------------------------------------------------------------------------------------------ events */

static void answer(weir_action action, exports_weir_filter_events_action_t *ret) {
  ret->tag = action.what;
  if (action.reply) ret->val.respond = action.reply->response;
  weir_leave();
}

static void answer_chunk(weir_chunk_action action, exports_weir_filter_events_chunk_action_t *ret) {
  ret->tag = action.what;
  if (action.reply) ret->val.respond = action.reply->response;
  else ret->val.replace = (filter_list_u8_t){(uint8_t *)action.bytes, action.length};
  weir_leave();
}

void exports_weir_filter_events_on_request_head(uint32_t of, bool end_of_stream, exports_weir_filter_events_action_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = end_of_stream};
  answer(filter->request_head ? filter->request_head(&exchange, weir_state_of(of)) : weir_next(), ret);
}

void exports_weir_filter_events_on_response_head(uint32_t of, bool end_of_stream, exports_weir_filter_events_action_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = end_of_stream};
  answer(filter->response_head ? filter->response_head(&exchange, weir_state_of(of)) : weir_next(), ret);
}

void exports_weir_filter_events_on_body(uint32_t of, weir_filter_http_direction_t origin, filter_list_u8_t *chunk,
                                        bool end_of_stream, exports_weir_filter_events_chunk_action_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  weir_chunk piece = {chunk->ptr, chunk->len, end_of_stream};
  bool is_request = origin == WEIR_FILTER_HTTP_DIRECTION_REQUEST;
  weir_chunk_action (*hook)(weir_exchange *, weir_chunk, void *) = is_request ? filter->request_body : filter->response_body;
  answer_chunk(hook ? hook(&exchange, piece, weir_state_of(of)) : weir_pass(), ret);
}

void exports_weir_filter_events_on_trailers(uint32_t of, weir_filter_http_direction_t origin,
                                            exports_weir_filter_events_chunk_action_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  bool is_request = origin == WEIR_FILTER_HTTP_DIRECTION_REQUEST;
  weir_chunk_action (*hook)(weir_exchange *, void *) = is_request ? filter->request_trailers : filter->response_trailers;
  answer_chunk(hook ? hook(&exchange, weir_state_of(of)) : weir_pass(), ret);
}

static const char *reason_of(const exports_weir_filter_events_upstream_error_t *error) {
  return error->tag == EXPORTS_WEIR_FILTER_EVENTS_UPSTREAM_ERROR_TLS ? weir_text(error->val.tls) : "";
}

void exports_weir_filter_events_on_upstream_error(uint32_t of, exports_weir_filter_events_upstream_error_t *error,
                                                  exports_weir_filter_events_action_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  const char *reason = reason_of(error);
  weir_upstream_error kind = (weir_upstream_error)error->tag;
  answer(filter->upstream_error ? filter->upstream_error(&exchange, kind, reason, weir_state_of(of)) : weir_next(), ret);
}

static weir_outcome outcome_of(const exports_weir_filter_events_call_outcome_t *came) {
  weir_outcome outcome = {.kind = (weir_outcome_kind)came->tag, .reason = ""};
  if (outcome.kind == WEIR_ANSWERED) {
    const exports_weir_filter_events_call_response_t *response = &came->val.response;
    outcome.status = response->status;
    outcome.headers = weir_fields(response->headers);
    outcome.body = response->body.len ? response->body.ptr : (const uint8_t *)"";
    outcome.body_length = response->body.len;
  } else if (outcome.kind == WEIR_FAILED) {
    outcome.error = (weir_upstream_error)came->val.failed.tag;
    outcome.reason = reason_of(&came->val.failed);
  }
  return outcome;
}

void exports_weir_filter_events_on_resume(uint32_t of, exports_weir_filter_events_hook_t waiting, uint32_t call,
                                          exports_weir_filter_events_call_outcome_t *came,
                                          exports_weir_filter_events_resumption_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true, .waiting = (weir_hook)waiting};
  weir_outcome outcome = outcome_of(came);
  weir_resumption resumption = filter->resumed ? filter->resumed(&exchange, call, &outcome, weir_state_of(of)) : weir_proceed();
  ret->tag = resumption.what;
  if (resumption.reply) ret->val.respond = resumption.reply->response;
  else ret->val.replace = (filter_list_u8_t){(uint8_t *)resumption.bytes, resumption.length};
  weir_leave();
}

void exports_weir_filter_events_on_done(uint32_t of, exports_weir_filter_events_done_reason_t reason) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  if (filter->done) filter->done(&exchange, (weir_done_reason)reason, weir_state_of(of));
  weir_forget_state(of);
  weir_leave();
}
