// Write filters for the Weir proxy in JavaScript: `export const { lifecycle, events } = filter({ … })`. Types and
// documentation are in weir.d.ts.
//
// Enters: calls of the agent, plain functions and exchange numbers. Leaves: calls of the filter's hooks, with objects that
// hide the number, and with the state of each exchange.

import { problemsOf, textOf } from "./config.js";
import { Exchange, Request, Response, Trailers } from "./exchange.js";
import { action, chunkAction, resumption } from "./answers.js";
import { further } from "./further.js";
import { log } from "./log.js";

export { abort, close, deny, drop, hold, intercept, passThrough, redirect, respond, wait } from "./answers.js";
export { HeaderError } from "./exchange.js";
export { log } from "./log.js";
export { utf8 } from "./utf8.js";

const HEADS = ["requestHead", "requestTrailers", "responseHead", "responseTrailers"];
const BODIES = ["requestBody", "responseBody"];

export function filter(definition) {
  /** What hooks know as `this`: the definition, and the configuration. */
  const self = Object.create(definition, { config: { value: definition.config ?? {}, writable: true } });
  const states = new Map();

  const stateOf = (number) => {
    let state = states.get(number);
    if (state === undefined) {
      state = definition.state ? definition.state.call(self) : {};
      states.set(number, state);
    }
    return state;
  };

  /** Runs a hook; what it throws ends the instance, as any trap does, and is written down first. */
  const run = (hook, ...given) => {
    try {
      return hook.apply(self, given);
    } catch (fault) {
      log.error(`${fault}\n${fault?.stack ?? ""}`);
      throw fault;
    }
  };

  const head = (hook, number, subject) => action(hook ? run(hook, subject, stateOf(number)) : undefined);

  const more = further(definition, run, stateOf);
  const all = {
    lifecycle: {
      validateConfig: (json) => run(() => [...problemsOf(json, definition, self).problems, ...more.problems()]),
      configure(json) {
        const { config, problems } = run(() => problemsOf(json, definition, self));
        // the error of a `result` is thrown
        if (problems.length > 0) throw textOf(problems);
        self.config = config;
        return subscription(definition, run(() => definition.subscription?.call(self, config)));
      },
    },
    events: {
      onRequestHead: (of, endOfStream) => head(definition.requestHead, of, new Request(of, endOfStream)),
      onResponseHead: (of, endOfStream) => head(definition.responseHead, of, new Response(of, endOfStream)),
      onBody(of, origin, bytes, endOfStream) {
        const isRequest = origin === "request";
        const hook = isRequest ? definition.requestBody : definition.responseBody;
        if (!hook) return chunkAction(undefined);
        const subject = isRequest ? new Request(of, true) : new Response(of, true);
        return chunkAction(run(hook, subject, { bytes, endOfStream }, stateOf(of)));
      },
      onTrailers(of, origin) {
        const hook = origin === "request" ? definition.requestTrailers : definition.responseTrailers;
        return chunkAction(hook ? run(hook, new Trailers(of, origin), stateOf(of)) : undefined);
      },
      onUpstreamError(of, error) {
        const hook = definition.upstreamError;
        return action(hook ? run(hook, new Request(of, true), faultOf(error), stateOf(of)) : undefined);
      },
      onResume(of, waiting, call, outcome) {
        const hook = definition.resumed;
        return resumption(hook ? run(hook, new Exchange(of, waiting), call, outcomeOf(outcome), stateOf(of)) : undefined);
      },
      onDone(of, reason) {
        const state = states.get(of) ?? (definition.done ? stateOf(of) : undefined);
        states.delete(of);
        if (definition.done) run(definition.done, { id: new Request(of, true).id, reason }, state);
      },
    },
  };
  return Object.defineProperties(all, more.getters);
}

const faultOf = (error) => ({ kind: error.tag, reason: error.val ?? "" });

/** What a call or timer came to, flat: `kind` says which. */
function outcomeOf({ tag, val }) {
  if (tag === "response") return { kind: tag, ...val };
  return tag === "failed" ? { kind: tag, error: faultOf(val) } : { kind: tag };
}

/** Everything that has a hook, and whatever the filter says otherwise. */
function subscription(definition, wanted) {
  const all = { decoded: false, maxBuffer: 1 << 20, tick: 0 };
  for (const hook of HEADS) all[hook] = hook in definition;
  for (const hook of BODIES) all[hook] = hook in definition ? "transform" : "none";
  return Object.assign(all, wanted);
}
