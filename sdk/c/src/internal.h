/* What the SDK's files share. Not for filters. */
#ifndef WEIR_INTERNAL_H
#define WEIR_INTERNAL_H

#include "../gen/filter.h"
#include "../weir.h"

struct weir_exchange {
  uint32_t number;
  bool end_of_stream;
  weir_hook waiting;
};

struct weir_reply {
  weir_filter_http_local_response_t response;
};

struct weir_problems {
  exports_weir_filter_lifecycle_problem_t *items;
  size_t count, room;
};

/* memory.c: between `weir_enter` and `weir_leave` allocations last until the next call into the filter. */
void weir_enter(void);
void weir_leave(void);
/* Memory that is never given back, or until the call ends. */
typedef void *weir_allocate(size_t size);
void *weir_forever(size_t size);

/* exchange.c: strings of the generated bindings, to and fro. */
filter_string_t weir_lend(const char *text);
const char *weir_text(filter_string_t string);
filter_list_tuple2_string_string_t weir_lend_fields(const weir_field *fields);
const weir_field *weir_fields(filter_list_tuple2_string_string_t list);

/* states.c */
void *weir_state_of(uint32_t number);
void weir_forget_state(uint32_t number);

/* json.c: NULL and a message where the text is not JSON. */
const weir_json *weir_parse(const char *text, size_t length, weir_allocate *allocate, const char **message);

/* config.c: the configuration into `target`. */
void weir_read_config(filter_string_t json, void *target, weir_allocate *allocate, weir_problems *problems);

#endif
