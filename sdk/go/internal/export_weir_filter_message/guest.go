// Package export_weir_filter_message is where the generated exports of `message` look for their implementation.
package export_weir_filter_message

import (
	"weir/internal/gen/imports/weir_filter_http"
	"weir/internal/gen/imports/weir_filter_message"
)

// Guest answers. Package weir sets it.
var Guest interface {
	OnOpen(of uint32) bool
	OnMessage(of uint32, origin weir_filter_http.Direction, content weir_filter_message.Content) weir_filter_message.MessageAction
}

func OnOpen(of uint32) bool { return Guest.OnOpen(of) }

func OnMessage(of uint32, origin weir_filter_http.Direction, content weir_filter_message.Content) weir_filter_message.MessageAction {
	return Guest.OnMessage(of, origin, content)
}
