/* Memory of one call into the filter: what the host writes for us (through `cabi_realloc`) and what hooks ask for. All of
 * it goes at once, when the next call begins; so the host can still read what the last one returned. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define BLOCK 8192

/* Kept for ever, enough for most calls. What does not fit gets memory of its own. */
static _Alignas(16) uint8_t block[BLOCK];
static size_t used;

typedef struct large {
  struct large *next;
  _Alignas(16) uint8_t bytes[];
} large;
static large *larges;

static bool is_over;

static void begin_if_over(void) {
  if (!is_over) return;
  is_over = false;
  used = 0;
  while (larges) {
    large *next = larges->next;
    free(larges);
    larges = next;
  }
}

void weir_enter(void) { begin_if_over(); }

void weir_leave(void) { is_over = true; }

void *weir_alloc(size_t size) {
  begin_if_over();
  size_t rounded = (size + 15) & ~(size_t)15;
  if (rounded < size) abort();
  if (rounded <= BLOCK - used) {
    void *memory = block + used;
    used += rounded;
    return memory;
  }
  if (rounded > SIZE_MAX - sizeof(large)) abort();
  large *memory = malloc(sizeof(large) + rounded);
  if (!memory) abort();
  memory->next = larges;
  larges = memory;
  return memory->bytes;
}

void *weir_forever(size_t size) {
  void *memory = malloc(size ? size : 1);
  if (!memory) abort();
  return memory;
}

/* The host's allocator, in place of the weak one of the generated bindings. A byte more than it asks for, which is 0: so its
 * strings end as C wants them. */
__attribute__((__export_name__("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  (void)align; /* at most 8 */
  if (size == SIZE_MAX) abort();
  uint8_t *memory = weir_alloc(size + 1);
  if (old_size) memcpy(memory, old, old_size < size ? old_size : size);
  memory[size] = 0;
  return memory;
}
