// Says hello: refuses one path, counts what a request's body came in, and marks every response.

import { filter, hold, respond } from "weir";

export const { lifecycle, events } = filter({
  config: { header: "x-hello", value: "from js", block: "/blocked" },

  validate(config) {
    return config.block.startsWith("/") ? [] : [{ pointer: "/block", message: "a path begins with `/`" }];
  },

  subscription: () => ({ requestBody: "observe" }),

  state: () => ({ chunks: 0 }),

  requestHead(request) {
    if (request.path.startsWith(this.config.block)) {
      return respond({ status: 403, headers: { "content-type": "text/plain" }, body: "blocked by hello-js\n" });
    }
    if (request.hasBody) return hold;
    request.headers.set("x-seen", "0");
  },

  requestBody(request, chunk, state) {
    if (chunk.bytes.length > 0) state.chunks += 1;
    if (chunk.endOfStream) request.headers.set("x-seen", state.chunks);
  },

  responseHead(response) {
    response.headers.set(this.config.header, this.config.value);
  },
});
