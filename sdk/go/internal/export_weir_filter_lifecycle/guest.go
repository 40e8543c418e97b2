// Package export_weir_filter_lifecycle is where the generated exports of `lifecycle` look for their implementation.
package export_weir_filter_lifecycle

import (
	"weir/internal/gen/imports/weir_filter_lifecycle"
	types "weir/internal/wit/types"
)

// Guest answers. Package weir sets it.
var Guest interface {
	ValidateConfig(json string) []weir_filter_lifecycle.Problem
	Configure(json string) types.Result[weir_filter_lifecycle.Subscription, string]
}

func ValidateConfig(json string) []weir_filter_lifecycle.Problem { return Guest.ValidateConfig(json) }

func Configure(json string) types.Result[weir_filter_lifecycle.Subscription, string] {
	return Guest.Configure(json)
}
