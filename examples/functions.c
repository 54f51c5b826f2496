/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Two functions for ctdb-store, as an example of ctdb_function.h. To build and to use them:
 *
 *     cc -shared -fPIC -O2 -o /usr/local/lib/ctdb-example-functions.so functions.c
 *     ctdb.conf of all nodes:  [database]
 *                              functions = /usr/local/lib/ctdb-example-functions.so
 *     systemctl restart ctdb-store, node by node
 *     ctdb-cli record call jobs.tdb queue take-line
 */
#include <ctdb_function.h>
#include <string.h>

static int refuse(ctdb_function_output* out, const char* why) {
  out->answer_bytes = strlen(why);
  memcpy(out->answer, why, out->answer_bytes);
  return CTDB_FUNCTION_REFUSED;
}

/* keep-larger: the record and the argument are unsigned numbers of 64 bits in the byte order of the machine; the record becomes the larger
 * one, which is the answer. An empty record is smaller than any. */
static int keep_larger(const ctdb_function_input* in, ctdb_function_output* out) {
  uint64_t now = 0, other = 0;
  if (in->argument_bytes != sizeof other || (in->value_bytes != 0 && in->value_bytes != sizeof now))
    return refuse(out, "record and argument must have 8 bytes");
  if (in->value_bytes != 0) memcpy(&now, in->value, sizeof now);
  memcpy(&other, in->argument, sizeof other);
  const int changes = in->value_bytes == 0 || other > now;
  if (changes) {
    memcpy(out->value, &other, sizeof other);
    out->value_bytes = sizeof other;
  }
  memcpy(out->answer, changes ? &other : &now, sizeof now);
  out->answer_bytes = sizeof now;
  return changes ? CTDB_FUNCTION_CHANGED : CTDB_FUNCTION_UNCHANGED;
}

/* take-line: takes the first line off the record, which is a queue of lines (append to it with `record append`), and answers
 * with it. The condition is that there is one. */
static int take_line(const ctdb_function_input* in, ctdb_function_output* out) {
  const char* text = in->value;
  const char* end = in->value_bytes == 0 ? NULL : memchr(text, '\n', in->value_bytes);
  const size_t line = end != NULL ? (size_t)(end - text) : in->value_bytes;
  if (in->value_bytes == 0) return CTDB_FUNCTION_CONDITION;
  const size_t left = in->value_bytes - line - (end != NULL ? 1 : 0);
  if (line > out->answer_bytes_max) return refuse(out, "the first line is longer than an answer may be");
  if (left > out->value_bytes_max) return refuse(out, "what is left is larger than the database allows");
  memcpy(out->answer, text, line);
  out->answer_bytes = line;
  if (left > 0) memcpy(out->value, end + 1, left);
  out->value_bytes = left;
  return CTDB_FUNCTION_CHANGED;
}

static const ctdb_function kFunctions[] = {{"keep-larger", keep_larger}, {"take-line", take_line}};
const ctdb_function_table ctdb_functions = {CTDB_FUNCTION_ABI, 2, kFunctions};
