// Package export_weir_filter_events is where the generated exports of `events` look for their implementation.
package export_weir_filter_events

import (
	"weir/internal/gen/imports/weir_filter_events"
	"weir/internal/gen/imports/weir_filter_http"
)

// Guest answers. Package weir sets it.
var Guest interface {
	OnRequestHead(of uint32, endOfStream bool) weir_filter_events.Action
	OnResponseHead(of uint32, endOfStream bool) weir_filter_events.Action
	OnBody(of uint32, origin weir_filter_http.Direction, chunk []uint8, endOfStream bool) weir_filter_events.ChunkAction
	OnTrailers(of uint32, origin weir_filter_http.Direction) weir_filter_events.ChunkAction
	OnUpstreamError(of uint32, fault weir_filter_events.UpstreamError) weir_filter_events.Action
	OnResume(of uint32, waiting weir_filter_events.Hook, call uint32, outcome weir_filter_events.CallOutcome) weir_filter_events.Resumption
	OnDone(of uint32, reason weir_filter_events.DoneReason)
}

func OnRequestHead(of uint32, endOfStream bool) weir_filter_events.Action {
	return Guest.OnRequestHead(of, endOfStream)
}

func OnResponseHead(of uint32, endOfStream bool) weir_filter_events.Action {
	return Guest.OnResponseHead(of, endOfStream)
}

func OnBody(of uint32, origin weir_filter_http.Direction, chunk []uint8, endOfStream bool) weir_filter_events.ChunkAction {
	return Guest.OnBody(of, origin, chunk, endOfStream)
}

func OnTrailers(of uint32, origin weir_filter_http.Direction) weir_filter_events.ChunkAction {
	return Guest.OnTrailers(of, origin)
}

func OnUpstreamError(of uint32, fault weir_filter_events.UpstreamError) weir_filter_events.Action {
	return Guest.OnUpstreamError(of, fault)
}

func OnResume(of uint32, waiting weir_filter_events.Hook, call uint32, outcome weir_filter_events.CallOutcome) weir_filter_events.Resumption {
	return Guest.OnResume(of, waiting, call, outcome)
}

func OnDone(of uint32, reason weir_filter_events.DoneReason) { Guest.OnDone(of, reason) }
