// Lines for the operator, who limits their rate.

import host from "weir:filter/log@0.1.0";

const line = (level) => (...parts) => host.write(level, parts.map(String).join(" "));

export const log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
