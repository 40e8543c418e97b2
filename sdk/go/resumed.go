package weir

import (
	"strings"

	"weir/internal/gen/imports/weir_filter_events"
	"weir/internal/gen/imports/weir_filter_http"
)

// Call names a call or timer of one exchange.
type Call uint32

// Exchange is one whose hook waits: what that hook could change can be changed now. It is good while Resumed runs.
type Exchange struct {
	number  uint32
	waiting Hook
}

// Hook is one that can wait.
type Hook uint8

const (
	OfRequestHead      = Hook(weir_filter_events.Hook_RequestHead)
	OfRequestBody      = Hook(weir_filter_events.Hook_RequestBody)
	OfRequestTrailers  = Hook(weir_filter_events.Hook_RequestTrailers)
	OfResponseHead     = Hook(weir_filter_events.Hook_ResponseHead)
	OfResponseBody     = Hook(weir_filter_events.Hook_ResponseBody)
	OfResponseTrailers = Hook(weir_filter_events.Hook_ResponseTrailers)
)

// Waiting is the hook that has waited.
func (exchange *Exchange) Waiting() Hook { return exchange.waiting }

// Chunk is the one that waits, if a body's hook has waited: a copy, made when it is asked for.
func (exchange *Exchange) Chunk() []byte {
	chunk := weir_filter_http.WaitingChunk(exchange.number)
	if chunk.IsNone() {
		return nil
	}
	return chunk.Some()
}

// Request is the exchange's.
func (exchange *Exchange) Request() *Request { return &Request{number: exchange.number} }

// Response is the exchange's, nil before there is one.
func (exchange *Exchange) Response() *Response {
	if weir_filter_http.Status(exchange.number).IsNone() {
		return nil
	}
	return &Response{number: exchange.number}
}

// RequestTrailers are the fields after the request's body. They can be changed where its hook for trailers waited.
func (exchange *Exchange) RequestTrailers() *Trailers {
	return &Trailers{exchange.number, weir_filter_http.Part_RequestTrailers}
}

// ResponseTrailers are the fields after the response's body. They can be changed where its hook for trailers waited.
func (exchange *Exchange) ResponseTrailers() *Trailers {
	return &Trailers{exchange.number, weir_filter_http.Part_ResponseTrailers}
}

// Outcome is what a call or timer came to: [Elapsed], [*CallResponse] or [UpstreamError].
type Outcome interface{ outcome() }

// Elapsed: the time of a timer has passed.
type Elapsed struct{}

// CallResponse is the whole response to a call.
type CallResponse struct {
	Status uint16
	// Headers have names in lower case.
	Headers []Field
	Body    []byte
}

// Get returns the first value of a field, "" if it is not there. Names are compared without regard to case.
func (response *CallResponse) Get(name string) string {
	for _, field := range response.Headers {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

func (Elapsed) outcome()       {}
func (*CallResponse) outcome() {}
func (UpstreamError) outcome() {}

func outcomeOf(came weir_filter_events.CallOutcome) Outcome {
	switch came.Tag() {
	case weir_filter_events.CallOutcome_Response:
		response := came.Response()
		fields := make([]Field, len(response.Headers))
		for index, line := range response.Headers {
			fields[index] = Field{line.F0, line.F1}
		}
		return &CallResponse{response.Status, fields, response.Body}
	case weir_filter_events.CallOutcome_Failed:
		return upstreamError(came.Failed())
	default:
		return Elapsed{}
	}
}

// Resumption is what is to happen with what waited: [Proceed], or what its hook could have answered, an [Action] for a head, a
// [ChunkAction] for a chunk or trailers. [Wait] and [WaitBody] are for the next call that ends.
type Resumption interface {
	resumption() weir_filter_events.Resumption
}

// Proceed lets a head go on to the next filter, a chunk as it is, and trailers.
var Proceed Resumption = Next

func (given Action) resumption() weir_filter_events.Resumption {
	switch given.action.Tag() {
	case weir_filter_events.Action_Respond:
		return weir_filter_events.MakeResumptionRespond(given.action.Respond())
	case weir_filter_events.Action_Abort:
		return weir_filter_events.MakeResumptionAbort()
	case weir_filter_events.Action_HoldForBody:
		return weir_filter_events.MakeResumptionHoldForBody()
	case weir_filter_events.Action_Wait:
		return weir_filter_events.MakeResumptionWait()
	default:
		return weir_filter_events.MakeResumptionProceed()
	}
}

func (given ChunkAction) resumption() weir_filter_events.Resumption {
	switch given.action.Tag() {
	case weir_filter_events.ChunkAction_Replace:
		return weir_filter_events.MakeResumptionReplace(given.action.Replace())
	case weir_filter_events.ChunkAction_DropChunk:
		return weir_filter_events.MakeResumptionDropChunk()
	case weir_filter_events.ChunkAction_Respond:
		return weir_filter_events.MakeResumptionRespond(given.action.Respond())
	case weir_filter_events.ChunkAction_Abort:
		return weir_filter_events.MakeResumptionAbort()
	case weir_filter_events.ChunkAction_Wait:
		return weir_filter_events.MakeResumptionWait()
	default:
		return weir_filter_events.MakeResumptionProceed()
	}
}
