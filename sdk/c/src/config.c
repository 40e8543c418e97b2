/* JSON text of a configuration to the struct that the filter's table describes; or what is wrong, and where (RFC 6901). */
#include <string.h>

#include "internal.h"

static const char *join(const char *a, const char *b, const char *c) {
  size_t la = strlen(a), lb = strlen(b), lc = strlen(c);
  char *text = weir_alloc(la + lb + lc + 1);
  memcpy(text, a, la);
  memcpy(text + la, b, lb);
  memcpy(text + la + lb, c, lc + 1);
  return text;
}

void weir_problem(weir_problems *problems, const char *pointer, const char *message) {
  if (problems->count == problems->room) {
    size_t room = problems->room ? problems->room * 2 : 8;
    exports_weir_filter_lifecycle_problem_t *items = weir_alloc(room * sizeof *items);
    if (problems->count) memcpy(items, problems->items, problems->count * sizeof *items);
    problems->items = items;
    problems->room = room;
  }
  problems->items[problems->count++] = (exports_weir_filter_lifecycle_problem_t){
      weir_lend(join(pointer, "", "")),
      weir_lend(join(message, "", "")),
  };
}

/* "/key", with ~ and / of the key escaped. */
static const char *pointer_to(const char *key) {
  char *text = weir_alloc(2 * strlen(key) + 2), *to = text;
  *to++ = '/';
  for (; *key; key++) {
    if (*key == '~') *to++ = '~', *to++ = '0';
    else if (*key == '/') *to++ = '~', *to++ = '1';
    else *to++ = *key;
  }
  *to = 0;
  return text;
}

static const char *kind_name(weir_json_kind kind) {
  static const char *const names[] = {"null", "a boolean", "a number", "a string", "a list", "an object"};
  return names[kind];
}

static void wrong_type(weir_problems *problems, const char *pointer, const weir_json *value, const char *wanted) {
  weir_problem(problems, pointer, join(join("invalid type: ", kind_name(value->kind), ", expected "), wanted, ""));
}

static void read_strings(const weir_json *list, const char *pointer, weir_strings *out, weir_allocate *allocate, weir_problems *problems) {
  size_t count = 0;
  for (const weir_json *item = list->first; item; item = item->next) count++;
  out->items = allocate((count + 1) * sizeof *out->items);
  out->count = 0;
  uint32_t index = 0;
  for (const weir_json *item = list->first; item; item = item->next, index++) {
    if (item->kind == WEIR_JSON_STRING) out->items[out->count++] = item->string;
    else wrong_type(problems, join(pointer, "/", weir_decimal(index)), item, "a string");
  }
}

static void read_key(const weir_key *key, const weir_json *value, void *member, weir_allocate *allocate, weir_problems *problems) {
  static const weir_json_kind kinds[] = {0, WEIR_JSON_STRING, WEIR_JSON_NUMBER, WEIR_JSON_BOOL, WEIR_JSON_ARRAY};
  if (key->kind != WEIR_KEY_JSON && value->kind != kinds[key->kind]) {
    wrong_type(problems, pointer_to(key->name), value, kind_name(kinds[key->kind]));
    return;
  }
  switch (key->kind) {
    case WEIR_KEY_STRING: *(const char **)member = value->string; break;
    case WEIR_KEY_NUMBER: *(double *)member = value->number; break;
    case WEIR_KEY_BOOL: *(bool *)member = value->boolean; break;
    case WEIR_KEY_STRINGS: read_strings(value, pointer_to(key->name), member, allocate, problems); break;
    case WEIR_KEY_JSON: *(const weir_json **)member = value; break;
    case WEIR_KEY_END: break;
  }
}

static void set_default(const weir_key *key, void *member) {
  switch (key->kind) {
    case WEIR_KEY_STRING: *(const char **)member = key->string; break;
    case WEIR_KEY_NUMBER: *(double *)member = key->number; break;
    case WEIR_KEY_BOOL: *(bool *)member = key->boolean; break;
    case WEIR_KEY_STRINGS:
    case WEIR_KEY_JSON:
    case WEIR_KEY_END: break;
  }
}

static const weir_key *keys(void) {
  static const weir_key none[] = {{0}};
  return weir_this_filter.keys ? weir_this_filter.keys : none;
}

static void unknown_keys(const weir_json *object, weir_problems *problems) {
  for (const weir_json *item = object->first; item; item = item->next) {
    const weir_key *key = keys();
    while (key->name && strcmp(key->name, item->key)) key++;
    if (key->name) continue;
    const char *message = join("unknown field `", item->key, "`, expected one of");
    for (key = keys(); key->name; key++) message = join(message, key == keys() ? " `" : ", `", join(key->name, "`", ""));
    weir_problem(problems, pointer_to(item->key), keys()->name ? message : "unknown field, there are none");
  }
}

void weir_read_config(filter_string_t json, void *target, weir_allocate *allocate, weir_problems *problems) {
  static const weir_json empty = {.kind = WEIR_JSON_OBJECT};
  const char *message = NULL;
  const char *text = weir_text(json);
  bool is_blank = text[strspn(text, " \t\r\n")] == 0;
  const weir_json *root = is_blank ? &empty : weir_parse(text, json.len, allocate, &message);
  if (!root) {
    weir_problem(problems, "", message);
    return;
  }
  if (root->kind == WEIR_JSON_NULL) root = &empty;
  if (root->kind != WEIR_JSON_OBJECT) {
    wrong_type(problems, "", root, "an object");
    return;
  }
  for (const weir_key *key = keys(); key->name; key++) {
    void *member = (char *)target + key->offset;
    const weir_json *value = weir_json_at(root, key->name);
    set_default(key, member);
    if (value) read_key(key, value, member, allocate, problems);
    else if (key->required) weir_problem(problems, "", join("missing field `", key->name, "`"));
  }
  unknown_keys(root, problems);
  if (!problems->count && weir_this_filter.validate) weir_this_filter.validate(target, problems);
}
