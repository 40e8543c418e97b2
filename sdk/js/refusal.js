// Calls of the agent that it can refuse: the error of a `result` is thrown, here as an error with words.

/** The class of what a module of the SDK throws; `words` has a sentence for each code of the contract. */
export function refusal(name, words) {
  return class extends Error {
    constructor(code, what) {
      super(`${what}: ${words[code] ?? code}`);
      this.name = name;
      this.code = code;
    }
  };
}

/** What the call gives, or a `Refusal` for what the agent threw. `what` names the subject for whoever reads the log. */
export function granted(Refusal, what, call) {
  try {
    return call();
  } catch (fault) {
    const code = fault?.payload ?? fault;
    throw typeof code === "string" ? new Refusal(code, what) : fault;
  }
}
