/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The headers in C, and that nothing happens without an owner. */
#include <ctdb_brlock.h>
#include <ctdb_opendb.h>

static int locks(void) {
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

static int opens(void) {
  ctdb_opendb* opendb = NULL;
  ctdb_blob file = {"file", 4}, token = {NULL, 0};
  ctdb_opendb_request request = {.access = CTDB_OPENDB_READ, .share = CTDB_OPENDB_SHARE_READ};
  ctdb_opendb_closed closed;
  ctdb_opendb_opened opened = {0, 0, 0};
  uint8_t key[CTDB_OPENDB_LEASE_KEY_BYTES] = {1};
  int wrong = ctdb_opendb_open(NULL, "locking.tdb", 0, 0, &opendb) != CTDB_ERR_INVALID || opendb != NULL;
  wrong += ctdb_opendb_open_file(NULL, file, &request, 0, &opened, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_close_file(NULL, file, 1, 0, &closed) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_deleted(NULL, file, 1, 0) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_set_delete(NULL, file, 1, 1, token, 0) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_list(NULL, file, 0, NULL, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_give_back(NULL, file, key, CTDB_OPENDB_CACHE_READ, 0) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_break_leases(NULL, file, key, 0, 0, NULL) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_set_break_timeout(NULL, 1000) != CTDB_ERR_INVALID;
  wrong += ctdb_opendb_look_for_breaks(NULL, 0) != CTDB_ERR_INVALID;
  ctdb_opendb_on_break(NULL, NULL, NULL);
  wrong += ctdb_opendb_rename(NULL, file, 1, token, 0) != CTDB_ERR_INVALID;
  ctdb_opendb_on_rename(NULL, NULL, NULL);
  wrong += ctdb_opendb_error_text(NULL) == NULL;
  ctdb_opendb_close(NULL);
  return wrong;
}

int main(void) {
  return locks() + opens();
}
