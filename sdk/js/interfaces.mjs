// Which interfaces of the contract a filter needs: `node --experimental-vm-modules interfaces.mjs filter.js` prints `import kv` for each that
// one of its modules imports, however far down, and `export tick` for each name that the entry module exports. For builds: the modules are
// parsed and linked, and do not run.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import vm from "node:vm";

const CONTRACT = /^weir:filter\/([a-z-]+)@/;

const imported = new Set();
const modules = new Map();

/** A module of the contract has nothing to be parsed. */
function contract(specifier, name) {
  imported.add(name);
  return new vm.SyntheticModule(["default"], () => {}, { identifier: specifier });
}

/** Beside the module, or in `node_modules`; `.js` may be left out. */
const fileOf = (specifier, from) =>
  specifier.startsWith("node:") ? fail(`${from}: there is no ${specifier} in a filter`) : createRequire(from).resolve(specifier);

function module(file) {
  if (!modules.has(file)) modules.set(file, new vm.SourceTextModule(readFileSync(file, "utf8"), { identifier: file }));
  return modules.get(file);
}

function link(specifier, { identifier }) {
  const name = CONTRACT.exec(specifier)?.[1];
  if (name === undefined) return module(fileOf(specifier, identifier));
  if (!modules.has(specifier)) modules.set(specifier, contract(specifier, name));
  return modules.get(specifier);
}

function fail(reason) {
  throw new Error(reason);
}

const entry = module(resolve(process.argv[2]));
await entry.link(link);
for (const name of [...imported].sort()) console.log(`import ${name}`);
// names alone: there are no values yet
for (const name of Reflect.ownKeys(entry.namespace)) if (typeof name === "string") console.log(`export ${name}`);
