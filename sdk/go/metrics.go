package weir

import (
	"weir/internal/gen/imports/weir_filter_metrics"
	types "weir/internal/wit/types"
)

// MetricError says why there is no such metric.
type MetricError uint8

const (
	// MetricInvalidName: of the metric or a label; a label twice or the agent's own; bounds that do not ascend.
	MetricInvalidName = MetricError(weir_filter_metrics.MetricError_InvalidName)
	// MetricConflict: the name is in use for another kind of metric.
	MetricConflict = MetricError(weir_filter_metrics.MetricError_Conflict)
	// MetricTooMany: 256 series, 8 labels, 32 bounds.
	MetricTooMany = MetricError(weir_filter_metrics.MetricError_TooMany)
)

func (fault MetricError) Error() string {
	switch fault {
	case MetricInvalidName:
		return "the name, a label or the bounds are not valid"
	case MetricConflict:
		return "the name is in use for another kind of metric"
	default:
		return "the filter has all series, labels or bounds that it may"
	}
}

// Counter is a number that only grows, in the agent's /metrics as weir_agent_filter_metric_NAME.
type Counter struct{ series uint32 }

// Gauge is a number that goes up and down.
type Gauge struct{ series uint32 }

// Histogram counts values by size.
type Histogram struct{ series uint32 }

// NewCounter names a series: the same name and labels are the same one, so this may be called at any time. An error is a
// [MetricError]. Needs the grant metrics.
func NewCounter(name, help string, labels ...Field) (Counter, error) {
	series, fault := measured(weir_filter_metrics.Counter(name, help, pairs(labels)))
	return Counter{series}, fault
}

// NewGauge is as NewCounter.
func NewGauge(name, help string, labels ...Field) (Gauge, error) {
	series, fault := measured(weir_filter_metrics.Gauge(name, help, pairs(labels)))
	return Gauge{series}, fault
}

// NewHistogram is as NewCounter. Bounds ascend; none are 0.005 to 10.
func NewHistogram(name, help string, bounds []float64, labels ...Field) (Histogram, error) {
	series, fault := measured(weir_filter_metrics.Histogram(name, help, pairs(labels), bounds))
	return Histogram{series}, fault
}

func measured(result types.Result[uint32, weir_filter_metrics.MetricError]) (uint32, error) {
	if result.IsErr() {
		fault := result.Err()
		return 0, MetricError(fault)
	}
	return result.Ok(), nil
}

// Add counts; what is negative counts nothing.
func (counter Counter) Add(by float64) { weir_filter_metrics.Add(counter.series, by) }

// Add changes the number.
func (gauge Gauge) Add(by float64) { weir_filter_metrics.Add(gauge.series, by) }

// Set puts a number in its place.
func (gauge Gauge) Set(value float64) { weir_filter_metrics.Set(gauge.series, value) }

// Observe counts a value.
func (histogram Histogram) Observe(value float64) {
	weir_filter_metrics.Observe(histogram.series, value)
}
