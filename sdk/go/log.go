package weir

import (
	"fmt"

	"weir/internal/gen/imports/weir_filter_log"
)

// Debugf writes a line for whoever works on the filter. The operator limits the rate of all lines.
func Debugf(format string, values ...any) {
	weir_filter_log.Write(weir_filter_log.Level_Debug, fmt.Sprintf(format, values...))
}

// Infof writes a line worth knowing.
func Infof(format string, values ...any) {
	weir_filter_log.Write(weir_filter_log.Level_Info, fmt.Sprintf(format, values...))
}

// Warnf says that something is not as it should be, and that the filter went on.
func Warnf(format string, values ...any) {
	weir_filter_log.Write(weir_filter_log.Level_Warn, fmt.Sprintf(format, values...))
}

// Errorf says that the filter could not do its work.
func Errorf(format string, values ...any) {
	weir_filter_log.Write(weir_filter_log.Level_Error, fmt.Sprintf(format, values...))
}
