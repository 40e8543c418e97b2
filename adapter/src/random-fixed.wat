  ;; splitmix64 from a fixed seed: bytes that differ from call to call, and that anybody can foretell.
  (global $seed (mut i64) (i64.const 0x5e1f0a7d3c2b4968))
  (func $random (param $at i32) (param $left i32)
    (local $mixed i64)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (global.set $seed (i64.add (global.get $seed) (i64.const 0x9e3779b97f4a7c15)))
        (local.set $mixed (global.get $seed))
        (local.set $mixed (i64.mul (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 30)))
                                   (i64.const 0xbf58476d1ce4e5b9)))
        (local.set $mixed (i64.mul (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 27)))
                                   (i64.const 0x94d049bb133111eb)))
        (i64.store8 (local.get $at) (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 31))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))
