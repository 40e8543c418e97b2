package weir

import (
	"time"

	"weir/internal/gen/imports/weir_filter_timer"
)

// StartTimer begins a timer, rounded up to milliseconds, for hooks that answer Wait; an error is a [CallError]. Needs the grant
// timer.
func StartTimer(exchange Live, after time.Duration) (Call, error) {
	started := weir_filter_timer.Start(exchange.of(), wholeMilliseconds(after))
	if started.IsOk() {
		return Call(started.Ok()), nil
	}
	if fault := started.Err(); fault == weir_filter_timer.TimerError_TooLong {
		return 0, InvalidCall
	}
	return 0, TooManyCalls
}
