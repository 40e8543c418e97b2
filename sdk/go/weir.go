// Package weir is for filters of the Weir proxy.
//
// A filter is a [Filter], a table of hooks, and one call of [Export] in an init function. The agent calls a hook as the head, the
// body and the trailers of a request and its response pass; what the hook returns says what happens next.
//
//	func main() {}
//
//	func init() {
//		weir.Export(struct{}{}, func(struct{}) (weir.Filter[struct{}], []weir.Problem) {
//			return weir.Filter[struct{}]{
//				ResponseHead: func(response *weir.Response, _ *struct{}) weir.Action {
//					response.Headers().Set("x-hello", "from go")
//					return weir.Next
//				},
//			}, nil
//		})
//	}
//
// One instance serves many exchanges at a time, hook by hook: there is nothing to lock, and nothing that a goroutine could wait
// for. What has to be remembered between two hooks of one exchange goes into its State. A hook that needs a timer or the answer of
// another server starts one ([StartTimer], [StartCall]) and answers [Wait]; Resumed is called with what came of it:
//
//	RequestHead: func(request *weir.Request, _ *struct{}) weir.Action {
//		if _, fault := weir.StartTimer(request, 100*time.Millisecond); fault != nil {
//			return weir.Next
//		}
//		return weir.Wait
//	},
//	Resumed: func(*weir.Exchange, weir.Call, weir.Outcome, *struct{}) weir.Resumption { return weir.Proceed },
//
// A component imports the interfaces whose functions its filter calls, and each has to be granted: the comments name them. Go's
// runtime asks for log, clock and random in any case: time.Now and crypto/rand are the agent's.
package weir

import (
	"time"

	"weir/internal/export_weir_filter_completed"
	"weir/internal/export_weir_filter_connect"
	"weir/internal/export_weir_filter_events"
	"weir/internal/export_weir_filter_lifecycle"
	"weir/internal/export_weir_filter_message"
	"weir/internal/export_weir_filter_tick"
	// the component's exports
	_ "weir/internal/gen/exports/wit_exports"
)

// Filter is a table of hooks. One that is nil is never called, and costs nothing. State is what is remembered of one exchange
// between its hooks, zero before the first.
//
// Hooks come in this order: request head, request body and trailers, response head (or upstream error), response body and
// trailers, done.
type Filter[State any] struct {
	// Subscription asks for less or more than the hooks say: heads and trailers for each hook that is there, bodies as
	// Transform.
	Subscription func(*Subscription)

	// RequestHead: the head of a request came.
	RequestHead func(request *Request, state *State) Action
	// RequestBody: a chunk of a request's body came. Its head can be changed only if it is held.
	RequestBody func(request *Request, chunk Chunk, state *State) ChunkAction
	// RequestTrailers: a request's trailers came, after its last chunk.
	RequestTrailers func(trailers *Trailers, state *State) ChunkAction
	// ResponseHead: the head of a response came.
	ResponseHead func(response *Response, state *State) Action
	// ResponseBody: a chunk of a response's body came. Its head can be changed only if it is held.
	ResponseBody func(response *Response, chunk Chunk, state *State) ChunkAction
	// ResponseTrailers: a response's trailers came, after its last chunk.
	ResponseTrailers func(trailers *Trailers, state *State) ChunkAction
	// UpstreamError: no response came. Respond answers in its place; Next leaves the agent's own error response.
	UpstreamError func(request *Request, fault UpstreamError, state *State) Action
	// Resumed: a call or timer that a hook waits for has ended. Without this hook what waited proceeds.
	Resumed func(exchange *Exchange, call Call, outcome Outcome, state *State) Resumption
	// Done: the exchange is over. Runs once for every exchange that met a hook.
	Done func(request *Request, reason DoneReason, state *State)

	// Hooks behind this line have to be exported, by the import of a package that does nothing else: import _ "weir/connect".

	// Connect: the client asks for a tunnel (CONNECT, SOCKS5); nothing has been dialled. There is no exchange here, nor in ClientHello
	// and Tick: what needs one cannot be used. Import weir/connect.
	Connect func(to Tunnel) Decision
	// ClientHello: TLS begins inside the tunnel. It is too late to redirect: that fails by policy. Import weir/connect.
	ClientHello func(to Tunnel, hello ClientHello) Decision
	// Open: the upstream has answered a WebSocket's handshake with 101, or begun a stream of server-sent events. Whether this filter is to
	// see what follows; it is without this hook. Import weir/message.
	Open func(response *Response, state *State) bool
	// Message: one whole message, at most Limits.BufferBytes; a longer one fails by policy. Those of the client meet the filters of the
	// chain in its order, those of the upstream in reverse. Neither this hook nor Open can wait. Import weir/message.
	Message func(response *Response, origin Origin, content Content, state *State) MessageAction
	// Completed: what an exchange came to, before Done: every exchange that the publication's match lets the filter see, whether or
	// not it met another hook, but one that the filter failed and one that stood behind its open breaker. Import weir/completed.
	Completed func(request *Request, summary Summary, state *State)
	// Tick: work by the clock, in each instance that a worker keeps. What was missed is not made up for. Import weir/tick.
	Tick func()
	// Interval is from one tick to the next, at least 100 ms; a second unless given. Asked once.
	Interval time.Duration
}

// Export makes what build returns the filter of this component. Config is a struct with json tags; what the JSON text leaves out is
// as in defaults, a key that Config does not have is a fault. build says what else is wrong with a configuration; it also
// runs only to check one.
func Export[Config, State any](defaults Config, build func(Config) (Filter[State], []Problem)) {
	guest := &guest[Config, State]{defaults: defaults, build: build, states: map[uint32]*State{}}
	export_weir_filter_lifecycle.Guest = guest
	export_weir_filter_events.Guest = guest
	export_weir_filter_connect.Guest = guest
	export_weir_filter_message.Guest = guest
	export_weir_filter_completed.Guest = guest
	export_weir_filter_tick.Guest = guest
}
