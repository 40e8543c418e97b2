/* The rest of the tour: messages of WebSockets and server-sent events. */
#include <string.h>

#include "tour.h"

static bool on_open(weir_exchange *x, void *state) {
  met(state, 'O');
  return !weir_starts_with(weir_path(x), "/ws?unseen");
}

static bool says(const weir_message *message, const char *word) {
  return message->length == strlen(word) && !memcmp(message->data, word, message->length);
}

static weir_message_action swap(const weir_message *message) {
  static const char bytes[] = {'<', 0, (char)0xff, '>'};
  weir_message other = *message;
  switch (message->kind) {
  case WEIR_MESSAGE_TEXT: return weir_replace_text(message, weir_format("not %s", message->data));
  case WEIR_MESSAGE_BINARY: other.data = bytes, other.length = sizeof bytes; break;
  case WEIR_MESSAGE_EVENT:
    other.event = message->event ? weir_format("%s!", message->event) : NULL;
    other.data = "two\nlines", other.length = 9;
    other.retry++;
    break;
  }
  return weir_replace_message(other);
}

static weir_message_action on_message(weir_exchange *x, weir_origin origin, const weir_message *message, void *state) {
  (void)x;
  met(state, origin == WEIR_BY_CLIENT ? 'm' : 'M');
  if (says(message, "swap")) return swap(message);
  if (says(message, "drop")) return weir_drop_message();
  if (says(message, "trace")) return weir_replace_text(message, ((struct state *)state)->trace);
  if (says(message, "close")) return weir_close(4001, "enough");
  return weir_pass_message();
}

const weir_message_hooks weir_this_message = {on_open, on_message};
