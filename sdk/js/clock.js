// The time. A filter that imports this module needs the grant `clock`.

import host from "weir:filter/clock@0.1.0";

export const clock = { now: () => host.now(), monotonic: () => host.monotonic() };
