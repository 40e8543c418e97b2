// Package connect exports the hooks of tunnels, Connect and ClientHello. A filter that has it imports this package, for that alone:
//
//	import _ "weir/connect"
package connect

import (
	"weir/internal/further"
	_ "weir/internal/gen/exports/connect_exports"
)

func init() { further.Connect = true }
