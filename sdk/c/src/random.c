/* Chance. */
#include <string.h>

#include "internal.h"

#define AT_ONCE 4096 /* the contract's bound */

void weir_random(void *to, size_t length) {
  for (uint8_t *at = to; length;) {
    size_t count = length < AT_ONCE ? length : AT_ONCE;
    filter_list_u8_t bytes;
    weir_filter_random_bytes((uint32_t)count, &bytes);
    memcpy(at, bytes.ptr, count);
    at += count;
    length -= count;
  }
}

uint32_t weir_random_number(void) { return weir_filter_random_number(); }
