/* Exports of the interfaces that a filter may have besides those of every filter. Each is compiled where the filter's sources define its
 * table: the build looks for the name. */
#include "internal.h"

#ifdef WEIR_EXPORTS_CONNECT

static weir_tunnel tunnel_of(const exports_weir_filter_connect_tunnel_t *to) {
  return (weir_tunnel){
      .entry = (weir_entry)to->entry,
      .client_address = weir_text(to->client_address),
      .user = to->user.is_some ? weir_text(to->user.val) : NULL,
      .target = weir_text(to->target),
  };
}

static void decide(weir_decision decision, exports_weir_filter_connect_decision_t *ret) {
  ret->tag = decision.what;
  if (decision.text) ret->val.deny = weir_lend(decision.text);
  weir_leave();
}

void exports_weir_filter_connect_on_connect(exports_weir_filter_connect_tunnel_t *to, exports_weir_filter_connect_decision_t *ret) {
  weir_enter();
  weir_tunnel tunnel = tunnel_of(to);
  decide(weir_this_connect.on_connect ? weir_this_connect.on_connect(&tunnel) : weir_no_objection(), ret);
}

void exports_weir_filter_connect_on_client_hello(exports_weir_filter_connect_tunnel_t *to,
                                                 exports_weir_filter_connect_client_hello_t *hello,
                                                 exports_weir_filter_connect_decision_t *ret) {
  weir_enter();
  weir_tunnel tunnel = tunnel_of(to);
  const char **alpn = weir_alloc((hello->alpn.len + 1) * sizeof *alpn);
  for (size_t i = 0; i < hello->alpn.len; i++) alpn[i] = weir_text(hello->alpn.ptr[i]);
  alpn[hello->alpn.len] = NULL;
  weir_client_hello told = {hello->server_name.is_some ? weir_text(hello->server_name.val) : NULL, alpn};
  decide(weir_this_connect.on_client_hello ? weir_this_connect.on_client_hello(&tunnel, &told) : weir_no_objection(), ret);
}

#endif
#ifdef WEIR_EXPORTS_MESSAGE

bool exports_weir_filter_message_on_open(uint32_t of) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  bool is_wanted = weir_this_message.on_open ? weir_this_message.on_open(&exchange, weir_state_of(of)) : true;
  weir_leave();
  return is_wanted;
}

static weir_message message_of(const exports_weir_filter_message_content_t *content) {
  const exports_weir_filter_message_server_event_t *event = &content->val.event;
  weir_message message = {.kind = (weir_message_kind)content->tag};
  filter_string_t data = message.kind == WEIR_MESSAGE_EVENT ? event->data : content->val.text;
  message.data = weir_text(data);
  message.length = data.len;
  if (message.kind == WEIR_MESSAGE_EVENT) {
    message.event = event->event.is_some ? weir_text(event->event.val) : NULL;
    message.id = event->id.is_some ? weir_text(event->id.val) : NULL;
    message.has_retry = event->retry.is_some;
    message.retry = event->retry.val;
  }
  return message;
}

static filter_option_string_t lend_if_any(const char *text) {
  return text ? (filter_option_string_t){true, weir_lend(text)} : (filter_option_string_t){0};
}

static void content_of(const weir_message *message, exports_weir_filter_message_content_t *content) {
  filter_string_t data = {(uint8_t *)message->data, message->length};
  content->tag = (uint8_t)message->kind;
  if (message->kind == WEIR_MESSAGE_EVENT)
    content->val.event = (exports_weir_filter_message_server_event_t){
        .event = lend_if_any(message->event),
        .data = data,
        .id = lend_if_any(message->id),
        .retry = {message->has_retry, message->retry},
    };
  else content->val.text = data;
}

void exports_weir_filter_message_on_message(uint32_t of, weir_filter_http_direction_t origin, exports_weir_filter_message_content_t *content,
                                            exports_weir_filter_message_message_action_t *ret) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  weir_origin by = origin == WEIR_FILTER_HTTP_DIRECTION_REQUEST ? WEIR_BY_CLIENT : WEIR_BY_UPSTREAM;
  weir_message message = message_of(content);
  weir_message_action action = weir_this_message.on_message(&exchange, by, &message, weir_state_of(of));
  ret->tag = action.what;
  if (action.what == EXPORTS_WEIR_FILTER_MESSAGE_MESSAGE_ACTION_REPLACE) content_of(&action.message, &ret->val.replace);
  if (action.what == EXPORTS_WEIR_FILTER_MESSAGE_MESSAGE_ACTION_CLOSE)
    ret->val.close = (exports_weir_filter_message_close_reason_t){action.code, weir_lend(action.reason)};
  weir_leave();
}

#endif
#ifdef WEIR_EXPORTS_COMPLETED

void exports_weir_filter_completed_on_completed(uint32_t of, exports_weir_filter_completed_summary_t *came) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  weir_summary summary = {
      .reason = (weir_done_reason)came->reason,
      .request_bytes = came->request_bytes,
      .response_bytes = came->response_bytes,
      .duration = came->duration,
      .first_byte = came->first_byte.is_some ? came->first_byte.val : -1,
      .upstream_address = came->upstream_address.is_some ? weir_text(came->upstream_address.val) : NULL,
  };
  weir_this_completed.on_completed(&exchange, &summary, weir_state_of(of));
  weir_leave();
}

#endif
#ifdef WEIR_EXPORTS_TICK

uint32_t exports_weir_filter_tick_interval(void) {
  weir_enter();
  uint32_t interval = weir_this_tick.interval ? weir_this_tick.interval() : 1000;
  weir_leave();
  return interval;
}

void exports_weir_filter_tick_on_tick(void) {
  weir_enter();
  weir_this_tick.on_tick();
  weir_leave();
}

#endif
