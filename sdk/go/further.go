package weir

import (
	"time"

	"weir/internal/further"
	"weir/internal/gen/imports/weir_filter_completed"
	"weir/internal/gen/imports/weir_filter_connect"
	types "weir/internal/wit/types"
)

// Tunnel is what a client asks to be connected to.
type Tunnel struct {
	Entry Entry
	// ClientAddress is IP address and port.
	ClientAddress string
	// User is who the client proved to be; "" where nobody is.
	User string
	// Target is host:port. What an earlier filter redirected to, if one did.
	Target string
}

// ClientHello is what the client's TLS handshake tells in clear.
type ClientHello struct {
	// ServerName is "" where there is none.
	ServerName string
	// ALPN has names of protocols, in the client's order.
	ALPN []string
}

// Decision is what becomes of a tunnel.
type Decision struct {
	decision weir_filter_connect.Decision
}

var (
	// NoObjection: this filter has nothing against it.
	NoObjection = Decision{weir_filter_connect.MakeDecisionNext()}
	// Intercept ends TLS at the agent, and other hooks see what is inside.
	Intercept = Decision{weir_filter_connect.MakeDecisionIntercept()}
	// PassThrough lets bytes pass as they are.
	PassThrough = Decision{weir_filter_connect.MakeDecisionPassThrough()}
)

// Deny refuses the tunnel, with a reason that the client may see.
func Deny(reason string) Decision { return Decision{weir_filter_connect.MakeDecisionDeny(reason)} }

// Redirect leads the tunnel to this host:port.
func Redirect(target string) Decision {
	return Decision{weir_filter_connect.MakeDecisionRedirect(target)}
}

// Summary is what an exchange came to, in figures.
type Summary struct {
	Reason DoneReason
	// RequestBytes is content as the client sent it, ResponseBytes as the client got it.
	RequestBytes, ResponseBytes float64
	// Duration is from the request's head to the end.
	Duration time.Duration
	// FirstByte is from the request's head to that of the upstream's response; negative where there was none.
	FirstByte time.Duration
	// UpstreamAddress is IP address and port that it was sent to; "" where it was not.
	UpstreamAddress string
}

// unexported is the fault of a filter whose hooks its component does not export.
func (filter *Filter[State]) unexported() []Problem {
	var problems []Problem
	for _, hooks := range []struct {
		is, exported bool
		name         string
	}{
		{filter.Connect != nil || filter.ClientHello != nil, further.Connect, "connect"},
		{filter.Open != nil || filter.Message != nil, further.Message, "message"},
		{filter.Completed != nil, further.Completed, "completed"},
		{filter.Tick != nil, further.Tick, "tick"},
	} {
		if hooks.is && !hooks.exported {
			message := "the filter has hooks of " + hooks.name + " and does not export them: import _ \"weir/" + hooks.name + "\""
			problems = append(problems, Problem{Message: message})
		}
	}
	return problems
}

func tunnelOf(to weir_filter_connect.Tunnel) Tunnel {
	return Tunnel{Entry: Entry(to.Entry), ClientAddress: to.ClientAddress, User: orEmpty(to.User), Target: to.Target}
}

func (guest *guest[Config, State]) OnConnect(to weir_filter_connect.Tunnel) weir_filter_connect.Decision {
	defer leave()
	if guest.filter.Connect == nil {
		return NoObjection.decision
	}
	return guest.filter.Connect(tunnelOf(to)).decision
}

func (guest *guest[Config, State]) OnClientHello(
	to weir_filter_connect.Tunnel, hello weir_filter_connect.ClientHello,
) weir_filter_connect.Decision {
	defer leave()
	if guest.filter.ClientHello == nil {
		return NoObjection.decision
	}
	return guest.filter.ClientHello(tunnelOf(to), ClientHello{orEmpty(hello.ServerName), hello.Alpn}).decision
}

func (guest *guest[Config, State]) OnCompleted(of uint32, summary weir_filter_completed.Summary) {
	defer leave()
	if guest.filter.Completed == nil {
		return
	}
	figures := Summary{
		Reason:          DoneReason(summary.Reason),
		RequestBytes:    summary.RequestBytes,
		ResponseBytes:   summary.ResponseBytes,
		Duration:        fromMilliseconds(summary.Duration),
		FirstByte:       -1,
		UpstreamAddress: orEmpty(summary.UpstreamAddress),
	}
	if summary.FirstByte.Tag() == types.OptionSome {
		figures.FirstByte = fromMilliseconds(summary.FirstByte.Some())
	}
	guest.filter.Completed(&Request{number: of}, figures, guest.state(of))
}

func fromMilliseconds(milliseconds float64) time.Duration {
	return time.Duration(milliseconds * float64(time.Millisecond))
}

func (guest *guest[Config, State]) Interval() uint32 {
	defer leave()
	if guest.filter.Interval == 0 {
		return 1000
	}
	return wholeMilliseconds(guest.filter.Interval)
}

func (guest *guest[Config, State]) OnTick() {
	defer leave()
	if guest.filter.Tick != nil {
		guest.filter.Tick()
	}
}
