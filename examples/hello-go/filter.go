// Says hello: refuses one path, counts what a request's body came in, and marks every response.
package main

import (
	"strconv"
	"strings"

	"weir"
)

type Config struct {
	Header string `json:"header"`
	Value  string `json:"value"`
	Block  string `json:"block"`
}

// State is what is remembered of one exchange.
type State struct{ chunks int }

func init() {
	weir.Export(Config{Header: "x-hello", Value: "from go", Block: "/blocked"}, hello)
}

func main() {}

func hello(config Config) (weir.Filter[State], []weir.Problem) {
	if !strings.HasPrefix(config.Block, "/") {
		return weir.Filter[State]{}, []weir.Problem{{Pointer: "/block", Message: "a path begins with `/`"}}
	}
	return weir.Filter[State]{
		Subscription: func(wanted *weir.Subscription) { wanted.RequestBody = weir.Observe },

		RequestHead: func(request *weir.Request, state *State) weir.Action {
			if strings.HasPrefix(request.Path(), config.Block) {
				return weir.Respond(weir.Reply{
					Status:  403,
					Headers: []weir.Field{{Name: "content-type", Value: "text/plain"}},
					Body:    []byte("blocked by hello-go\n"),
				})
			}
			if request.HasBody {
				return weir.Hold
			}
			request.Headers().Set("x-seen", "0")
			return weir.Next
		},

		RequestBody: func(request *weir.Request, chunk weir.Chunk, state *State) weir.ChunkAction {
			if len(chunk.Bytes) > 0 {
				state.chunks++
			}
			if chunk.EndOfStream {
				request.Headers().Set("x-seen", strconv.Itoa(state.chunks))
			}
			return weir.Pass
		},

		ResponseHead: func(response *weir.Response, state *State) weir.Action {
			response.Headers().Set(config.Header, config.Value)
			return weir.Next
		},
	}, nil
}
