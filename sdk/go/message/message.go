// Package message exports the hooks of messages, Open and Message. A filter that has them imports this package, for that alone:
//
//	import _ "weir/message"
package message

import (
	"weir/internal/further"
	_ "weir/internal/gen/exports/message_exports"
)

func init() { further.Message = true }
