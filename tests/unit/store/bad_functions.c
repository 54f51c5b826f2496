/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A plug-in whose functions break their contract, each in another way. */
#include "libctdbipc/include/ctdb_function.h"

static int returns_nonsense(const ctdb_function_input* in, ctdb_function_output* out) {
  (void)in;
  (void)out;
  return 77;
}

/* It has written nothing of it. */
static int claims_a_large_value(const ctdb_function_input* in, ctdb_function_output* out) {
  (void)in;
  out->value_bytes_max += 1;
  out->value_bytes = out->value_bytes_max;
  return CTDB_FUNCTION_CHANGED;
}

static int claims_a_large_answer(const ctdb_function_input* in, ctdb_function_output* out) {
  (void)in;
  out->answer_bytes = (size_t)-1;
  return CTDB_FUNCTION_UNCHANGED;
}

static const ctdb_function kFunctions[] = {{"returns-nonsense", returns_nonsense},
                                           {"claims-a-large-value", claims_a_large_value},
                                           {"claims-a-large-answer", claims_a_large_answer}};
const ctdb_function_table ctdb_functions = {CTDB_FUNCTION_ABI, 3, kFunctions};
