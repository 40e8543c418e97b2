/* The filter's own store. */
#include "internal.h"

static weir_kv_result result(bool is_ok, weir_filter_kv_kv_error_t error) {
  return is_ok ? WEIR_KV_OK : (weir_kv_result)(WEIR_KV_TOO_LARGE + error);
}

bool weir_kv_get(const char *key, weir_kv_entry *entry) {
  filter_string_t wanted = weir_lend(key);
  weir_filter_kv_entry_t found;
  if (!weir_filter_kv_get(&wanted, &found)) return false;
  *entry = (weir_kv_entry){found.value.len ? found.value.ptr : (const uint8_t *)"", found.value.len, found.version};
  return true;
}

weir_kv_result weir_kv_set(const char *key, const void *value, size_t length, double ttl) {
  filter_string_t name = weir_lend(key);
  filter_list_u8_t bytes = {(uint8_t *)value, length};
  weir_filter_kv_kv_error_t error = {0};
  bool is_ok = weir_filter_kv_set(&name, &bytes, ttl ? &ttl : NULL, &error);
  return result(is_ok, error);
}

weir_kv_result weir_kv_compare_and_set(const char *key, double version, const void *value, size_t length, double ttl, bool *is_set) {
  filter_string_t name = weir_lend(key);
  filter_list_u8_t bytes = {(uint8_t *)value, length};
  weir_filter_kv_kv_error_t error = {0};
  *is_set = false;
  bool is_ok = weir_filter_kv_compare_and_set(&name, version ? &version : NULL, &bytes, ttl ? &ttl : NULL, is_set, &error);
  return result(is_ok, error);
}

bool weir_kv_delete(const char *key) {
  filter_string_t name = weir_lend(key);
  return weir_filter_kv_delete(&name);
}

weir_kv_result weir_kv_add(const char *key, double by, double ttl, double *sum) {
  filter_string_t name = weir_lend(key);
  weir_filter_kv_kv_error_t error = {0};
  double now = 0;
  bool is_ok = weir_filter_kv_add(&name, by, ttl ? &ttl : NULL, &now, &error);
  if (is_ok && sum) *sum = now;
  return result(is_ok, error);
}
