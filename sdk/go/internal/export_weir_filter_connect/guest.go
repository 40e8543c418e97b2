// Package export_weir_filter_connect is where the generated exports of `connect` look for their implementation.
package export_weir_filter_connect

import "weir/internal/gen/imports/weir_filter_connect"

// Guest answers. Package weir sets it.
var Guest interface {
	OnConnect(to weir_filter_connect.Tunnel) weir_filter_connect.Decision
	OnClientHello(to weir_filter_connect.Tunnel, hello weir_filter_connect.ClientHello) weir_filter_connect.Decision
}

func OnConnect(to weir_filter_connect.Tunnel) weir_filter_connect.Decision { return Guest.OnConnect(to) }

func OnClientHello(to weir_filter_connect.Tunnel, hello weir_filter_connect.ClientHello) weir_filter_connect.Decision {
	return Guest.OnClientHello(to, hello)
}
