package weir

import (
	"time"

	"weir/internal/gen/imports/weir_filter_kv"
	types "weir/internal/wit/types"
)

// KvEntry is what is kept under a key.
type KvEntry struct {
	Value []byte
	// Version changes with each write of the key.
	Version float64
}

// KvError says why nothing was written.
type KvError uint8

const (
	// KvTooLarge: a key is 1 to 512 bytes, a value at most 64 KiB.
	KvTooLarge = KvError(weir_filter_kv.KvError_TooLarge)
	// KvFull: the filter's store is full.
	KvFull = KvError(weir_filter_kv.KvError_Full)
	// KvNotANumber: KvAdd to a value that is none.
	KvNotANumber = KvError(weir_filter_kv.KvError_NotANumber)
)

func (fault KvError) Error() string {
	switch fault {
	case KvTooLarge:
		return "the key or the value is too large"
	case KvFull:
		return "the filter's store is full"
	default:
		return "the value is no number"
	}
}

// KvGet reads the filter's own store; the answer is whether there is an entry. Its versions and instances share one on each agent,
// and it survives swaps and restarts. Needs the grant kv.
func KvGet(key string) (KvEntry, bool) {
	found := weir_filter_kv.Get(key)
	if found.IsNone() {
		return KvEntry{}, false
	}
	entry := found.Some()
	return KvEntry{entry.Value, entry.Version}, true
}

// KvSet keeps a value for so long; with 0 until it is deleted. An error is a [KvError].
func KvSet(key string, value []byte, ttl time.Duration) error {
	_, fault := kept(weir_filter_kv.Set(key, value, milliseconds(ttl)))
	return fault
}

// KvCompareAndSet keeps a value if the entry has this version still; 0: if there is no entry. The answer is whether it did.
func KvCompareAndSet(key string, version float64, value []byte, ttl time.Duration) (bool, error) {
	of := types.Some(version)
	if version == 0 {
		of = types.None[float64]()
	}
	return kept(weir_filter_kv.CompareAndSet(key, of, value, milliseconds(ttl)))
}

// KvDelete answers whether there was an entry.
func KvDelete(key string) bool { return weir_filter_kv.Delete(key) }

// KvAdd adds to a number and answers the sum. An absent one counts as 0 and lives for ttl; one that is there keeps its time.
func KvAdd(key string, by float64, ttl time.Duration) (float64, error) {
	return kept(weir_filter_kv.Add(key, by, milliseconds(ttl)))
}

func kept[Answer any](result types.Result[Answer, weir_filter_kv.KvError]) (Answer, error) {
	if result.IsErr() {
		var none Answer
		fault := result.Err()
		return none, KvError(fault)
	}
	return result.Ok(), nil
}

func milliseconds(ttl time.Duration) types.Option[float64] {
	if ttl == 0 {
		return types.None[float64]()
	}
	return types.Some(float64(ttl) / float64(time.Millisecond))
}
