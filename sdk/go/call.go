package weir

import (
	"math"
	"time"
)

// CallError says why no call or timer was started.
type CallError uint8

const (
	// UnknownUpstream: no upstream of this name in the publication.
	UnknownUpstream CallError = iota
	// InvalidCall: not a valid method, path or field; or a timer of more than a minute.
	InvalidCall
	// TooManyCalls: 16 calls and timers per exchange and filter.
	TooManyCalls
)

func (fault CallError) Error() string {
	switch fault {
	case UnknownUpstream:
		return "the publication names no such upstream"
	case InvalidCall:
		return "the request or the time is not valid"
	default:
		return "the filter has started all that it may for this exchange"
	}
}

// Live is what a hook is given of an exchange: *Request, *Response, *Trailers, *Exchange.
type Live interface{ of() uint32 }

func (request *Request) of() uint32   { return request.number }
func (response *Response) of() uint32 { return response.number }
func (trailers *Trailers) of() uint32 { return trailers.number }
func (exchange *Exchange) of() uint32 { return exchange.number }

// wholeMilliseconds rounds up; what is negative is 0.
func wholeMilliseconds(duration time.Duration) uint32 {
	whole := max(duration, 0) / time.Millisecond
	if duration > whole*time.Millisecond {
		whole++
	}
	return uint32(min(whole, math.MaxUint32))
}
