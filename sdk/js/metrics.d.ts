/** Numbers for the operator, in the agent's `/metrics`. A filter that imports this module needs the grant `metrics`. */

/** A number that only grows. */
export interface Counter {
  /** By 1 unless given; what is negative counts nothing. */
  add(by?: number): void;
}

/** A number that goes up and down. */
export interface Gauge {
  /** By 1 unless given. */
  add(by?: number): void;
  set(value: number): void;
}

/** Counts values by size. */
export interface Histogram {
  observe(value: number): void;
}

/** By name; or a list of pairs. */
export type Labels = Record<string, string> | [string, string][];

/** There is no such metric: a name, a label or the bounds; the name is of another kind; 256 series, 8 labels, 32 bounds. */
export class MetricError extends Error {
  readonly code: "invalid-name" | "conflict" | "too-many";
}

/**
 * They are called `weir_agent_filter_metric_NAME`, with the label `filter`. All instances of a filter share a series, and a new version goes
 * on counting where the old one is. The same name and labels are the same series, so these may be called at any time.
 */
export const metrics: {
  /** Throws {@link MetricError}. */
  counter(name: string, help?: string, labels?: Labels): Counter;
  /** Throws {@link MetricError}. */
  gauge(name: string, help?: string, labels?: Labels): Gauge;
  /** `bounds` ascend; none are 0.005 to 10. Throws {@link MetricError}. */
  histogram(name: string, help?: string, labels?: Labels, bounds?: number[]): Histogram;
};
