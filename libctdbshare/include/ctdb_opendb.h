/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ctdb_opendb.h: who has which file open, for programs that share files on several nodes: share modes, and deletion when the last one
 * closes. It is kept in a database of CTDB, one record a file; nothing is opened or deleted in any file system.
 *
 *     ctdb_opendb *opendb;
 *     ctdb_opendb_request request = {.name = {"dir/name", 8}, .access = CTDB_OPENDB_READ | CTDB_OPENDB_DELETE,
 *                                    .share = CTDB_OPENDB_SHARE_READ | CTDB_OPENDB_SHARE_DELETE};
 *     ctdb_blob file = {"what names the file", 19};
 *     ctdb_opendb_closed closed;
 *     uint64_t handle;
 *
 *     if (ctdb_opendb_open(client, "locking.tdb", CTDB_ATTACH_COPIES(2), 5000, &opendb) != 0) ...
 *     if (ctdb_opendb_open_file(opendb, file, &request, 5000, &handle, NULL) == 0) {
 *       ... open the file, work on it, close it ...
 *       ctdb_opendb_close_file(opendb, file, handle, -1, &closed);
 *       if (closed.to_delete) {
 *         ... unlink closed.name, as closed.token says ...
 *         ctdb_opendb_deleted(opendb, file, handle, -1);
 *       }
 *     }
 *     ctdb_opendb_close(opendb);
 *
 * All functions block. There are none for programs with an event loop; with a time-out of 0 they ask nobody.
 *
 * CONVENTIONS are those of ctdb.h: results, ownership, threads, fork. Errors of the functions that it names (ctdb_fetch_lock(), ctdb_store(),
 * ctdb_unlock() and so on) are passed on and not repeated here. Moreover:
 *
 * Results.   0 is success, CTDB_OPENDB_CONFLICT and CTDB_OPENDB_DELETE_PENDING (positive) that somebody is in the way, a negative number an
 *            error. CTDB_ERR_DATABASE is also a record that is no record of open files, or of a later release; ctdb_opendb_error_text() says
 *            what is wrong with it. CTDB_ERR_TOO_BIG: too many have the file open, or names and tokens are too long.
 *            CTDB_ERR_NOT_COPIED, CTDB_ERR_DISCONNECTED, CTDB_ERR_FULL out of the unlocking of the record: done here, and nobody knows whether it lasts.
 * Time-outs. timeout_ms bounds the wait for the record and for answers, as in ctdb_fetch_lock(): 0 does without asking anybody.
 * Blobs      that are handed out last until the next call on the same ctdb_opendb, those given to a callback until it returns.
 * Owners.    An open handle belongs to this ctdb_opendb (in the cluster: node, process and a random number).
 * Death.     Handles of a process that ended, that closed its ctdb_opendb, or whose node left are dropped by the first one that meets them
 *            where they are in the way. The node of the owner is asked, never with the record locked; so whoever meets a handle of a node
 *            that is just dying waits until it is certain. A file that should be deleted is not if its last owners die: their
 *            tokens go with them.
 * The loss   of the connection (CTDB_ERR_DISCONNECTED) is the loss of all handles: to the other nodes the process is dead. Close the
 *            ctdb_opendb, and open it anew after ctdb_reconnect().
 * Losses.    Records of volatile databases may be lost with the node that has them. With CTDB_ATTACH_COPIES(k) they survive the death of k - 1 nodes.
 * Local.     With a client of a local directory (ctdb_local.h) all is the same between the processes of one machine (and one pid namespace). Then
 *            handles of a ctdb_opendb that was closed stay until the process ends.
 *
 * THE RULES
 *
 * An open *reads* with CTDB_OPENDB_READ or _EXECUTE, *writes* with _WRITE or _APPEND, *deletes* with _DELETE. Two opens of a file conflict if one
 * reads, writes or deletes, and the other one, which does any of the three too, does not share that. The names do not matter.
 * An open for attributes alone conflicts with nobody. No open, not even that, is possible under a name whose file will be deleted.
 *
 * Not here: handles that outlive their process (durable, persistent), and what file systems know of names: a name is a string of bytes,
 * and a stream of a file is another file or just another name, as the program likes.
 */
#ifndef CTDB_OPENDB_H_
#define CTDB_OPENDB_H_

#include "ctdb.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTDB_OPENDB_CONFLICT 1 /* share modes */
#define CTDB_OPENDB_DELETE_PENDING \
  2 /* the file of that name will be deleted when those close who have it open */

/* Access: the bits of an NT access mask, so that a file server hands on what it was asked for. Bits that are not named here are kept and mean
 * nothing; generic rights and "maximum allowed" (0xF2000000) are CTDB_ERR_INVALID: they have to be mapped before. */
#define CTDB_OPENDB_READ 0x1u
#define CTDB_OPENDB_WRITE 0x2u
#define CTDB_OPENDB_APPEND 0x4u
#define CTDB_OPENDB_EXECUTE 0x20u
#define CTDB_OPENDB_READ_ATTRIBUTES 0x80u
#define CTDB_OPENDB_WRITE_ATTRIBUTES 0x100u
#define CTDB_OPENDB_DELETE 0x10000u
#define CTDB_OPENDB_SYNCHRONIZE 0x100000u

/* What others may do meanwhile. */
#define CTDB_OPENDB_SHARE_READ 0x1u
#define CTDB_OPENDB_SHARE_WRITE 0x2u
#define CTDB_OPENDB_SHARE_DELETE 0x4u

/* Flags of an open. */
#define CTDB_OPENDB_DELETE_ON_CLOSE 0x1u /* when this handle is closed the file will be deleted */

typedef struct ctdb_opendb ctdb_opendb; /* one owner of open handles, in one database */

/* Zero what is not needed. */
typedef struct ctdb_opendb_request {
  ctdb_blob name;  /* of the file in its file system; files with hard links have several */
  uint32_t access; /* CTDB_OPENDB_READ and so on */
  uint32_t share;  /* CTDB_OPENDB_SHARE_… */
  uint32_t flags;  /* CTDB_OPENDB_DELETE_ON_CLOSE */
  ctdb_blob
      token; /* with CTDB_OPENDB_DELETE_ON_CLOSE: for whoever deletes the file, the credentials for example */
} ctdb_opendb_request;

/* An open handle and whose it is. */
typedef struct ctdb_opendb_holder {
  ctdb_blob name;
  uint32_t access;
  uint32_t share;
  uint32_t pnn; /* node */
  int32_t pid;
  uint64_t unique_id; /* of its ctdb_opendb */
  uint64_t handle;
  int delete_on_close; /* 1: with CTDB_OPENDB_DELETE_ON_CLOSE */
  int delete_pending;  /* 1: the file of its name will be deleted */
} ctdb_opendb_holder;

typedef struct ctdb_opendb_closed {
  int last;        /* 1: nobody has the file open under this name any more */
  int to_delete;   /* 1: the caller has to delete it now */
  ctdb_blob name;  /* as it is now */
  ctdb_blob token; /* with to_delete: that of the one who wanted it deleted */
} ctdb_opendb_closed;

/* Attaches to the volatile database `name`, with `flags` as ctdb_attach() has them, and makes an owner of handles in it. All programs that share
 * files use the same name. The client must not be disconnected before ctdb_opendb_close().
 * Errors: those of ctdb_attach() and ctdb_register(), CTDB_ERR_INVALID (a persistent or replicated database), CTDB_ERR_REFUSED (the node knows this
 * process by another pid than the process itself does: they are in different pid namespaces). */
CTDB_API int ctdb_opendb_open(ctdb_client* client, const char* name, uint32_t flags, int timeout_ms,
                              ctdb_opendb** opendb);

/* Frees it and detaches the database. Handles it still has are those of a dead owner from now on. NULL is ignored. */
CTDB_API void ctdb_opendb_close(ctdb_opendb* opendb);

/* What the last call failed of, as ctdb_error_text(). */
CTDB_API const char* ctdb_opendb_error_text(const ctdb_opendb* opendb);

/* Opens the file that `file` names (a key of the database; device and inode for example), or returns CTDB_OPENDB_CONFLICT or
 * CTDB_OPENDB_DELETE_PENDING; then *blocker (may be NULL) is one who is in the way, or has that name open: an owner that was asked for and lives.
 * *handle is a number that this ctdb_opendb gives to no other open.
 * Errors: CTDB_ERR_INVALID (also masks and flags that cannot be, a token without its flag). After errors of the unlocking of the record *handle is
 * written and may be open: close it. */
CTDB_API int ctdb_opendb_open_file(ctdb_opendb* opendb, ctdb_blob file, const ctdb_opendb_request* request,
                                   int timeout_ms, uint64_t* handle, ctdb_opendb_holder* blocker);

/* Closes a handle. If it was the last one of its name, and the file of that name has to be deleted, closed->to_delete says so, and the handle
 * stays: nobody opens that name until the caller has deleted the file and calls ctdb_opendb_deleted(). Others who have it open are
 * asked for only if the file has to be deleted: else closed->last may be 0 because of a dead one.
 * Errors: CTDB_ERR_NOT_FOUND (there is no such handle, or it was lost). */
CTDB_API int ctdb_opendb_close_file(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms,
                                    ctdb_opendb_closed* closed);

/* After closed->to_delete: the file is deleted, or cannot be; the handle goes. Errors: CTDB_ERR_NOT_FOUND. */
CTDB_API int ctdb_opendb_deleted(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms);

/* Has the file of the handle's name deleted when all are closed that have it open under that name (`deleted` 1; `token` in the place of
 * an earlier one), or not any more (`deleted` 0, `token` empty). Handles opened with CTDB_OPENDB_DELETE_ON_CLOSE that are still open are not
 * concerned: when such a one is closed, it will be deleted all the same. Whether the caller may delete it is for him to know.
 * Errors: CTDB_ERR_NOT_FOUND (no such handle). */
CTDB_API int ctdb_opendb_set_delete(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int deleted,
                                    ctdb_blob token, int timeout_ms);

/* For people: calls `each` (may be NULL) for every open handle of the file, the longest open first. Returns how many there are. Owners that died and
 * were not met yet are among them. Reads the record without locking it. `each` must not use the client. */
typedef void (*ctdb_opendb_each_fn)(const ctdb_opendb_holder* holder, void* private_data);
CTDB_API int ctdb_opendb_list(ctdb_opendb* opendb, ctdb_blob file, int timeout_ms, ctdb_opendb_each_fn each,
                              void* private_data);

#ifdef __cplusplus
}
#endif

#endif /* CTDB_OPENDB_H_ */
