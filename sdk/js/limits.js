// What this filter may use, as its publication says. No grant is needed.

import host from "weir:filter/limits@0.1.0";

export const limits = {
  get cpuMs() {
    return host.cpuMs();
  },
  get memoryBytes() {
    return host.memoryBytes();
  },
  get bufferBytes() {
    return host.bufferBytes();
  },
  get answerBytes() {
    return host.answerBytes();
  },
};
