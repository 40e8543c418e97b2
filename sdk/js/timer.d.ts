/** Timers, for hooks that answer `wait`. A filter that imports this module needs the grant `timer`. */

import type { Subject } from "weir";

/** More than a minute; more than 16 calls and timers for one exchange. */
export class TimerError extends Error {
  readonly code: "too-long" | "too-many";
}

export const timer: {
  /** Ends after so many milliseconds, a whole number. What it gives names the timer in `resumed`. Throws {@link TimerError}. */
  start(of: Subject, milliseconds: number): number;
};
