package weir

import "weir/internal/gen/imports/weir_filter_http"

// BodyMode is how much of a body a filter takes part in.
type BodyMode uint8

const (
	// None: the body never enters the filter.
	None = BodyMode(weir_filter_http.BodyMode_None)
	// Observe: chunks are shown; replacing or dropping one fails the exchange by policy.
	Observe = BodyMode(weir_filter_http.BodyMode_Observe)
	// Transform: chunks may be replaced or dropped as they pass.
	Transform = BodyMode(weir_filter_http.BodyMode_Transform)
	// Buffer: one call with the whole body, up to MaxBuffer; a longer one fails the exchange by policy.
	Buffer = BodyMode(weir_filter_http.BodyMode_Buffer)
)

// Subscription is what a filter wants to see. The agent skips every call that is not asked for.
type Subscription struct {
	RequestHead      bool
	RequestBody      BodyMode
	RequestTrailers  bool
	ResponseHead     bool
	ResponseBody     BodyMode
	ResponseTrailers bool
	// Decoded: bodies arrive with Content-Encoding (gzip, deflate, br, zstd) undone, and travel on without it.
	Decoded bool
	// MaxBuffer is in bytes, for Buffer and Hold; 1 MiB unless given. The agent's limit caps it.
	MaxBuffer uint32
}
