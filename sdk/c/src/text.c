/* Strings that hooks make, and lines for the operator. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

void weir_log(weir_level level, const char *message) {
  filter_string_t text = weir_lend(message);
  weir_filter_log_write((weir_filter_log_level_t)level, &text);
}

const char *weir_decimal(uint32_t number) {
  char *end = (char *)weir_alloc(11) + 10;
  *end = 0;
  do *--end = (char)('0' + number % 10);
  while (number /= 10);
  return end;
}

const char *weir_format(const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = weir_alloc(length < 0 ? 1 : (size_t)length + 1);
  text[0] = 0;
  if (length > 0) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

bool weir_starts_with(const char *text, const char *beginning) { return !strncmp(text, beginning, strlen(beginning)); }
