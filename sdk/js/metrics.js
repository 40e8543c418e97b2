// Numbers for the operator. A filter that imports this module needs the grant `metrics`.

import host from "weir:filter/metrics@0.1.0";

import { linesOf } from "./answers.js";
import { granted, refusal } from "./refusal.js";

export const MetricError = refusal("MetricError", {
  "invalid-name": "the name, a label or the bounds are not valid",
  conflict: "the name is in use for another kind of metric",
  "too-many": "the filter has all series, labels or bounds that it may",
});

const add = (series) => (by = 1) => host.add(series, by);
const named = (name, call) => granted(MetricError, name, call);

export const metrics = {
  counter(name, help = "", labels = {}) {
    const series = named(name, () => host.counter(name, help, linesOf(labels)));
    return { add: add(series) };
  },

  gauge(name, help = "", labels = {}) {
    const series = named(name, () => host.gauge(name, help, linesOf(labels)));
    return { add: add(series), set: (value) => host.set(series, value) };
  },

  histogram(name, help = "", labels = {}, bounds = []) {
    const series = named(name, () => host.histogram(name, help, linesOf(labels), Float64Array.from(bounds)));
    return { observe: (value) => host.observe(series, value) };
  },
};
