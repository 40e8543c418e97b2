// Timers, for hooks that answer `wait`. A filter that imports this module needs the grant `timer`.

import host from "weir:filter/timer@0.1.0";

import { numberOf } from "./exchange.js";
import { granted, refusal } from "./refusal.js";

export const TimerError = refusal("TimerError", {
  "too-long": "more than a minute",
  "too-many": "the filter has started all that it may for this exchange",
});

export const timer = {
  start: (of, milliseconds) => granted(TimerError, "timer", () => host.start(numberOf(of), milliseconds)),
};
