package weir

import (
	"runtime/debug"
	"strings"
	"unsafe"

	"weir/internal/gen/imports/weir_filter_events"
	"weir/internal/gen/imports/weir_filter_http"
	"weir/internal/gen/imports/weir_filter_lifecycle"
	runtime "weir/internal/wit/runtime"
	types "weir/internal/wit/types"
)

// guest is one instance of a filter: the filter, and the state of each exchange in flight.
type guest[Config, State any] struct {
	defaults Config
	build    func(Config) (Filter[State], []Problem)
	filter   Filter[State]
	states   map[uint32]*State
	none     State
}

// leave ends each call of the agent. What the host wrote for it need not be pinned any longer: what the filter kept is held by
// the collector. A panic traps, and a trap has no words: they go to the log first.
func leave() {
	runtime.Unpin()
	if fault := recover(); fault != nil {
		Errorf("panic: %v\n%s", fault, debug.Stack())
		panic(fault)
	}
}

func (guest *guest[Config, State]) make(json string) (Filter[State], []Problem) {
	config, problems := parse(json, guest.defaults)
	if len(problems) > 0 {
		return Filter[State]{}, problems
	}
	filter, problems := guest.build(config)
	return filter, append(problems, filter.unexported()...)
}

func (guest *guest[Config, State]) ValidateConfig(json string) []weir_filter_lifecycle.Problem {
	defer leave()
	_, found := guest.make(json)
	problems := make([]weir_filter_lifecycle.Problem, len(found))
	for index, problem := range found {
		problems[index] = weir_filter_lifecycle.Problem{Pointer: problem.Pointer, Message: problem.Message}
	}
	return problems
}

func (guest *guest[Config, State]) Configure(json string) types.Result[weir_filter_lifecycle.Subscription, string] {
	defer leave()
	filter, problems := guest.make(json)
	if len(problems) > 0 {
		words := make([]string, len(problems))
		for index, problem := range problems {
			words[index] = problem.Error()
		}
		return types.Err[weir_filter_lifecycle.Subscription, string](strings.Join(words, "; "))
	}
	guest.filter = filter
	return types.Ok[weir_filter_lifecycle.Subscription, string](filter.subscription())
}

func (filter *Filter[State]) subscription() weir_filter_lifecycle.Subscription {
	wanted := Subscription{
		RequestHead:      filter.RequestHead != nil,
		RequestTrailers:  filter.RequestTrailers != nil,
		ResponseHead:     filter.ResponseHead != nil,
		ResponseTrailers: filter.ResponseTrailers != nil,
		MaxBuffer:        1 << 20,
	}
	if filter.RequestBody != nil {
		wanted.RequestBody = Transform
	}
	if filter.ResponseBody != nil {
		wanted.ResponseBody = Transform
	}
	if filter.Subscription != nil {
		filter.Subscription(&wanted)
	}
	return weir_filter_lifecycle.Subscription{
		RequestHead:      wanted.RequestHead,
		RequestBody:      weir_filter_http.BodyMode(wanted.RequestBody),
		RequestTrailers:  wanted.RequestTrailers,
		ResponseHead:     wanted.ResponseHead,
		ResponseBody:     weir_filter_http.BodyMode(wanted.ResponseBody),
		ResponseTrailers: wanted.ResponseTrailers,
		Decoded:          wanted.Decoded,
		MaxBuffer:        wanted.MaxBuffer,
	}
}

func (guest *guest[Config, State]) state(number uint32) *State {
	if unsafe.Sizeof(guest.none) == 0 {
		return &guest.none
	}
	state := guest.states[number]
	if state == nil {
		state = new(State)
		guest.states[number] = state
	}
	return state
}

func (guest *guest[Config, State]) OnRequestHead(of uint32, endOfStream bool) weir_filter_events.Action {
	defer leave()
	if guest.filter.RequestHead == nil {
		return Next.action
	}
	return guest.filter.RequestHead(&Request{of, !endOfStream}, guest.state(of)).action
}

func (guest *guest[Config, State]) OnResponseHead(of uint32, endOfStream bool) weir_filter_events.Action {
	defer leave()
	if guest.filter.ResponseHead == nil {
		return Next.action
	}
	return guest.filter.ResponseHead(&Response{of, !endOfStream}, guest.state(of)).action
}

func (guest *guest[Config, State]) OnBody(
	of uint32, origin weir_filter_http.Direction, bytes []uint8, endOfStream bool,
) weir_filter_events.ChunkAction {
	defer leave()
	chunk := Chunk{bytes, endOfStream}
	if origin == toUpstream && guest.filter.RequestBody != nil {
		return guest.filter.RequestBody(&Request{number: of}, chunk, guest.state(of)).action
	}
	if origin == toClient && guest.filter.ResponseBody != nil {
		return guest.filter.ResponseBody(&Response{number: of}, chunk, guest.state(of)).action
	}
	return Pass.action
}

func (guest *guest[Config, State]) OnTrailers(of uint32, origin weir_filter_http.Direction) weir_filter_events.ChunkAction {
	defer leave()
	if origin == toUpstream && guest.filter.RequestTrailers != nil {
		trailers := &Trailers{of, weir_filter_http.Part_RequestTrailers}
		return guest.filter.RequestTrailers(trailers, guest.state(of)).action
	}
	if origin == toClient && guest.filter.ResponseTrailers != nil {
		trailers := &Trailers{of, weir_filter_http.Part_ResponseTrailers}
		return guest.filter.ResponseTrailers(trailers, guest.state(of)).action
	}
	return Pass.action
}

func (guest *guest[Config, State]) OnUpstreamError(of uint32, fault weir_filter_events.UpstreamError) weir_filter_events.Action {
	defer leave()
	if guest.filter.UpstreamError == nil {
		return Next.action
	}
	return guest.filter.UpstreamError(&Request{number: of}, upstreamError(fault), guest.state(of)).action
}

func upstreamError(fault weir_filter_events.UpstreamError) UpstreamError {
	given := UpstreamError{Kind: UpstreamErrorKind(fault.Tag())}
	if given.Kind == TLS {
		given.Reason = fault.Tls()
	}
	return given
}

func (guest *guest[Config, State]) OnResume(
	of uint32, waiting weir_filter_events.Hook, call uint32, outcome weir_filter_events.CallOutcome,
) weir_filter_events.Resumption {
	defer leave()
	if guest.filter.Resumed == nil {
		return Proceed.resumption()
	}
	return guest.filter.Resumed(&Exchange{of, Hook(waiting)}, Call(call), outcomeOf(outcome), guest.state(of)).resumption()
}

func (guest *guest[Config, State]) OnDone(of uint32, reason weir_filter_events.DoneReason) {
	defer leave()
	if guest.filter.Done != nil {
		guest.filter.Done(&Request{number: of}, DoneReason(reason), guest.state(of))
	}
	delete(guest.states, of)
}
