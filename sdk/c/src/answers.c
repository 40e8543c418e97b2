/* What hooks return. */
#include <string.h>

#include "internal.h"

static void *copy(const void *bytes, size_t length) {
  return length ? memcpy(weir_alloc(length), bytes, length) : NULL;
}

static filter_string_t copy_text(const char *text) {
  size_t length = strlen(text);
  return (filter_string_t){copy(text, length), length};
}

static weir_reply *reply(const weir_local_response *response) {
  weir_reply *made = weir_alloc(sizeof *made);
  size_t count = 0;
  if (response->headers) while (response->headers[count].name) count++;
  filter_tuple2_string_string_t *fields = weir_alloc(count * sizeof *fields);
  for (size_t i = 0; i < count; i++) {
    fields[i].f0 = copy_text(response->headers[i].name);
    fields[i].f1 = copy_text(response->headers[i].value);
  }
  const void *body = response->text ? response->text : response->body;
  size_t length = response->text ? strlen(response->text) : response->body_length;
  made->response = (weir_filter_http_local_response_t){response->status, {fields, count}, {copy(body, length), length}};
  return made;
}

weir_action weir_next(void) { return (weir_action){EXPORTS_WEIR_FILTER_EVENTS_ACTION_NEXT, NULL}; }

weir_action weir_respond(weir_local_response response) {
  return (weir_action){EXPORTS_WEIR_FILTER_EVENTS_ACTION_RESPOND, reply(&response)};
}

weir_action weir_abort(void) { return (weir_action){EXPORTS_WEIR_FILTER_EVENTS_ACTION_ABORT, NULL}; }

weir_action weir_hold_for_body(void) { return (weir_action){EXPORTS_WEIR_FILTER_EVENTS_ACTION_HOLD_FOR_BODY, NULL}; }

weir_action weir_wait(void) { return (weir_action){EXPORTS_WEIR_FILTER_EVENTS_ACTION_WAIT, NULL}; }

weir_chunk_action weir_pass(void) { return (weir_chunk_action){.what = EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_PASS}; }

weir_chunk_action weir_replace(const void *bytes, size_t length) {
  return (weir_chunk_action){.what = EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_REPLACE, .bytes = bytes, .length = length};
}

weir_chunk_action weir_drop(void) { return (weir_chunk_action){.what = EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_DROP_CHUNK}; }

weir_chunk_action weir_respond_instead(weir_local_response response) {
  return (weir_chunk_action){.what = EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_RESPOND, .reply = reply(&response)};
}

weir_chunk_action weir_abort_body(void) {
  return (weir_chunk_action){.what = EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_ABORT};
}

weir_chunk_action weir_wait_body(void) {
  return (weir_chunk_action){.what = EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_WAIT};
}

weir_resumption weir_proceed(void) { return (weir_resumption){.what = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_PROCEED}; }

weir_resumption weir_resume(weir_action action) {
  static const uint8_t same[] = {
      [EXPORTS_WEIR_FILTER_EVENTS_ACTION_NEXT] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_PROCEED,
      [EXPORTS_WEIR_FILTER_EVENTS_ACTION_RESPOND] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_RESPOND,
      [EXPORTS_WEIR_FILTER_EVENTS_ACTION_ABORT] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_ABORT,
      [EXPORTS_WEIR_FILTER_EVENTS_ACTION_HOLD_FOR_BODY] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_HOLD_FOR_BODY,
      [EXPORTS_WEIR_FILTER_EVENTS_ACTION_WAIT] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_WAIT,
  };
  return (weir_resumption){.what = same[action.what], .reply = action.reply};
}

weir_resumption weir_resume_body(weir_chunk_action action) {
  static const uint8_t same[] = {
      [EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_PASS] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_PROCEED,
      [EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_REPLACE] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_REPLACE,
      [EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_DROP_CHUNK] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_DROP_CHUNK,
      [EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_RESPOND] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_RESPOND,
      [EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_ABORT] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_ABORT,
      [EXPORTS_WEIR_FILTER_EVENTS_CHUNK_ACTION_WAIT] = EXPORTS_WEIR_FILTER_EVENTS_RESUMPTION_WAIT,
  };
  return (weir_resumption){same[action.what], action.reply, action.bytes, action.length};
}

weir_decision weir_no_objection(void) { return (weir_decision){EXPORTS_WEIR_FILTER_CONNECT_DECISION_NEXT, NULL}; }
weir_decision weir_deny(const char *reason) { return (weir_decision){EXPORTS_WEIR_FILTER_CONNECT_DECISION_DENY, reason}; }
weir_decision weir_redirect(const char *target) { return (weir_decision){EXPORTS_WEIR_FILTER_CONNECT_DECISION_REDIRECT, target}; }
weir_decision weir_intercept(void) { return (weir_decision){EXPORTS_WEIR_FILTER_CONNECT_DECISION_INTERCEPT, NULL}; }
weir_decision weir_pass_through(void) { return (weir_decision){EXPORTS_WEIR_FILTER_CONNECT_DECISION_PASS_THROUGH, NULL}; }

weir_message_action weir_pass_message(void) { return (weir_message_action){.what = EXPORTS_WEIR_FILTER_MESSAGE_MESSAGE_ACTION_PASS}; }

weir_message_action weir_replace_message(weir_message message) {
  return (weir_message_action){.what = EXPORTS_WEIR_FILTER_MESSAGE_MESSAGE_ACTION_REPLACE, .message = message};
}

weir_message_action weir_replace_text(const weir_message *message, const char *text) {
  weir_message changed = *message;
  changed.data = text;
  changed.length = strlen(text);
  return weir_replace_message(changed);
}

weir_message_action weir_drop_message(void) {
  return (weir_message_action){.what = EXPORTS_WEIR_FILTER_MESSAGE_MESSAGE_ACTION_DROP_MESSAGE};
}

weir_message_action weir_close(uint16_t code, const char *reason) {
  return (weir_message_action){.what = EXPORTS_WEIR_FILTER_MESSAGE_MESSAGE_ACTION_CLOSE, .code = code, .reason = reason ? reason : ""};
}
