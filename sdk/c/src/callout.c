/* Requests to servers that the publication names, for hooks that wait. */
#include <strings.h>

#include "internal.h"

weir_start weir_start_call(weir_exchange *exchange, const char *upstream, weir_call_request request, weir_call *call) {
  filter_string_t name = weir_lend(upstream);
  weir_filter_callout_call_request_t sent = {
      .method = weir_lend(request.method ? request.method : "GET"),
      .path = weir_lend(request.path),
      .headers = weir_lend_fields(request.headers),
      .body = {(uint8_t *)request.body, request.body_length},
  };
  weir_filter_callout_call_error_t error = {0};
  uint32_t number;
  if (!weir_filter_callout_start(exchange->number, &name, &sent, request.timeout ? &request.timeout : NULL, &number, &error))
    return (weir_start)(WEIR_UNKNOWN_UPSTREAM + error);
  if (call) *call = number;
  return WEIR_STARTED;
}

const char *weir_outcome_header(const weir_outcome *outcome, const char *name) {
  for (const weir_field *field = outcome->headers; field && field->name; field++)
    if (!strcasecmp(field->name, name)) return field->value;
  return NULL;
}
