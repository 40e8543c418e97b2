/* What stands for secrets. */
#include "internal.h"

const char *weir_secret(weir_exchange *exchange, const char *name) {
  filter_string_t wanted = weir_lend(name), found = {0};
  return weir_filter_secrets_placeholder(exchange->number, &wanted, &found) ? weir_text(found) : NULL;
}
