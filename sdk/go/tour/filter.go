// Goes through the whole SDK: sdk/tour has the cases that every language's tour is held to.
package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"weir"
	_ "weir/completed"
	_ "weir/connect"
	_ "weir/message"
	_ "weir/tick"
)

type Config struct {
	Mark   string         `json:"mark"`
	Names  []string       `json:"names"`
	Limit  float64        `json:"limit"`
	Strict bool           `json:"strict"`
	Any    map[string]any `json:"any"`
}

type State struct{ trace string }

func init() {
	weir.Export(Config{Mark: "-", Limit: 7}, func(config Config) (weir.Filter[State], []weir.Problem) {
		return weir.Filter[State]{
			RequestHead: config.requestHead,
			RequestBody: func(request *weir.Request, chunk weir.Chunk, state *State) weir.ChunkAction {
				state.met("b")
				if chunk.EndOfStream {
					state.trace = strings.TrimSuffix(state.trace, "b") + "B"
				}
				if string(chunk.Bytes) == "head" {
					request.Headers().Set("x-held", "yes")
				}
				return body(request, chunk)
			},
			RequestTrailers: func(trailers *weir.Trailers, state *State) weir.ChunkAction {
				state.met("t")
				trailers.Headers().Set("x-sum", orDash(trailers.Headers().Get("x-part")))
				return late(trailers)
			},
			ResponseHead: func(response *weir.Response, state *State) weir.Action {
				state.met("H")
				if response.Status() == 404 {
					response.SetStatus(410)
				}
				response.Headers().Set("x-trace", state.trace)
				return weir.Next
			},
			ResponseBody: func(response *weir.Response, chunk weir.Chunk, _ *State) weir.ChunkAction {
				return body(response, chunk)
			},
			ResponseTrailers: func(trailers *weir.Trailers, _ *State) weir.ChunkAction {
				trailers.Headers().Remove("x-secret")
				return late(trailers)
			},
			UpstreamError: func(_ *weir.Request, fault weir.UpstreamError, _ *State) weir.Action {
				switch fault.Kind {
				case weir.Reset:
					return weir.Next
				case weir.TLS:
					return weir.Respond(text(503, "tls "+fault.Reason))
				default:
					return weir.Respond(text(503, "other "))
				}
			},
			Resumed: resumed,
			Done: func(request *weir.Request, reason weir.DoneReason, state *State) {
				weir.Infof("%s %d %s", request.ID(), reason, state.trace)
			},
			Connect:     config.connect,
			ClientHello: clientHello,
			Open:        open,
			Message:     message,
			Completed:   completed,
			Tick:        func() { weir.KvAdd("ticks", 1, 0) },
			Interval:    100 * time.Millisecond,
		}, nil
	})
}

func main() {}

func (state *State) met(what string) { state.trace += what }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func text(status uint16, body string) weir.Reply {
	headers := []weir.Field{{Name: "content-type", Value: "text/plain"}, {Name: "x-two", Value: "1"}, {Name: "x-two", Value: "2"}}
	return weir.Reply{Status: status, Headers: headers, Body: []byte(body)}
}

func (config Config) requestHead(request *weir.Request, state *State) weir.Action {
	state.met("h")
	is := func(beginning string) bool { return strings.HasPrefix(request.Path(), beginning) }
	switch {
	case is("/config"):
		deep, _ := config.Any["deep"].(string)
		names := strings.Join(config.Names, ",")
		return weir.Respond(text(200, fmt.Sprint(config.Mark, " ", names, " ", config.Limit, " ", config.Strict, " ", orDash(deep))))
	case is("/facts"):
		return weir.Respond(text(200, facts(request)))
	case is("/errors"):
		return weir.Respond(text(200, faults(request)))
	case is("/metrics"):
		return weir.Respond(text(200, measure()))
	case is("/limits"):
		l := weir.OwnLimits()
		return weir.Respond(text(200, fmt.Sprintf("%d %.0f %d %d", l.CPUMilliseconds, l.MemoryBytes, l.BufferBytes, l.AnswerBytes)))
	case is("/abort"):
		return weir.Abort
	case is("/panic"):
		panic("on purpose")
	case is("/wait"):
		if _, fault := weir.StartTimer(request, 10*time.Millisecond); fault == nil {
			return weir.Wait
		}
	case is("/call"):
		if _, fault := weir.StartCall(request, "oracle", weir.CallRequest{Path: "/answer"}); fault != nil {
			return weir.Respond(text(500, fault.Error()))
		}
		return weir.Wait
	case is("/kv"):
		weir.KvAdd("n", 1, 0)
		if sum, fault := weir.KvAdd("n", 1, 0); fault == nil {
			request.Headers().Set("x-count", fmt.Sprint(sum))
		}
	case is("/ticks"):
		if sum, fault := weir.KvAdd("ticks", 0, 0); fault == nil {
			request.Headers().Set("x-ticks", fmt.Sprint(sum))
		}
	case is("/tag"):
		if weir.TagText(request, "seen", "yes") == nil {
			request.Headers().Set("x-tagged", "yes")
		}
	case is("/secret"):
		request.Headers().Set("authorization", "Bearer "+weir.Secret(request, "key"))
		request.Headers().Set("x-none", orDash(weir.Secret(request, "other")))
	case is("/scheme"):
		fault := request.SetScheme("ftp")
		request.SetScheme("https")
		if errors.Is(fault, weir.InvalidSyntax) {
			request.Headers().Set("x-scheme", request.Scheme()+" refused")
		}
	case is("/rewrite"):
		rewrite(request)
	case is("/skip"):
		request.SetBodyMode(weir.None)
	case is("/hold") && request.HasBody:
		return weir.Hold
	}
	return weir.Next
}

func resumed(exchange *weir.Exchange, _ weir.Call, outcome weir.Outcome, _ *State) weir.Resumption {
	switch exchange.Waiting() {
	case weir.OfRequestBody, weir.OfResponseBody:
		return weir.Replace([]byte("(" + string(exchange.Chunk()) + ")"))
	case weir.OfRequestTrailers:
		exchange.RequestTrailers().Headers().Set("x-late", "yes")
		return weir.Proceed
	case weir.OfResponseTrailers:
		exchange.ResponseTrailers().Headers().Set("x-late", "yes")
		return weir.Proceed
	}
	headers := exchange.Request().Headers()
	switch came := outcome.(type) {
	case weir.Elapsed:
		headers.Set("x-waited", "elapsed")
	case *weir.CallResponse:
		headers.Set("x-answer", fmt.Sprintf("%d %s", came.Status, came.Body))
	case weir.UpstreamError:
		headers.Set("x-answer", "failed "+came.Kind.String())
	}
	return weir.Proceed
}

func (config Config) connect(to weir.Tunnel) weir.Decision {
	switch {
	case strings.HasPrefix(to.Target, "denied."):
		return weir.Deny(to.Target + ", on purpose")
	case strings.HasPrefix(to.Target, "elsewhere."):
		return weir.Redirect(config.Mark)
	case config.Strict:
		return weir.PassThrough
	}
	return weir.NoObjection
}

func clientHello(to weir.Tunnel, hello weir.ClientHello) weir.Decision {
	if hello.ServerName == "refused.localhost" {
		return weir.Deny("by its name")
	}
	if len(hello.ALPN) > 0 && hello.ALPN[0] == "h2" && to.Entry == weir.Forward {
		return weir.Deny("no tunnel comes so")
	}
	return weir.NoObjection
}

func completed(request *weir.Request, summary weir.Summary, _ *State) {
	done, timed := 0, "-"
	if summary.Reason == weir.Complete {
		done = 1
	}
	if summary.FirstByte >= 0 && summary.FirstByte <= summary.Duration {
		timed = "timed"
	}
	weir.Infof("completed %s %d %g %g %s %s", request.Path(), done, summary.RequestBytes, summary.ResponseBytes, timed,
		orDash(summary.UpstreamAddress))
}

func facts(request *weir.Request) string {
	is11 := 0
	if request.Version() == weir.HTTP11 {
		is11 = 1
	}
	entries := []string{"forward", "connect", "socks5", "transparent", "reverse"}
	c := request.Connection()
	return fmt.Sprintf("%s %s %s %s %d\n%s %s %s %s %s %t\n%s",
		request.Method(), request.Scheme(), request.Authority(), request.Path(), is11,
		entries[c.Entry], c.ClientAddress, orDash(c.User), orDash(c.TunnelTarget), orDash(c.ServerName), c.Intercepted,
		request.ID())
}

func rewrite(request *weir.Request) {
	request.SetMethod("PUT")
	request.SetAuthority("other.example:81")
	request.SetPath("/new?q=1")
	joined, names := "", ""
	for _, value := range request.Headers().Values("X-Many") {
		joined += "[" + value + "]"
	}
	for name := range request.Headers().All() {
		names += "[" + name + "]"
	}
	request.Headers().Set("x-joined", joined)
	request.Headers().Set("x-names", names)
	request.Headers().Append("x-many", "é")
	request.Headers().Remove("x-gone")
}

func faults(request *weir.Request) string {
	word := func(fault error) string {
		switch {
		case fault == nil:
			return "ok"
		case errors.Is(fault, weir.Forbidden):
			return "forbidden"
		case errors.Is(fault, weir.InvalidSyntax):
			return "invalid-syntax"
		default:
			return fault.Error()
		}
	}
	return strings.Join([]string{
		word(request.Headers().Set("content-length", "1")),
		word(request.Headers().Set("a b", "1")),
		word(request.SetMethod("A B")),
		word(request.Headers().Set("a", "1")),
	}, " ")
}

// measure gives the fault of a gauge that has a counter's name, and of a name that is none.
func measure() string {
	counter, one := weir.NewCounter("tour_seen", "Requests.", weir.Field{Name: "kind", Value: "a"})
	gauge, two := weir.NewGauge("tour_level", "")
	histogram, three := weir.NewHistogram("tour_size", "", []float64{1, 10})
	if fault := errors.Join(one, two, three); fault != nil {
		return fault.Error()
	}
	counter.Add(1)
	gauge.Set(5)
	gauge.Add(-2)
	histogram.Observe(4)
	_, used := weir.NewGauge("tour_seen", "")
	_, none := weir.NewCounter("a b", "")
	if errors.Is(used, weir.MetricConflict) && errors.Is(none, weir.MetricInvalidName) {
		return "conflict invalid-name"
	}
	return fmt.Sprint(used, none)
}

func late(trailers *weir.Trailers) weir.ChunkAction {
	if trailers.Headers().Get("x-wait") != "" {
		if _, fault := weir.StartTimer(trailers, 10*time.Millisecond); fault == nil {
			return weir.WaitBody
		}
	}
	return weir.Pass
}

func body(exchange weir.Live, chunk weir.Chunk) weir.ChunkAction {
	switch string(chunk.Bytes) {
	case "wait":
		if _, fault := weir.StartTimer(exchange, 10*time.Millisecond); fault != nil {
			return weir.AbortBody
		}
		return weir.WaitBody
	case "swap":
		return weir.Replace([]byte{'<', 0, 0xff, '>'})
	case "drop":
		return weir.Drop
	case "abort":
		return weir.AbortBody
	case "respond":
		return weir.RespondInstead(text(413, "too much"))
	default:
		return weir.Pass
	}
}
