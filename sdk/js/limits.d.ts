/** What this filter may use, as its publication says. No grant is needed. */
export const limits: {
  /** CPU time of one hook, milliseconds. */
  readonly cpuMs: number;
  /** Linear memory of an instance, bytes. */
  readonly memoryBytes: number;
  /** What `maxBuffer` is capped to, bytes. */
  readonly bufferBytes: number;
  /** What one answer may hold, bytes. */
  readonly answerBytes: number;
};
