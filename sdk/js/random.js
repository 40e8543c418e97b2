// Random numbers. A filter that imports this module needs the grant `random`.

import host from "weir:filter/random@0.1.0";

export const random = { bytes: (count) => host.bytes(count), number: () => host.number() };
