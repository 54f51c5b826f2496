/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The header in C, and that nothing happens without an owner of locks. */
#include <ctdb_brlock.h>

int main(void) {
  ctdb_brlock* brlock = NULL;
  ctdb_blob file = {"file", 4};
  ctdb_brlock_range range = {
      .context = 1, .start = 0, .size = 1, .type = CTDB_BRLOCK_WRITE, .flavour = CTDB_BRLOCK_POSIX};
  int wrong = ctdb_brlock_open(NULL, "brlock.tdb", 0, 0, &brlock) != CTDB_ERR_INVALID || brlock != NULL;
  wrong += ctdb_brlock_lock(NULL, file, &range, 0, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_lock_wait(NULL, file, &range, 0, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_unlock(NULL, file, &range, 0) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_test(NULL, file, &range, 0, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_test_io(NULL, file, &range, 0, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_close_handle(NULL, file, 1, 1, 0) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_list(NULL, file, 0, NULL, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_brlock_error_text(NULL) == NULL;
  ctdb_brlock_close(NULL);
  return wrong;
}
