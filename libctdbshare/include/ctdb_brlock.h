/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ctdb_brlock.h: byte-range locks on files, for programs that share them on several nodes. They are kept in a database of CTDB, one
 * record a file; nothing is locked in any file system.
 *
 *     ctdb_brlock *brlock;
 *     ctdb_brlock_range range = {.context = 1, .handle = 7, .start = 0, .size = 100, .type = CTDB_BRLOCK_WRITE,
 *                                .flavour = CTDB_BRLOCK_WINDOWS};
 *     ctdb_blob file = {"what names the file", 19};
 *
 *     if (ctdb_brlock_open(client, "brlock.tdb", CTDB_ATTACH_COPIES(2), 5000, &brlock) != 0) ...
 *     if (ctdb_brlock_lock_wait(brlock, file, &range, 30000, NULL) == 0) {
 *       ... work on the file ...
 *       ctdb_brlock_unlock(brlock, file, &range, -1);
 *     }
 *     ctdb_brlock_close(brlock);
 *
 * All functions block. There are none for programs with an event loop; with a time-out of 0 those that do not wait for a lock wait for nothing.
 *
 * CONVENTIONS are those of ctdb.h: results, ownership, threads, fork. Errors of the functions that it names (ctdb_fetch_lock(), ctdb_store(),
 * ctdb_unlock() and so on) are passed on and not repeated here. Moreover:
 *
 * Results.   0 is success, CTDB_BRLOCK_CONFLICT (positive) that a lock is in the way, a negative number an error. CTDB_ERR_DATABASE is
 *            also a record that is no record of locks, or of a later release; ctdb_brlock_error_text() says what is wrong with it.
 *            CTDB_ERR_INVALID is also a range that no lock can have, see below. CTDB_ERR_TOO_BIG: too many locks on one file.
 *            CTDB_ERR_NOT_COPIED, CTDB_ERR_DISCONNECTED, CTDB_ERR_FULL out of the unlocking of the record: done here, and nobody knows whether it lasts.
 * Time-outs. timeout_ms bounds the wait for the record and for answers, as in ctdb_fetch_lock(): 0 does without asking anybody.
 * Owners.    A lock belongs to this ctdb_brlock (in the cluster: node, process and a random number), and within it to the `context` and,
 *            with the Windows flavour, the `handle` that the program gives, which mean nothing to others.
 * Death.     Locks of a process that ended, that closed its ctdb_brlock, or whose node left are dropped by the first one that meets them. The
 *            node of the owner is asked, never with the record locked; so whoever meets a lock of a node that is just dying waits until it
 *            is certain. A process that has just ended may live a moment longer for its node.
 * The loss   of the connection (CTDB_ERR_DISCONNECTED) is the loss of all locks: to the other nodes the process is dead. Close the
 *            ctdb_brlock, and open it anew after ctdb_reconnect(); what was locked must not be worked on any more.
 * Losses.    Records of volatile databases may be lost with the node that has them. With CTDB_ATTACH_COPIES(k) they survive the death of k - 1 nodes.
 * Local.     With a client of a local directory (ctdb_local.h) all is the same between the processes of one machine (and one pid namespace). Then
 *            locks of a ctdb_brlock that was closed stay until the process ends, and waiting is looking again every 100 ms or sooner.
 *
 * THE RULES
 *
 *                       CTDB_BRLOCK_WINDOWS                                           CTDB_BRLOCK_POSIX
 * owner                 context and handle                                            context
 * overlap of one owner  conflict, but for a read lock over an own write lock          never a conflict: the new lock replaces what it covers
 * two read locks        never conflict                                                never conflict
 * unlock                of exactly one lock (the write lock, if two are equal)        of any range; locks are split and joined
 * size 0                conflicts with what has bytes on both sides of it             CTDB_ERR_INVALID
 * read and write        ctdb_brlock_test_io()                                         not affected
 * close of a handle     all its locks go                                              all locks of the context on the file go
 *
 * A range ends at byte 2^64 - 1 at most; one that would wrap is CTDB_ERR_INVALID. Locks of the two flavours conflict as those of two owners do.
 */
#ifndef CTDB_BRLOCK_H_
#define CTDB_BRLOCK_H_

#include "ctdb.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTDB_BRLOCK_CONFLICT 1

enum { CTDB_BRLOCK_READ = 0, CTDB_BRLOCK_WRITE = 1 };    /* types */
enum { CTDB_BRLOCK_WINDOWS = 0, CTDB_BRLOCK_POSIX = 1 }; /* flavours */

typedef struct ctdb_brlock ctdb_brlock; /* one owner of locks, in one database */

/* A lock, or the bytes that are to be locked, read or written. */
typedef struct ctdb_brlock_range {
  uint64_t context; /* who, within the process: a session, a process that is served */
  uint64_t handle;  /* of the open file */
  uint64_t start;   /* bytes */
  uint64_t size;
  int type;    /* CTDB_BRLOCK_READ, CTDB_BRLOCK_WRITE */
  int flavour; /* CTDB_BRLOCK_WINDOWS, CTDB_BRLOCK_POSIX */
} ctdb_brlock_range;

/* A lock and whose it is. */
typedef struct ctdb_brlock_holder {
  ctdb_brlock_range range;
  uint32_t pnn; /* node */
  int32_t pid;
  uint64_t unique_id; /* of its ctdb_brlock */
  int waiting;        /* 1: it is not held yet but waited for */
} ctdb_brlock_holder;

/* Attaches to the volatile database `name`, with `flags` as ctdb_attach() has them, and makes an owner of locks in it. All programs that share
 * files use the same name. The client must not be disconnected before ctdb_brlock_close().
 * Errors: those of ctdb_attach() and ctdb_register(), CTDB_ERR_INVALID (a persistent or replicated database), CTDB_ERR_REFUSED (the node knows this
 * process by another pid than the process itself does: they are in different pid namespaces). */
CTDB_API int ctdb_brlock_open(ctdb_client* client, const char* name, uint32_t flags, int timeout_ms,
                              ctdb_brlock** brlock);

/* Frees it and detaches the database. Locks it still has are those of a dead owner from now on. Not from a callback that runs
 * during ctdb_brlock_lock_wait() of the same ctdb_brlock. NULL is ignored. */
CTDB_API void ctdb_brlock_close(ctdb_brlock* brlock);

/* What the last call failed of, as ctdb_error_text(). */
CTDB_API const char* ctdb_brlock_error_text(const ctdb_brlock* brlock);

/* Locks a range of the file that `file` names (a key of the database), or returns CTDB_BRLOCK_CONFLICT; then *blocker (may be NULL) is a lock
 * that is in the way, of an owner that was asked for and lives. It overtakes those that wait. */
CTDB_API int ctdb_brlock_lock(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range,
                              int timeout_ms, ctdb_brlock_holder* blocker);

/* The same, and waits for what is in the way: for locks, and for those that have been waiting for an overlapping lock. Who unlocks wakes
 * the first one that can go on; who waits looks once a second, too. Meanwhile callbacks run as in ctdb_wait(). CTDB_BRLOCK_CONFLICT: the
 * time is over; *blocker may be one that waits, too. It does not leave its place in the queue behind, even if that takes longer than timeout_ms in a cluster that recovers.
 * Who waits for each other waits until the time is over: nobody looks for deadlocks.
 * Errors: CTDB_ERR_BUSY as ctdb_wait(). After errors of the unlocking of the record the range may be locked. */
CTDB_API int ctdb_brlock_lock_wait(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range,
                                   int timeout_ms, ctdb_brlock_holder* blocker);

/* Errors: CTDB_ERR_NOT_FOUND (Windows flavour: there is no such lock). */
CTDB_API int ctdb_brlock_unlock(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range,
                                int timeout_ms);

/* Whether ctdb_brlock_lock() would succeed now. Reads the record without locking it: no system call if it is here and nothing conflicts. */
CTDB_API int ctdb_brlock_test(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range,
                              int timeout_ms, ctdb_brlock_holder* blocker);

/* Whether a read (CTDB_BRLOCK_READ) or write of these bytes through this handle is allowed: no write lock of another owner is in the way
 * and, for a write, no read lock of any, the own handle's included. Locks of the POSIX flavour do not matter; no bytes (size 0, with the Windows flavour) are always allowed. */
CTDB_API int ctdb_brlock_test_io(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range,
                                 int timeout_ms, ctdb_brlock_holder* blocker);

/* Drops the Windows locks of the handle and, as POSIX has it, all POSIX locks of the context on this file. */
CTDB_API int ctdb_brlock_close_handle(ctdb_brlock* brlock, ctdb_blob file, uint64_t context, uint64_t handle,
                                      int timeout_ms);

/* For people: calls `each` (may be NULL) for every lock of the file, and then for those that are waited for, the longest wait first. Returns how
 * many locks there are, without the latter. Owners that died and were not met yet are among them. `each` must not use the client. */
typedef void (*ctdb_brlock_each_fn)(const ctdb_brlock_holder* holder, void* private_data);
CTDB_API int ctdb_brlock_list(ctdb_brlock* brlock, ctdb_blob file, int timeout_ms, ctdb_brlock_each_fn each,
                              void* private_data);

#ifdef __cplusplus
}
#endif

#endif /* CTDB_BRLOCK_H_ */
