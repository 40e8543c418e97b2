package weir

import (
	"weir/internal/gen/imports/weir_filter_events"
	"weir/internal/gen/imports/weir_filter_http"
	types "weir/internal/wit/types"
)

const (
	toUpstream = weir_filter_http.Direction_Request
	toClient   = weir_filter_http.Direction_Response
)

// Entry is how the client reached the agent.
type Entry uint8

const (
	// Forward: absolute-form request to a forward proxy.
	Forward = Entry(weir_filter_http.Entry_Forward)
	// Connect: inside a CONNECT tunnel.
	Connect = Entry(weir_filter_http.Entry_Connect)
	// Socks5: through SOCKS5.
	Socks5 = Entry(weir_filter_http.Entry_Socks5)
	// Transparent: redirected by the network.
	Transparent = Entry(weir_filter_http.Entry_Transparent)
	// Reverse: reverse proxy.
	Reverse = Entry(weir_filter_http.Entry_Reverse)
)

// Version is an HTTP version.
type Version uint8

const (
	HTTP10 = Version(weir_filter_http.HttpVersion_Http10)
	HTTP11 = Version(weir_filter_http.HttpVersion_Http11)
	HTTP2  = Version(weir_filter_http.HttpVersion_Http2)
	HTTP3  = Version(weir_filter_http.HttpVersion_Http3)
)

// Connection has the facts of the connection; "" where there is none. They may disagree: a client can CONNECT to one host, name a
// second in its TLS handshake and a third in Host. A filter that decides access checks each.
type Connection struct {
	Entry Entry
	// ClientAddress is IP address and port.
	ClientAddress string
	// User is who the client proved to be.
	User string
	// TunnelTarget is the host:port that the client asked to be connected to (CONNECT, SOCKS5).
	TunnelTarget string
	// ServerName is of the client's TLS handshake.
	ServerName string
	// Intercepted: the client's TLS ends at the agent.
	Intercepted bool
}

// Request is the request of an exchange. It is good while its hook runs.
type Request struct {
	number uint32
	// HasBody: in RequestHead, a body follows. Elsewhere false.
	HasBody bool
}

// Headers are the head's fields.
func (request *Request) Headers() Headers {
	return Headers{request.number, weir_filter_http.Part_Request}
}

// ID is the exchange's in the traffic store, a UUID.
func (request *Request) ID() string { return weir_filter_http.Id(request.number) }

// Connection has the facts of the connection.
func (request *Request) Connection() Connection {
	info := weir_filter_http.Connection(request.number)
	return Connection{
		Entry:         Entry(info.Entry),
		ClientAddress: info.ClientAddress,
		User:          orEmpty(info.User),
		TunnelTarget:  orEmpty(info.TunnelTarget),
		ServerName:    orEmpty(info.ServerName),
		Intercepted:   info.Intercepted,
	}
}

func orEmpty(text types.Option[string]) string {
	if text.Tag() == types.OptionNone {
		return ""
	}
	return text.Some()
}

// Version is the HTTP version that the request arrived with.
func (request *Request) Version() Version {
	return Version(weir_filter_http.Version(request.number, toUpstream))
}

// Method is as sent: GET.
func (request *Request) Method() string { return weir_filter_http.Method(request.number) }

// SetMethod changes the method.
func (request *Request) SetMethod(value string) error {
	return change(weir_filter_http.SetMethod(request.number, value))
}

// Scheme is "http" or "https".
func (request *Request) Scheme() string { return weir_filter_http.Scheme(request.number) }

// SetScheme says whether the agent speaks TLS to the upstream. An authority without a port goes to the scheme's own.
func (request *Request) SetScheme(value string) error {
	return change(weir_filter_http.SetScheme(request.number, value))
}

// Authority is the host[:port] that the exchange goes to.
func (request *Request) Authority() string { return weir_filter_http.Authority(request.number) }

// SetAuthority sends the exchange elsewhere. Host and :authority follow.
func (request *Request) SetAuthority(value string) error {
	return change(weir_filter_http.SetAuthority(request.number, value))
}

// Path is path and query in origin form, as received: nothing is decoded.
func (request *Request) Path() string { return weir_filter_http.Path(request.number) }

// SetPath changes path and query.
func (request *Request) SetPath(value string) error {
	return change(weir_filter_http.SetPath(request.number, value))
}

// SetBodyMode takes part in this body less than subscribed. Only in RequestHead.
func (request *Request) SetBodyMode(mode BodyMode) error {
	return change(weir_filter_http.SetBodyMode(request.number, toUpstream, weir_filter_http.BodyMode(mode)))
}

// Response is the response of an exchange. It is good while its hook runs.
type Response struct {
	number uint32
	// HasBody: in ResponseHead, a body follows. Elsewhere false.
	HasBody bool
}

// Request is this exchange's. Its head has been sent: it can be read.
func (response *Response) Request() *Request { return &Request{number: response.number} }

// Headers are the head's fields.
func (response *Response) Headers() Headers {
	return Headers{response.number, weir_filter_http.Part_Response}
}

// Version is the HTTP version that the response arrived with.
func (response *Response) Version() Version {
	return Version(weir_filter_http.Version(response.number, toClient))
}

// Status is the response's.
func (response *Response) Status() uint16 { return weir_filter_http.Status(response.number).SomeOr(0) }

// SetStatus changes it.
func (response *Response) SetStatus(value uint16) error {
	return change(weir_filter_http.SetStatus(response.number, value))
}

// SetBodyMode takes part in this body less than subscribed. Only in ResponseHead.
func (response *Response) SetBodyMode(mode BodyMode) error {
	return change(weir_filter_http.SetBodyMode(response.number, toClient, weir_filter_http.BodyMode(mode)))
}

// Trailers are the fields after a body.
type Trailers struct {
	number uint32
	part   weir_filter_http.Part
}

// Request is this exchange's.
func (trailers *Trailers) Request() *Request { return &Request{number: trailers.number} }

// Headers are the fields.
func (trailers *Trailers) Headers() Headers { return Headers{trailers.number, trailers.part} }

// Chunk is a piece of a body.
type Chunk struct {
	// Bytes is empty at most when EndOfStream is true.
	Bytes []byte
	// EndOfStream: no more comes after this, except trailers.
	EndOfStream bool
}

// UpstreamError is why no response came.
type UpstreamError struct {
	Kind UpstreamErrorKind
	// Reason is of TLS.
	Reason string
}

func (fault UpstreamError) Error() string {
	if fault.Reason != "" {
		return fault.Kind.String() + ": " + fault.Reason
	}
	return fault.Kind.String()
}

// UpstreamErrorKind is a kind of UpstreamError.
type UpstreamErrorKind uint8

// String is the contract's word: "refused", "too-large".
func (kind UpstreamErrorKind) String() string {
	words := [...]string{"refused", "reset", "timeout", "dns", "tls", "protocol", "too-large"}
	if int(kind) < len(words) {
		return words[kind]
	}
	return "unknown"
}

const (
	Refused          = UpstreamErrorKind(weir_filter_events.UpstreamError_Refused)
	Reset            = UpstreamErrorKind(weir_filter_events.UpstreamError_Reset)
	Timeout          = UpstreamErrorKind(weir_filter_events.UpstreamError_Timeout)
	DNS              = UpstreamErrorKind(weir_filter_events.UpstreamError_Dns)
	TLS              = UpstreamErrorKind(weir_filter_events.UpstreamError_Tls)
	Protocol         = UpstreamErrorKind(weir_filter_events.UpstreamError_Protocol)
	ResponseTooLarge = UpstreamErrorKind(weir_filter_events.UpstreamError_TooLarge)
)

// DoneReason is how an exchange ended.
type DoneReason uint8

const (
	Complete       = DoneReason(weir_filter_http.DoneReason_Complete)
	ClientGone     = DoneReason(weir_filter_http.DoneReason_ClientGone)
	UpstreamGone   = DoneReason(weir_filter_http.DoneReason_UpstreamGone)
	FilterAnswered = DoneReason(weir_filter_http.DoneReason_FilterAnswered)
	FilterFailed   = DoneReason(weir_filter_http.DoneReason_FilterFailed)
	ShutDown       = DoneReason(weir_filter_http.DoneReason_ShutDown)
)
