/* Times. */
#include "internal.h"

double weir_now(void) { return weir_filter_clock_now(); }

double weir_monotonic(void) { return weir_filter_clock_monotonic(); }
