/* State of each exchange in flight: a table by exchange number, open addressing, at most half full. */
#include <stdlib.h>

#include "internal.h"

typedef struct {
  uint32_t number;
  void *state; /* NULL: free */
} slot;

static slot *slots;
static size_t room, count; /* room is a power of two */

static size_t home(uint32_t number) { return (number * 0x9e3779b1u) >> 7 & (room - 1); }

static size_t find(uint32_t number) {
  size_t at = home(number);
  while (slots[at].state && slots[at].number != number) at = (at + 1) & (room - 1);
  return at;
}

static void grow(void) {
  slot *old = slots;
  size_t old_room = room;
  room = room ? room * 2 : 16;
  slots = calloc(room, sizeof *slots);
  if (!slots) abort();
  for (size_t i = 0; i < old_room; i++)
    if (old[i].state) slots[find(old[i].number)] = old[i];
  free(old);
}

void *weir_state_of(uint32_t number) {
  if (!weir_this_filter.state_size) return NULL;
  if ((count + 1) * 2 > room) grow();
  slot *found = &slots[find(number)];
  if (!found->state) {
    found->number = number;
    found->state = calloc(1, weir_this_filter.state_size);
    if (!found->state) abort();
    count++;
  }
  return found->state;
}

void weir_forget_state(uint32_t number) {
  if (!room) return;
  size_t hole = find(number);
  if (!slots[hole].state) return;
  free(slots[hole].state);
  slots[hole].state = NULL;
  count--;
  /* what was pushed past the hole moves back into it */
  for (size_t at = (hole + 1) & (room - 1); slots[at].state; at = (at + 1) & (room - 1)) {
    size_t distance = (at - home(slots[at].number)) & (room - 1);
    if (distance >= ((at - hole) & (room - 1))) {
      slots[hole] = slots[at];
      slots[at].state = NULL;
      hole = at;
    }
  }
}
