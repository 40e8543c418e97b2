/* The exchange: calls to the host, with C's strings. */
#include <string.h>

#include "internal.h"

filter_string_t weir_lend(const char *text) { return (filter_string_t){(uint8_t *)text, strlen(text)}; }

/* The host wrote it through `cabi_realloc`, which put a NUL behind it. */
const char *weir_text(filter_string_t string) { return string.len ? (const char *)string.ptr : ""; }

const weir_field *weir_fields(filter_list_tuple2_string_string_t list) {
  weir_field *fields = weir_alloc((list.len + 1) * sizeof *fields);
  for (size_t i = 0; i < list.len; i++) fields[i] = (weir_field){weir_text(list.ptr[i].f0), weir_text(list.ptr[i].f1)};
  fields[list.len] = (weir_field){NULL, NULL};
  return fields;
}

filter_list_tuple2_string_string_t weir_lend_fields(const weir_field *fields) {
  size_t count = 0;
  if (fields) while (fields[count].name) count++;
  filter_tuple2_string_string_t *lent = weir_alloc(count * sizeof *lent);
  for (size_t i = 0; i < count; i++) lent[i] = (filter_tuple2_string_string_t){weir_lend(fields[i].name), weir_lend(fields[i].value)};
  return (filter_list_tuple2_string_string_t){lent, count};
}

static const char *optional(filter_option_string_t option) { return option.is_some ? weir_text(option.val) : NULL; }

static weir_result result(bool is_ok, const weir_filter_http_header_error_t *error) {
  return is_ok ? WEIR_OK : (weir_result)(WEIR_FORBIDDEN + *error);
}

static weir_filter_http_direction_t direction(weir_part part) {
  return part == WEIR_RESPONSE ? WEIR_FILTER_HTTP_DIRECTION_RESPONSE : WEIR_FILTER_HTTP_DIRECTION_REQUEST;
}

weir_connection weir_connection_of(weir_exchange *exchange) {
  weir_filter_http_connection_info_t info;
  weir_filter_http_connection(exchange->number, &info);
  return (weir_connection){
      .entry = (weir_entry)info.entry,
      .client_address = weir_text(info.client_address),
      .user = optional(info.user),
      .tunnel_target = optional(info.tunnel_target),
      .server_name = optional(info.server_name),
      .intercepted = info.intercepted,
  };
}

weir_version weir_version_of(weir_exchange *exchange, weir_part part) {
  return (weir_version)weir_filter_http_version(exchange->number, direction(part));
}

bool weir_has_body(weir_exchange *exchange) { return !exchange->end_of_stream; }

#define READS(what, import)                         \
  const char *what(weir_exchange *exchange) {       \
    filter_string_t text;                           \
    import(exchange->number, &text);                \
    return weir_text(text);                         \
  }
READS(weir_id, weir_filter_http_id)
READS(weir_method, weir_filter_http_method)
READS(weir_scheme, weir_filter_http_scheme)
READS(weir_authority, weir_filter_http_authority)
READS(weir_path, weir_filter_http_path)

#define SETS(what, import)                                         \
  weir_result what(weir_exchange *exchange, const char *value) {   \
    filter_string_t text = weir_lend(value);                       \
    weir_filter_http_header_error_t error = {0};                   \
    return result(import(exchange->number, &text, &error), &error); \
  }
SETS(weir_set_method, weir_filter_http_set_method)
SETS(weir_set_scheme, weir_filter_http_set_scheme)
SETS(weir_set_authority, weir_filter_http_set_authority)
SETS(weir_set_path, weir_filter_http_set_path)

uint16_t weir_status(weir_exchange *exchange) {
  uint16_t status = 0;
  return weir_filter_http_status(exchange->number, &status) ? status : 0;
}

weir_result weir_set_status(weir_exchange *exchange, uint16_t value) {
  weir_filter_http_header_error_t error = {0};
  return result(weir_filter_http_set_status(exchange->number, value, &error), &error);
}

const char *weir_header(weir_exchange *exchange, weir_part part, const char *name) {
  filter_string_t wanted = weir_lend(name), value;
  bool is_there = weir_filter_http_header(exchange->number, (weir_filter_http_part_t)part, &wanted, &value);
  return is_there ? weir_text(value) : NULL;
}

const char **weir_header_values(weir_exchange *exchange, weir_part part, const char *name) {
  filter_string_t wanted = weir_lend(name);
  filter_list_string_t list;
  weir_filter_http_header_values(exchange->number, (weir_filter_http_part_t)part, &wanted, &list);
  const char **values = weir_alloc((list.len + 1) * sizeof *values);
  for (size_t i = 0; i < list.len; i++) values[i] = weir_text(list.ptr[i]);
  values[list.len] = NULL;
  return values;
}

const weir_field *weir_headers(weir_exchange *exchange, weir_part part) {
  filter_list_tuple2_string_string_t list;
  weir_filter_http_headers(exchange->number, (weir_filter_http_part_t)part, &list);
  return weir_fields(list);
}

weir_result weir_set_header(weir_exchange *exchange, weir_part part, const char *name, const char *value) {
  filter_string_t field = weir_lend(name), text = weir_lend(value);
  weir_filter_http_header_error_t error = {0};
  return result(weir_filter_http_set_header(exchange->number, (weir_filter_http_part_t)part, &field, &text, &error), &error);
}

weir_result weir_append_header(weir_exchange *exchange, weir_part part, const char *name, const char *value) {
  filter_string_t field = weir_lend(name), text = weir_lend(value);
  weir_filter_http_header_error_t error = {0};
  return result(weir_filter_http_append_header(exchange->number, (weir_filter_http_part_t)part, &field, &text, &error), &error);
}

weir_result weir_remove_header(weir_exchange *exchange, weir_part part, const char *name) {
  filter_string_t field = weir_lend(name);
  weir_filter_http_header_error_t error = {0};
  return result(weir_filter_http_remove_header(exchange->number, (weir_filter_http_part_t)part, &field, &error), &error);
}

weir_result weir_set_body_mode(weir_exchange *exchange, weir_part part, weir_body_mode mode) {
  weir_filter_http_header_error_t error = {0};
  return result(weir_filter_http_set_body_mode(exchange->number, direction(part), (weir_filter_http_body_mode_t)mode, &error), &error);
}

weir_hook weir_waiting(weir_exchange *exchange) { return exchange->waiting; }

weir_chunk weir_waiting_chunk(weir_exchange *exchange) {
  filter_list_u8_t chunk = {0};
  if (!weir_filter_http_waiting_chunk(exchange->number, &chunk)) return (weir_chunk){0};
  return (weir_chunk){chunk.len ? chunk.ptr : (const uint8_t *)"", chunk.len, false};
}
