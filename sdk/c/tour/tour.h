/* What the tour's files share. */
#include "weir.h"

struct config {
  const char *mark;
  weir_strings names;
  double limit;
  bool strict;
  const weir_json *any;
};

extern struct config config;

struct state {
  char trace[64];
};

/* Notes what an exchange has met. */
void met(void *state, char what);
