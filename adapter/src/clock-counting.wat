  ;; A clock that tells no time: a millisecond passes whenever it is looked at.
  (global $ticks (mut i64) (i64.const 0))
  (func $nanoseconds (result i64)
    (global.set $ticks (i64.add (global.get $ticks) (i64.const 1000000)))
    (global.get $ticks))
