/* Exports of the interfaces that a filter may have besides those of every filter. Each is compiled where the filter's sources define its
 * table: the build looks for the name. */
#include "internal.h"

#ifdef WEIR_EXPORTS_CONNECT

static weir_tunnel tunnel_of(const exports_weir_filter_connect_tunnel_t *to) {
  return (weir_tunnel){
      .entry = (weir_entry)to->entry,
      .client_address = weir_text(to->client_address),
      .user = to->user.is_some ? weir_text(to->user.val) : NULL,
      .target = weir_text(to->target),
  };
}

static void decide(weir_decision decision, exports_weir_filter_connect_decision_t *ret) {
  ret->tag = decision.what;
  if (decision.text) ret->val.deny = weir_lend(decision.text);
  weir_leave();
}

void exports_weir_filter_connect_on_connect(exports_weir_filter_connect_tunnel_t *to, exports_weir_filter_connect_decision_t *ret) {
  weir_enter();
  weir_tunnel tunnel = tunnel_of(to);
  decide(weir_this_connect.on_connect ? weir_this_connect.on_connect(&tunnel) : weir_no_objection(), ret);
}

void exports_weir_filter_connect_on_client_hello(exports_weir_filter_connect_tunnel_t *to,
                                                 exports_weir_filter_connect_client_hello_t *hello,
                                                 exports_weir_filter_connect_decision_t *ret) {
  weir_enter();
  weir_tunnel tunnel = tunnel_of(to);
  const char **alpn = weir_alloc((hello->alpn.len + 1) * sizeof *alpn);
  for (size_t i = 0; i < hello->alpn.len; i++) alpn[i] = weir_text(hello->alpn.ptr[i]);
  alpn[hello->alpn.len] = NULL;
  weir_client_hello told = {hello->server_name.is_some ? weir_text(hello->server_name.val) : NULL, alpn};
  decide(weir_this_connect.on_client_hello ? weir_this_connect.on_client_hello(&tunnel, &told) : weir_no_objection(), ret);
}

#endif
#ifdef WEIR_EXPORTS_COMPLETED

void exports_weir_filter_completed_on_completed(uint32_t of, exports_weir_filter_completed_summary_t *came) {
  weir_enter();
  weir_exchange exchange = {.number = of, .end_of_stream = true};
  weir_summary summary = {
      .reason = (weir_done_reason)came->reason,
      .request_bytes = came->request_bytes,
      .response_bytes = came->response_bytes,
      .duration = came->duration,
      .first_byte = came->first_byte.is_some ? came->first_byte.val : -1,
      .upstream_address = came->upstream_address.is_some ? weir_text(came->upstream_address.val) : NULL,
  };
  weir_this_completed.on_completed(&exchange, &summary, weir_state_of(of));
  weir_leave();
}

#endif
#ifdef WEIR_EXPORTS_TICK

uint32_t exports_weir_filter_tick_interval(void) {
  weir_enter();
  uint32_t interval = weir_this_tick.interval ? weir_this_tick.interval() : 1000;
  weir_leave();
  return interval;
}

void exports_weir_filter_tick_on_tick(void) {
  weir_enter();
  weir_this_tick.on_tick();
  weir_leave();
}

#endif
