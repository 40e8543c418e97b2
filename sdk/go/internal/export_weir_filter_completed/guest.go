// Package export_weir_filter_completed is where the generated exports of `completed` look for their implementation.
package export_weir_filter_completed

import "weir/internal/gen/imports/weir_filter_completed"

// Guest answers. Package weir sets it.
var Guest interface {
	OnCompleted(of uint32, summary weir_filter_completed.Summary)
}

func OnCompleted(of uint32, summary weir_filter_completed.Summary) { Guest.OnCompleted(of, summary) }
