/* JSON text (RFC 8259) to a tree. Nesting is bounded; numbers are read digit by digit, exact to 15 digits. */
#include <string.h>

#include "internal.h"

#define DEPTH 64

typedef struct {
  const char *at, *end;
  weir_allocate *allocate;
  const char *message;
  int depth;
} reader;

static bool value(reader *r, weir_json *out);

static bool fail(reader *r, const char *message) {
  if (!r->message) r->message = message;
  return false;
}

static void space(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool word(reader *r, const char *text) {
  size_t length = strlen(text);
  if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length)) return fail(r, "not a JSON value");
  r->at += length;
  return true;
}

static bool take(reader *r, char wanted) {
  if (r->at == r->end || *r->at != wanted) return false;
  r->at++;
  return true;
}

static bool is_digit(reader *r) { return r->at < r->end && *r->at >= '0' && *r->at <= '9'; }

static bool number(reader *r, double *out) {
  bool is_negative = take(r, '-');
  double digits = 0;
  int scale = 0;
  if (!is_digit(r)) return fail(r, "not a JSON value");
  if (*r->at == '0') r->at++;
  else while (is_digit(r)) digits = digits * 10 + (*r->at++ - '0');
  if (take(r, '.')) {
    if (!is_digit(r)) return fail(r, "a number ends in its middle");
    for (; is_digit(r); scale--) digits = digits * 10 + (*r->at++ - '0');
  }
  if (take(r, 'e') || take(r, 'E')) {
    bool is_small = take(r, '-');
    if (!is_small) take(r, '+');
    if (!is_digit(r)) return fail(r, "a number ends in its middle");
    int exponent = 0;
    for (; is_digit(r); r->at++) if (exponent < 1000) exponent = exponent * 10 + (*r->at - '0');
    scale += is_small ? -exponent : exponent;
  }
  double power = 1;
  for (int i = scale < 0 ? -scale : scale; i > 0 && power < 1e300; i--) power *= 10;
  digits = scale < 0 ? digits / power : digits * power;
  *out = is_negative ? -digits : digits;
  return true;
}

static bool hex(reader *r, uint32_t *out) {
  *out = 0;
  for (int i = 0; i < 4; i++) {
    if (r->at == r->end) return fail(r, "a string ends in its middle");
    char c = *r->at++;
    uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a' + 10) : 16;
    if (digit == 16) return fail(r, "\\u wants four hexadecimal digits");
    *out = *out << 4 | digit;
  }
  return true;
}

static char *utf8(char *to, uint32_t c) {
  if (c < 0x80) *to++ = (char)c;
  else if (c < 0x800) *to++ = (char)(0xc0 | c >> 6), *to++ = (char)(0x80 | (c & 63));
  else if (c < 0x10000) *to++ = (char)(0xe0 | c >> 12), *to++ = (char)(0x80 | (c >> 6 & 63)), *to++ = (char)(0x80 | (c & 63));
  else *to++ = (char)(0xf0 | c >> 18), *to++ = (char)(0x80 | (c >> 12 & 63)), *to++ = (char)(0x80 | (c >> 6 & 63)), *to++ = (char)(0x80 | (c & 63));
  return to;
}

static bool escape(reader *r, char **to) {
  static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
  char c = r->at < r->end ? *r->at++ : 0;
  const char *simple = c ? strchr(from, c) : NULL;
  if (simple) return *(*to)++ = into[simple - from], true;
  if (c != 'u') return fail(r, "no such escape in a string");
  uint32_t code, low;
  if (!hex(r, &code)) return false;
  if (code >= 0xd800 && code < 0xdc00) {
    if (!take(r, '\\') || !take(r, 'u') || !hex(r, &low) || low < 0xdc00 || low > 0xdfff) return fail(r, "half a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code < 0xe000) return fail(r, "half a surrogate pair");
  if (!code) return fail(r, "a string with NUL in it");
  *to = utf8(*to, code);
  return true;
}

static bool string(reader *r, const char **out) {
  r->at++;
  const char *end = r->at;
  while (end < r->end && *end != '"') end += *end == '\\' && end + 1 < r->end ? 2 : 1;
  if (end >= r->end) return fail(r, "a string without an end");
  char *text = r->allocate((size_t)(end - r->at) + 1), *to = text;
  while (r->at < end) {
    unsigned char c = (unsigned char)*r->at++;
    if (c < 0x20) return fail(r, "a control character in a string");
    if (c != '\\') *to++ = (char)c;
    else if (!escape(r, &to)) return false;
  }
  *to = 0;
  r->at = end + 1;
  *out = text;
  return true;
}

/* Items of an array or of an object, after its opening bracket. */
static bool items(reader *r, weir_json *out, char close) {
  if (++r->depth > DEPTH) return fail(r, "nested too deeply");
  const weir_json **last = &out->first;
  space(r);
  if (take(r, close)) return r->depth--, true;
  do {
    weir_json *item = r->allocate(sizeof *item);
    *item = (weir_json){0};
    space(r);
    if (close == '}') {
      if (r->at == r->end || *r->at != '"') return fail(r, "an object wants a key in quotes");
      if (!string(r, &item->key)) return false;
      space(r);
      if (!take(r, ':')) return fail(r, "a key wants a colon behind it");
      if (weir_json_at(out, item->key)) return fail(r, "a key stands twice in an object");
    }
    if (!value(r, item)) return false;
    *last = item;
    last = &item->next;
    space(r);
  } while (take(r, ','));
  r->depth--;
  return take(r, close) || fail(r, close == '}' ? "an object without an end" : "a list without an end");
}

static bool value(reader *r, weir_json *out) {
  space(r);
  if (r->at == r->end) return fail(r, "the text ends too early");
  switch (*r->at) {
    case '{': r->at++; out->kind = WEIR_JSON_OBJECT; return items(r, out, '}');
    case '[': r->at++; out->kind = WEIR_JSON_ARRAY; return items(r, out, ']');
    case '"': out->kind = WEIR_JSON_STRING; return string(r, &out->string);
    case 't': out->kind = WEIR_JSON_BOOL; out->boolean = true; return word(r, "true");
    case 'f': out->kind = WEIR_JSON_BOOL; return word(r, "false");
    case 'n': return word(r, "null");
    default: out->kind = WEIR_JSON_NUMBER; return number(r, &out->number);
  }
}

const weir_json *weir_parse(const char *text, size_t length, weir_allocate *allocate, const char **message) {
  reader r = {text, text + length, allocate, NULL, 0};
  weir_json *root = allocate(sizeof *root);
  *root = (weir_json){0};
  bool is_whole = value(&r, root);
  space(&r);
  if (is_whole && r.at != r.end) is_whole = fail(&r, "more text after the JSON value");
  *message = r.message;
  return is_whole ? root : NULL;
}

const weir_json *weir_json_at(const weir_json *object, const char *key) {
  for (const weir_json *item = object->first; item; item = item->next)
    if (item->key && !strcmp(item->key, key)) return item;
  return NULL;
}
