package weir

import "weir/internal/gen/imports/weir_filter_limits"

// Limits is what this filter may use, as its publication says.
type Limits struct {
	// CPUMilliseconds is the CPU time of one hook.
	CPUMilliseconds uint32
	// MemoryBytes is the linear memory of an instance.
	MemoryBytes float64
	// BufferBytes is what Subscription.MaxBuffer is capped to.
	BufferBytes uint32
	// AnswerBytes is what one answer may hold.
	AnswerBytes uint32
}

// OwnLimits asks the agent. No grant is needed.
func OwnLimits() Limits {
	return Limits{
		CPUMilliseconds: weir_filter_limits.CpuMs(),
		MemoryBytes:     weir_filter_limits.MemoryBytes(),
		BufferBytes:     weir_filter_limits.BufferBytes(),
		AnswerBytes:     weir_filter_limits.AnswerBytes(),
	}
}
