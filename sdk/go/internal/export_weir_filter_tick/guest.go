// Package export_weir_filter_tick is where the generated exports of `tick` look for their implementation.
package export_weir_filter_tick

// Guest answers. Package weir sets it.
var Guest interface {
	Interval() uint32
	OnTick()
}

func Interval() uint32 { return Guest.Interval() }

func OnTick() { Guest.OnTick() }
