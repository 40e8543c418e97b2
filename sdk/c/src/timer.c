/* Timers, for hooks that wait. */
#include "internal.h"

weir_start weir_start_timer(weir_exchange *exchange, uint32_t milliseconds, weir_call *call) {
  weir_filter_timer_timer_error_t error = {0};
  uint32_t number;
  if (!weir_filter_timer_start(exchange->number, milliseconds, &number, &error))
    return error == WEIR_FILTER_TIMER_TIMER_ERROR_TOO_LONG ? WEIR_INVALID_CALL : WEIR_TOO_MANY_CALLS;
  if (call) *call = number;
  return WEIR_STARTED;
}
