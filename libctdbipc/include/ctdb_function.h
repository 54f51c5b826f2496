/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ctdb_function.h: functions of your own that ctdb-store runs on records, where the record is.
 *
 * A plug-in is a shared library in C (or with a C interface) that exports one object, `ctdb_functions`. ctdb-store loads those that
 * "[database] functions" of ctdb.conf names when it starts; programs call a function by its name with ctdb_call_function() of ctdb.h,
 * administrators with `ctdb-cli record call`. All nodes must have the same ones: a function runs on the node that has the record.
 *
 *     static int keep_larger(const ctdb_function_input *in, ctdb_function_output *out) { ... }
 *     static const ctdb_function all[] = {{"keep-larger", keep_larger}};
 *     const ctdb_function_table ctdb_functions = {CTDB_FUNCTION_ABI, 1, all};
 *
 * examples/functions.c is a whole one.
 *
 * WHAT A FUNCTION MUST BE
 *
 * Part of the daemon. It runs in ctdb-store's only thread, under the record's lock: one that crashes ends the store, one that
 *            waits or computes for long stops all records of its node, and what writes beyond the buffers it is given spoils the
 *            files. That risk is the administrator's who loads it. So: microseconds, no files, no network, no threads, no signals, no locks,
 *            no exceptions out of it, no call of ctdb.h.
 * Pure.      What it does depends on its input and on nothing else, and it keeps nothing for the next call.
 * Memory.    Everything belongs to the store and is valid until the function returns. What is allocated inside is freed inside.
 */
#ifndef CTDB_FUNCTION_H_
#define CTDB_FUNCTION_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever anything below changes its meaning or its layout; a plug-in of another number is not loaded. */
#define CTDB_FUNCTION_ABI 1u

#define CTDB_FUNCTION_NAME_BYTES_MAX 64u        /* letters, digits, - _ . */
#define CTDB_FUNCTION_ANSWER_BYTES_MAX 1048576u /* longest answer */

typedef struct ctdb_function_input {
  const char* database; /* its name */
  const void* key;
  size_t key_bytes;
  const void* value; /* the record as it is; 0 bytes: it is empty, or there is none, which is the same */
  size_t value_bytes;
  const void* argument; /* the caller's, not checked by anybody */
  size_t argument_bytes;
} ctdb_function_input;

typedef struct ctdb_function_output {
  void* value;            /* room for the new value, beside the old one */
  size_t value_bytes_max; /* as "[database] record limit" says for this database */
  size_t
      value_bytes; /* set by the function: how much it has written there; 0 with CTDB_FUNCTION_CHANGED empties the record */
  void* answer; /* room for what the caller is told */
  size_t answer_bytes_max;
  size_t answer_bytes; /* set by the function */
} ctdb_function_output;

/* What a function returns; anything else, or a size above its maximum, is a fault: nothing is changed, the caller is told, and the store's
 * log and counters say so. */
enum {
  CTDB_FUNCTION_UNCHANGED = 0, /* done; the record stays as it is */
  CTDB_FUNCTION_CHANGED = 1,   /* done; the record becomes out->value */
  CTDB_FUNCTION_CONDITION =
      2, /* what the caller expects does not hold; nothing is changed (CTDB_ERR_UNEQUAL, with the answer) */
  CTDB_FUNCTION_REFUSED =
      -1 /* it cannot be done; the answer is an English text that says why (CTDB_ERR_REMOTE) */
};

/* `out` comes with both sizes 0. */
typedef int (*ctdb_function_run)(const ctdb_function_input* in, ctdb_function_output* out);

typedef struct ctdb_function {
  const char* name;
  ctdb_function_run run;
} ctdb_function;

typedef struct ctdb_function_table {
  uint32_t abi; /* CTDB_FUNCTION_ABI */
  uint32_t count;
  const ctdb_function* functions;
} ctdb_function_table;

/* A plug-in defines this, visible from outside. */
__attribute__((visibility("default"))) extern const ctdb_function_table ctdb_functions;

#ifdef __cplusplus
}
#endif

#endif /* CTDB_FUNCTION_H_ */
