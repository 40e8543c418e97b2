/* Facts about an exchange, for other filters and the record. */
#include "internal.h"

static weir_tag_result set(weir_exchange *exchange, const char *name, weir_filter_tags_tag_value_t value) {
  filter_string_t tag = weir_lend(name);
  weir_filter_tags_tag_error_t error = {0};
  bool is_ok = weir_filter_tags_set(exchange->number, &tag, &value, &error);
  return is_ok ? WEIR_TAG_OK : (weir_tag_result)(WEIR_TAG_INVALID_NAME + error);
}

weir_tag_result weir_tag_text(weir_exchange *exchange, const char *name, const char *text) {
  return set(exchange, name, (weir_filter_tags_tag_value_t){.tag = WEIR_FILTER_TAGS_TAG_VALUE_TEXT, .val.text = weir_lend(text)});
}

weir_tag_result weir_tag_number(weir_exchange *exchange, const char *name, double number) {
  return set(exchange, name, (weir_filter_tags_tag_value_t){.tag = WEIR_FILTER_TAGS_TAG_VALUE_NUMBER, .val.number = number});
}

weir_tag_result weir_tag_flag(weir_exchange *exchange, const char *name, bool flag) {
  return set(exchange, name, (weir_filter_tags_tag_value_t){.tag = WEIR_FILTER_TAGS_TAG_VALUE_FLAG, .val.flag = flag});
}

weir_tag_result weir_tag_of(weir_exchange *exchange, const char *name, weir_tag *tag) {
  filter_string_t wanted = weir_lend(name);
  weir_filter_tags_option_tag_value_t found = {0};
  weir_filter_tags_tag_error_t error = {0};
  if (!weir_filter_tags_get(exchange->number, &wanted, &found, &error)) return (weir_tag_result)(WEIR_TAG_INVALID_NAME + error);
  if (!found.is_some) return WEIR_TAG_ABSENT;
  *tag = (weir_tag){.kind = (weir_tag_kind)found.val.tag};
  switch (tag->kind) {
  case WEIR_TAG_TEXT: tag->text = weir_text(found.val.val.text); break;
  case WEIR_TAG_NUMBER: tag->number = found.val.val.number; break;
  case WEIR_TAG_FLAG: tag->flag = found.val.val.flag; break;
  }
  return WEIR_TAG_OK;
}
