// JSON text of a configuration -> the configuration, or what is wrong and where (RFC 6901). The definition's `config` shows
// keys, types and defaults: a key that is not there is a fault, as is a value of another type.

function kind(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return { boolean: "a boolean", number: "a number", string: "a string", object: "an object" }[typeof value];
}

const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

/** Checks a value against the one that shows its shape. `null` and an empty list or object show nothing about what is in them. */
function compare(value, shape, pointer, problems) {
  if (shape === null || shape === undefined) return value;
  if (kind(value) !== kind(shape)) {
    problems.push({ pointer, message: `invalid type: ${kind(value)}, expected ${kind(shape)}` });
    return shape;
  }
  if (Array.isArray(shape)) {
    return shape.length === 0 ? value : value.map((item, index) => compare(item, shape[0], `${pointer}/${index}`, problems));
  }
  const keys = typeof shape === "object" ? Object.keys(shape) : [];
  if (keys.length === 0) return value;
  const whole = { ...shape };
  for (const [key, item] of Object.entries(value)) {
    const place = `${pointer}/${escaped(key)}`;
    if (Object.hasOwn(shape, key)) whole[key] = compare(item, shape[key], place, problems);
    else problems.push({ pointer: place, message: `unknown field \`${key}\`, expected one of ${keys.map((name) => `\`${name}\``).join(", ")}` });
  }
  return whole;
}

export function problemsOf(json, definition, self) {
  let given;
  try {
    given = json.trim() === "" ? {} : JSON.parse(json) ?? {};
  } catch (fault) {
    return { problems: [{ pointer: "", message: fault.message }] };
  }
  const problems = [];
  if (kind(given) !== "an object") problems.push({ pointer: "", message: `invalid type: ${kind(given)}, expected an object` });
  else if (!definition.config) {
    for (const key of Object.keys(given)) problems.push({ pointer: `/${escaped(key)}`, message: `unknown field \`${key}\`, there are none` });
  }
  const config = problems.length === 0 ? compare(given, definition.config ?? {}, "", problems) : given;
  if (problems.length === 0 && definition.validate) problems.push(...(definition.validate.call(self, config) ?? []));
  return { config, problems };
}

export const textOf = (problems) =>
  problems.map(({ pointer, message }) => (pointer === "" ? message : `${pointer}: ${message}`)).join("; ");
