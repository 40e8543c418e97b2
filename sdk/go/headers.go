package weir

import (
	"iter"

	"weir/internal/gen/imports/weir_filter_http"
	types "weir/internal/wit/types"
)

// HeaderError says why a change of a head did not happen.
type HeaderError uint8

const (
	// Forbidden: the agent owns this field (framing and hop-by-hop fields), or the part is read-only.
	Forbidden = HeaderError(weir_filter_http.HeaderError_Forbidden)
	// InvalidSyntax: not a valid name, value, method, status, authority or path.
	InvalidSyntax = HeaderError(weir_filter_http.HeaderError_InvalidSyntax)
	// TooLarge: the head would outgrow the agent's bound.
	TooLarge = HeaderError(weir_filter_http.HeaderError_TooLarge)
	// Frozen: this head has already been sent.
	Frozen = HeaderError(weir_filter_http.HeaderError_Frozen)
	// Absent: there is no such part: no response yet, or no trailers.
	Absent = HeaderError(weir_filter_http.HeaderError_Absent)
)

func (fault HeaderError) Error() string {
	switch fault {
	case Forbidden:
		return "the agent owns this field, or the part is read-only"
	case InvalidSyntax:
		return "not a valid name or value"
	case TooLarge:
		return "the head would outgrow the agent's bound"
	case Frozen:
		return "this head has already been sent"
	default:
		return "there is no such part"
	}
}

func change(result types.Result[types.Unit, weir_filter_http.HeaderError]) error {
	if result.Tag() == types.ResultErr {
		return HeaderError(result.Err())
	}
	return nil
}

// Headers are the fields of a head or of trailers. Names are compared without regard to case; values have one character per byte
// (latin-1).
type Headers struct {
	number uint32
	part   weir_filter_http.Part
}

// Get returns the first value of a field, "" if it is not there.
func (headers Headers) Get(name string) string {
	value, _ := headers.Lookup(name)
	return value
}

// Lookup returns the first value of a field, and whether it is there.
func (headers Headers) Lookup(name string) (string, bool) {
	value := weir_filter_http.Header(headers.number, headers.part, name)
	if value.Tag() == types.OptionNone {
		return "", false
	}
	return value.Some(), true
}

// Values returns every value of a field, in order. Lines are not split at commas.
func (headers Headers) Values(name string) []string {
	return weir_filter_http.HeaderValues(headers.number, headers.part, name)
}

// All returns every field line, names in lower case. Dearer than Get for less than about twelve fields.
func (headers Headers) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, line := range weir_filter_http.Headers(headers.number, headers.part) {
			if !yield(line.F0, line.F1) {
				return
			}
		}
	}
}

// Set puts one value in place of every value of the field.
func (headers Headers) Set(name, value string) error {
	return change(weir_filter_http.SetHeader(headers.number, headers.part, name, value))
}

// Append adds a field line.
func (headers Headers) Append(name, value string) error {
	return change(weir_filter_http.AppendHeader(headers.number, headers.part, name, value))
}

// Remove removes every value of the field; one that is not there is no error.
func (headers Headers) Remove(name string) error {
	return change(weir_filter_http.RemoveHeader(headers.number, headers.part, name))
}
