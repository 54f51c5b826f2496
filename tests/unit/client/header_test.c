/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctdb.h is a C header: compiled with -std=c11 -Wall -Wextra -pedantic, linked with the shared library only. */
#include <stdio.h>
#include <string.h>

#include "ctdb.h"
#include "ctdb_local.h"

static void on_message(ctdb_client* client, uint64_t srvid, ctdb_blob data, void* private_data) {
  (void)client;
  (void)srvid;
  (void)data;
  (void)private_data;
}

int main(void) {
  ctdb_client* client = NULL;
  ctdb_db* db = NULL;
  ctdb_record* record = NULL;
  ctdb_reply reply;
  ctdb_blob key = {"k", 1};

  if (ctdb_connect("/nonexistent/setup.socket", 10, &client) != CTDB_ERR_SYSTEM) return 1;
  if (client != NULL || strlen(ctdb_error_text(NULL)) == 0) return 2;
  if (ctdb_connect_local("/nonexistent", &client) != CTDB_ERR_SYSTEM) return 7;
  if (ctdb_attach(client, "a.tdb", 0, 0, &db) != CTDB_ERR_INVALID) return 3;
  if (ctdb_fetch_lock(db, key, 0, &record) != CTDB_ERR_INVALID) return 4;
  if (ctdb_request(db, key, CTDB_CALL_FETCH, key, 0, &reply) != CTDB_ERR_INVALID) return 5;
  if (ctdb_register(client, 1, on_message, NULL, 0) != CTDB_ERR_INVALID) return 6;
  ctdb_disconnect(client);
  puts(ctdb_strerror(CTDB_ERR_FORKED));
  return 0;
}
