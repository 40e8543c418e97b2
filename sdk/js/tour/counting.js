// What the tour counts: in its store, and for the operator. The filter's file names neither capability.

import { kv } from "weir/kv";
import { MetricError, metrics } from "weir/metrics";

export function count(request) {
  kv.add("n");
  request.headers.set("x-count", kv.add("n"));
}

export const ticks = () => kv.add("ticks", 0);

export function countTick() {
  kv.add("ticks");
}

/** The fault of a gauge that has a counter's name, and of a name that is none. */
export function measure() {
  metrics.counter("tour_seen", "Requests.", { kind: "a" }).add();
  const gauge = metrics.gauge("tour_level");
  gauge.set(5);
  gauge.add(-2);
  metrics.histogram("tour_size", "", {}, [1, 10]).observe(4);
  return `${fault(() => metrics.gauge("tour_seen"))} ${fault(() => metrics.counter("a b"))}`;
}

function fault(call) {
  try {
    call();
    return "ok";
  } catch (fault) {
    if (fault instanceof MetricError) return fault.code;
    throw fault;
  }
}
