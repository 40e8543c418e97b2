package weir

import (
	"time"

	"weir/internal/gen/imports/weir_filter_callout"
	types "weir/internal/wit/types"
)

// CallRequest is a request to a server that the publication names.
type CallRequest struct {
	// Method is GET if it is "".
	Method string
	// Path is path and query in origin form, below the path of the upstream's URL.
	Path string
	// Headers without those that frame a message, hop-by-hop fields and Host: these are the agent's.
	Headers []Field
	Body    []byte
	// Timeout is no longer than the upstream's own; 0 is that. Rounded up to milliseconds.
	Timeout time.Duration
}

// StartCall sends a request, for hooks that answer Wait; an error is a [CallError]. A call ends with its exchange. Needs the grant
// callout.
func StartCall(exchange Live, upstream string, request CallRequest) (Call, error) {
	if request.Method == "" {
		request.Method = "GET"
	}
	sent := weir_filter_callout.CallRequest{
		Method: request.Method, Path: request.Path, Headers: pairs(request.Headers), Body: request.Body,
	}
	timeout := types.None[uint32]()
	if request.Timeout != 0 {
		timeout = types.Some(wholeMilliseconds(request.Timeout))
	}
	started := weir_filter_callout.Start(exchange.of(), upstream, sent, timeout)
	if started.IsOk() {
		return Call(started.Ok()), nil
	}
	switch started.Err() {
	case weir_filter_callout.CallError_UnknownUpstream:
		return 0, UnknownUpstream
	case weir_filter_callout.CallError_InvalidRequest:
		return 0, InvalidCall
	default:
		return 0, TooManyCalls
	}
}
