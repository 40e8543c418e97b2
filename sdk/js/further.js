// Hooks that a filter may have besides those of every filter: each set of them is an interface that the component exports if the
// entry module does, by its name.

import { decision, messageAction } from "./answers.js";
import { Request, Response } from "./exchange.js";

const HOOKS = {
  connect: ["connect", "clientHello"],
  message: ["open", "message"],
  completed: ["completed"],
  tick: ["tick"],
};

/** Who says a message. */
const ORIGINS = { request: "client", response: "upstream" };

/** Milliseconds from one tick to the next, unless the filter says otherwise. */
const INTERVAL = 1000;

/** Getters of the interfaces, for what `filter` returns; `problems` tells of hooks that nobody exports. */
export function further(definition, run, stateOf) {
  const exported = new Set();
  const interfaces = {
    connect: {
      onConnect: (to) => decision(definition.connect && run(definition.connect, to)),
      onClientHello: (to, hello) => decision(definition.clientHello && run(definition.clientHello, to, hello)),
    },
    message: {
      onOpen(of) {
        if (!definition.open) return "message" in definition;
        return Boolean(run(definition.open, new Response(of, true), stateOf(of)) ?? true);
      },
      onMessage(of, origin, { val }) {
        const hook = definition.message;
        return messageAction(hook && run(hook, new Response(of, true), ORIGINS[origin], val, stateOf(of)));
      },
    },
    completed: {
      onCompleted(of, { reason, ...figures }) {
        const request = new Request(of, true);
        if (definition.completed) run(definition.completed, { request, reason }, figures, stateOf(of));
      },
    },
    tick: {
      interval: () => (definition.interval ? run(definition.interval) : INTERVAL),
      onTick() {
        if (definition.tick) run(definition.tick);
      },
    },
  };
  const take = (name) => {
    exported.add(name);
    return interfaces[name];
  };
  const getters = Object.fromEntries(Object.keys(HOOKS).map((name) => [name, { get: () => take(name), enumerable: true }]));
  const problems = () =>
    Object.entries(HOOKS)
      .filter(([name, hooks]) => !exported.has(name) && hooks.some((hook) => hook in definition))
      .map(([name]) => ({
        pointer: "",
        message: `the filter has hooks of \`${name}\`, and does not export it: export const { lifecycle, events, ${name} } = filter(…)`,
      }));
  return { getters, problems };
}
