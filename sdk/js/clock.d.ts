/** The time. A filter that imports this module needs the grant `clock`. */
export const clock: {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since some moment before; never goes back. */
  monotonic(): number;
};
