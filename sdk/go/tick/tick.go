// Package tick exports the hook Tick. A filter that has it imports this package, for that alone:
//
//	import _ "weir/tick"
package tick

import (
	"weir/internal/further"
	_ "weir/internal/gen/exports/tick_exports"
)

func init() { further.Tick = true }
