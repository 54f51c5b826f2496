/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Counts visits and remembers the last one, in a database of CTDB: the shortest program that does something with ctdb.h.
 *
 *     cc -o visits visits.c $(pkg-config --cflags --libs ctdbipc)
 *     ./visits Anne                   on any node of a cluster
 *     ./visits Anne DIRECTORY         without a cluster, on files in a directory
 */
#include <ctdb.h>
#include <ctdb_local.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(const char* what, int result, const ctdb_client* client) {
  if (result >= 0) return;
  fprintf(stderr, "visits: %s: %s: %s\n", what, ctdb_strerror(result), ctdb_error_text(client));
  exit(1);
}

/* Under the record's lock: who was here before, and the new name in its place. */
static void remember(ctdb_client* client, ctdb_db* db, ctdb_blob name) {
  const ctdb_blob key = {"last", 4};
  ctdb_record* record = NULL;
  check("locking", ctdb_fetch_lock(db, key, -1, &record), client);
  const ctdb_blob before = ctdb_record_data(record); /* a loan, gone with the store */
  if (before.size != 0) printf("before you: %.*s\n", (int)before.size, (const char*)before.data);
  check("storing", ctdb_store(record, name), client);
  check("unlocking", ctdb_unlock(record), client);
}

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: visits NAME [DIRECTORY]\n");
    return 2;
  }
  const ctdb_blob name = {argv[1], strlen(argv[1])};
  const ctdb_blob count = {"count", 5};
  ctdb_client* client = NULL;
  ctdb_db* db = NULL;
  int64_t visits = 0;
  check("connecting", argc == 3 ? ctdb_connect_local(argv[2], &client) : ctdb_connect(NULL, 5000, &client),
        NULL);
  /* In a directory a volatile database is emptied when nobody has it open; a cluster keeps it as long as a node runs. */
  check("attaching", ctdb_attach(client, "visits.tdb", 0, 5000, &db), client);
  remember(client, db, name);
  /* A counter needs no lock: it is changed on the node that has it. */
  check("counting", ctdb_add(db, count, 1, 5000, &visits), client);
  printf("visit number %lld\n", (long long)visits);
  ctdb_disconnect(client);
  return 0;
}
