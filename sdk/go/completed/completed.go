// Package completed exports the hook Completed. A filter that has it imports this package, for that alone:
//
//	import _ "weir/completed"
package completed

import (
	"weir/internal/further"
	_ "weir/internal/gen/exports/completed_exports"
)

func init() { further.Completed = true }
