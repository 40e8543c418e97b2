/* The rest of the tour: tunnels, what exchanges came to, the clock. */
#include <string.h>

#include "tour.h"

static weir_decision on_connect(const weir_tunnel *to) {
  if (weir_starts_with(to->target, "denied.")) return weir_deny(weir_format("%s, on purpose", to->target));
  if (weir_starts_with(to->target, "elsewhere.")) return weir_redirect(config.mark);
  if (config.strict) return weir_pass_through();
  return weir_no_objection();
}

static weir_decision on_client_hello(const weir_tunnel *to, const weir_client_hello *hello) {
  if (hello->server_name && !strcmp(hello->server_name, "refused.localhost")) return weir_deny("by its name");
  if (hello->alpn[0] && !strcmp(hello->alpn[0], "h2") && to->entry == WEIR_FORWARD) return weir_deny("no tunnel comes so");
  return weir_no_objection();
}

const weir_connect_hooks weir_this_connect = {on_connect, on_client_hello};

static void on_completed(weir_exchange *x, const weir_summary *summary, void *state) {
  (void)state;
  bool is_timed = summary->first_byte >= 0 && summary->first_byte <= summary->duration;
  const char *at = summary->upstream_address ? summary->upstream_address : "-";
  weir_log(WEIR_INFO, weir_format("completed %s %d %g %g %s %s", weir_path(x), summary->reason == WEIR_COMPLETE,
                                  summary->request_bytes, summary->response_bytes, is_timed ? "timed" : "-", at));
}

const weir_completed_hooks weir_this_completed = {on_completed};

static uint32_t interval(void) { return 100; }

static void on_tick(void) { weir_kv_add("ticks", 1, 0, NULL); }

const weir_tick_hooks weir_this_tick = {interval, on_tick};
