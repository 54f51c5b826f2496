/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ctdb_local.h: the interface of ctdb.h on plain tdb files of one machine, without daemons. */
#ifndef CTDB_LOCAL_H_
#define CTDB_LOCAL_H_

#include "ctdb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Connects to nobody: the same functions, and the same program, on plain tdb files in `directory`, which programs of one machine share
 * without a cluster. What is different there:
 *   Files.        ctdb_attach() opens the file of the database's name, and creates it if there is none (mode 0600). A value is what libtdb's
 *                 own calls store and read there. Volatile databases are emptied by whoever opens the file when nobody has it open,
 *                 replicated ones too; persistent ones are kept. Copies are 1.
 *   Records.      Every record is here: nothing waits for a daemon. Storing nothing (size 0) removes the record.
 *   Transactions. libtdb's: on the disk when they are committed. They are waited for in no order.
 *   Not there:    messages, controls, ctdb_ping() and functions of plug-ins are CTDB_ERR_DISCONNECTED. ctdb_pnn() is 0.
 *   Kills.        Who is killed while he writes leaves the old value or the new one, as ctdb_store() says, but nobody repairs the file if he was just
 *                 making room in it: later calls then return CTDB_ERR_DATABASE.
 * Not for the files of a node that runs: those have headers, and an owner. Errors: CTDB_ERR_SYSTEM (no such directory). */
CTDB_API int ctdb_connect_local(const char* directory, ctdb_client** client);

/* 1 for a client of ctdb_connect_local(), 0 for one of ctdb_connect(). Errors: none but the common ones. */
CTDB_API int ctdb_is_local(const ctdb_client* client);

#ifdef __cplusplus
}
#endif

#endif /* CTDB_LOCAL_H_ */
