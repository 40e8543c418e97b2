  ;; The host's clock, in nanoseconds; the last value again while it may not be asked.
  (global $last (mut i64) (i64.const 0))
  (func $nanoseconds (result i64)
    (if (i32.eqz (global.get $is_clock_paused))
      (then (global.set $last (i64.trunc_sat_f64_u (f64.mul (call $now) (f64.const SCALE))))))
    (global.get $last))
