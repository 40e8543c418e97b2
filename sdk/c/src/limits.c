/* What the filter may use. */
#include "internal.h"

uint32_t weir_cpu_ms(void) { return weir_filter_limits_cpu_ms(); }

double weir_memory_bytes(void) { return weir_filter_limits_memory_bytes(); }

uint32_t weir_buffer_bytes(void) { return weir_filter_limits_buffer_bytes(); }

uint32_t weir_answer_bytes(void) { return weir_filter_limits_answer_bytes(); }
