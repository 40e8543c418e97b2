package weir

import (
	"weir/internal/gen/imports/weir_filter_events"
	"weir/internal/gen/imports/weir_filter_http"
	types "weir/internal/wit/types"
)

// Field is a field line; its value has one character per byte (latin-1).
type Field struct{ Name, Value string }

// Reply is a response that the filter makes itself. The agent sets Content-Length.
type Reply struct {
	// Status is 200 to 599.
	Status  uint16
	Headers []Field
	Body    []byte
}

// Action is the answer of a hook that sees a head.
type Action struct{ action weir_filter_events.Action }

var (
	// Next goes on with the next filter.
	Next = Action{weir_filter_events.MakeActionNext()}
	// Abort closes without an answer: the connection on HTTP/1, the stream on HTTP/2.
	Abort = Action{weir_filter_events.MakeActionAbort()}
	// Hold keeps this head back until its body ended or MaxBuffer bytes came, so that body hooks may still change it.
	Hold = Action{weir_filter_events.MakeActionHoldForBody()}
	// Wait goes on when a call or timer that this filter has started for the exchange ends: Resumed decides. One that has
	// ended already counts. With none it fails the exchange by policy, and so it does in UpstreamError.
	Wait = Action{weir_filter_events.MakeActionWait()}
)

// Respond answers the client; the request goes no further.
func Respond(reply Reply) Action {
	return Action{weir_filter_events.MakeActionRespond(local(reply))}
}

// ChunkAction is the answer of a hook that sees a chunk or trailers.
type ChunkAction struct {
	action weir_filter_events.ChunkAction
}

var (
	// Pass lets the chunk, or the trailers, go on as they are, without a copy.
	Pass = ChunkAction{weir_filter_events.MakeChunkActionPass()}
	// Drop puts nothing in place of the chunk.
	Drop = ChunkAction{weir_filter_events.MakeChunkActionDropChunk()}
	// AbortBody closes without an answer.
	AbortBody = ChunkAction{weir_filter_events.MakeChunkActionAbort()}
	// WaitBody is Wait for a chunk or trailers.
	WaitBody = ChunkAction{weir_filter_events.MakeChunkActionWait()}
)

// Replace puts these bytes in place of the chunk.
func Replace(bytes []byte) ChunkAction {
	return ChunkAction{weir_filter_events.MakeChunkActionReplace(bytes)}
}

// RespondInstead answers the client. Possible until the response's head is sent; later it closes like AbortBody.
func RespondInstead(reply Reply) ChunkAction {
	return ChunkAction{weir_filter_events.MakeChunkActionRespond(local(reply))}
}

func local(reply Reply) weir_filter_http.LocalResponse {
	return weir_filter_http.LocalResponse{Status: reply.Status, Headers: pairs(reply.Headers), Body: reply.Body}
}

func pairs(fields []Field) []types.Tuple2[string, string] {
	lines := make([]types.Tuple2[string, string], len(fields))
	for index, field := range fields {
		lines[index] = types.Tuple2[string, string]{F0: field.Name, F1: field.Value}
	}
	return lines
}
