/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ctdb_opendb.h: who has which file open, for programs that share files on several nodes: share modes, and deletion when the last one
 * closes, and leases, by which programs cache what they read, write and have open. It is kept in a database of CTDB, one record a file; nothing
 * is opened or deleted in any file system.
 *
 *     ctdb_opendb *opendb;
 *     ctdb_opendb_request request = {.name = {"dir/name", 8}, .access = CTDB_OPENDB_READ | CTDB_OPENDB_DELETE,
 *                                    .share = CTDB_OPENDB_SHARE_READ | CTDB_OPENDB_SHARE_DELETE};
 *     ctdb_blob file = {"what names the file", 19};
 *     ctdb_opendb_opened opened;
 *     ctdb_opendb_closed closed;
 *
 *     if (ctdb_opendb_open(client, "locking.tdb", CTDB_ATTACH_COPIES(2), 5000, &opendb) != 0) ...
 *     if (ctdb_opendb_open_file(opendb, file, &request, 5000, &opened, NULL) == 0) {
 *       ... open the file, work on it, close it ...
 *       ctdb_opendb_close_file(opendb, file, opened.handle, -1, &closed);
 *       if (closed.to_delete) {
 *         ... unlink closed.name, as closed.token says ...
 *         ctdb_opendb_deleted(opendb, file, opened.handle, -1);
 *       }
 *     }
 *     ctdb_opendb_close(opendb);
 *
 * All functions block. There are none for programs with an event loop; with a time-out of 0 they wait for nothing, and who is told
 * CTDB_OPENDB_BREAKING tries again now and then.
 *
 * CONVENTIONS are those of ctdb.h: results, ownership, threads, fork. Errors of the functions that it names (ctdb_fetch_lock(), ctdb_store(),
 * ctdb_unlock() and so on) are passed on and not repeated here. Moreover:
 *
 * Results.   0 is success, CTDB_OPENDB_CONFLICT, _DELETE_PENDING and _BREAKING (positive) that somebody is in the way, a negative number an error.
 *            CTDB_ERR_DATABASE is also a record that is no record of open files, or of a later release; ctdb_opendb_error_text() says
 *            what is wrong with it. CTDB_ERR_TOO_BIG: too many have the file open, or names and tokens are too long.
 *            CTDB_ERR_NOT_COPIED, CTDB_ERR_DISCONNECTED, CTDB_ERR_FULL out of the unlocking of the record: done here, and nobody knows whether it lasts.
 * Time-outs. timeout_ms bounds the wait for the record and for answers, as in ctdb_fetch_lock(), and for leases that others have to give back: 0 waits
 *            for nothing and asks nobody, but has leases broken.
 * Callbacks  of ctdb_opendb_on_break() and ctdb_opendb_on_rename() run as those of ctdb.h do, in ctdb_service() and ctdb_wait(), and so also while ctdb_opendb_open_file() or
 *            ctdb_opendb_break_leases() waits. They may call all functions but ctdb_opendb_close(); those two do not wait for leases there: CTDB_ERR_BUSY.
 * Blobs      that are handed out last until the next call on the same ctdb_opendb, those given to a callback until it returns.
 * Owners.    An open handle belongs to this ctdb_opendb (in the cluster: node, process and a random number).
 * Death.     Handles of a process that ended, that closed its ctdb_opendb, or whose node left are dropped by the first one that meets them
 *            where they are in the way. The node of the owner is asked, never with the record locked; so whoever meets a handle of a node
 *            that is just dying waits until it is certain. A process that has just ended may live a moment
 *            longer for its node. A file that should be deleted is not if its last owners die: their tokens go with them.
 * The loss   of the connection (CTDB_ERR_DISCONNECTED) is the loss of all handles: to the other nodes the process is dead. Close the
 *            ctdb_opendb, and open it anew after ctdb_reconnect().
 * Losses.    Records of volatile databases may be lost with the node that has them. With CTDB_ATTACH_COPIES(k) they survive the death of k - 1 nodes.
 * Local.     With a client of a local directory (ctdb_local.h) all is the same between the processes of one machine (and one pid namespace), but:
 *            handles of a ctdb_opendb that was closed stay until the process ends; there are no messages, so a program with leases calls
 *            ctdb_opendb_look_for_breaks() every 100 ms or so.
 *
 * THE RULES
 *
 * An open *reads* with CTDB_OPENDB_READ or _EXECUTE, *writes* with _WRITE or _APPEND, *deletes* with _DELETE. Two opens of a file conflict if one
 * reads, writes or deletes, and the other one, which does any of the three too, does not share that. The names do not matter.
 * An open for the attributes (no bits but _READ_ATTRIBUTES, _WRITE_ATTRIBUTES, _SYNCHRONIZE) conflicts with nobody. No open, not even that, is
 * possible under a name whose file will be deleted.
 *
 * LEASES
 *
 * A lease is what a program, or its client, may cache of a file: CTDB_OPENDB_CACHE_READ what it has read, _WRITE what it has written, _HANDLE that it
 * has it open, although nobody uses it any more. It has a key of 32 bytes, which says whose it is (client and lease key, for example): all
 * opens of a file with one key have one lease. An oplock is a lease with a key of its own: level II reads, exclusive reads and writes, batch all three.
 *
 * An open gets what it asks for, but for this: _WRITE only if nobody without the key has the file open (the attributes do not matter); nothing
 * while there are byte-range locks on it (CTDB_OPENDB_HAS_LOCKS), unless it overwrites the file; no _WRITE on a directory; nothing for an open for
 * the attributes; nothing without _READ. An open whose key has a lease already may raise it, if that is not being broken and all it has is asked
 * for again; it never lowers it.
 *
 * An open breaks leases of other keys. Of those whose opens conflict with it, handle caching; unless another open conflicts that is not
 * cached: then it breaks nothing. If none conflicts, of all, write caching, or everything if it overwrites the file. An open for the attributes
 * breaks nothing. The holder is told by a message, and the open waits until he has given it back (ctdb_opendb_give_back(), or he closes), has died,
 * or has had his time: 35 s, if ctdb_opendb_set_break_timeout() does not say otherwise. Then the lease comes down by force. Who waits takes
 * that time by his own clock, also over several calls, if he looks again within as long.
 *
 * Not here: one lease for several files (a key that is used for two files is two leases); handles that outlive their process (durable, persistent);
 * and what file systems know of names: a name is a string of bytes, and a stream of a file is another file or just another name, as the
 * program likes.
 */
#ifndef CTDB_OPENDB_H_
#define CTDB_OPENDB_H_

#include "ctdb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who is in the way, or what: */
#define CTDB_OPENDB_CONFLICT 1       /* share modes */
#define CTDB_OPENDB_DELETE_PENDING 2 /* the file of that name will be deleted when it is closed */
#define CTDB_OPENDB_BREAKING 3       /* the time is over, and a lease has not been given back */

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
#define CTDB_OPENDB_OVERWRITE 0x2u       /* what is in the file is lost by this open */
#define CTDB_OPENDB_HAS_LOCKS 0x4u       /* there are byte-range locks on it (ctdb_brlock_list() tells) */
#define CTDB_OPENDB_DIRECTORY 0x8u

/* What a lease caches. Without _READ there is nothing but 0. */
#define CTDB_OPENDB_CACHE_READ 0x1u
#define CTDB_OPENDB_CACHE_HANDLE 0x2u
#define CTDB_OPENDB_CACHE_WRITE 0x4u
#define CTDB_OPENDB_LEASE_KEY_BYTES 32

typedef struct ctdb_opendb ctdb_opendb; /* one owner of open handles, in one database */

/* Zero what is not needed. */
typedef struct ctdb_opendb_request {
  ctdb_blob name;           /* of the file in its file system; files with hard links have several */
  uint32_t access;          /* CTDB_OPENDB_READ and so on */
  uint32_t share;           /* CTDB_OPENDB_SHARE_… */
  uint32_t flags;           /* CTDB_OPENDB_DELETE_ON_CLOSE, _OVERWRITE, _HAS_LOCKS, _DIRECTORY */
  uint32_t lease;           /* what it would like to cache: CTDB_OPENDB_CACHE_… */
  const uint8_t* lease_key; /* CTDB_OPENDB_LEASE_KEY_BYTES bytes; NULL: without a lease */
  ctdb_blob token;          /* with _DELETE_ON_CLOSE: for whoever deletes it, credentials for example */
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
  uint32_t lease;      /* what is cached with its key */
  int breaking;        /* 1: some of that has to be given back */
} ctdb_opendb_holder;

typedef struct ctdb_opendb_opened {
  uint64_t handle; /* a number that this ctdb_opendb gives to no other open */
  uint32_t lease;  /* what is cached with its key */
  int breaking;    /* 1: some of that has to be given back */
} ctdb_opendb_opened;

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
 * CTDB_OPENDB_BREAKING: the time is over, and *blocker was asked to give its lease back.
 * opened->handle is written in any case: after errors of the unlocking of the record it may be open, close it.
 * Errors: CTDB_ERR_INVALID (also masks, flags and levels that cannot be, a token without its flag, a lease without a key), CTDB_ERR_BUSY as
 * ctdb_wait() if it would have to wait for a lease. */
CTDB_API int ctdb_opendb_open_file(ctdb_opendb* opendb, ctdb_blob file, const ctdb_opendb_request* request,
                                   int timeout_ms, ctdb_opendb_opened* opened, ctdb_opendb_holder* blocker);

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

/* The file is called otherwise now: all handles that have it open under the handle's name have it open as `new_name`, and so has what is to be deleted.
 * For a file that the program has renamed in its file system (which leases have to be broken before: ctdb_opendb_break_leases()). Other owners of such
 * handles are told; that may be lost, and a handle's name is always the one that ctdb_opendb_close_file() says.
 * CTDB_OPENDB_DELETE_PENDING: the file will be deleted, or one of the new name that is the same file (a hard link); nothing was changed.
 * Errors: CTDB_ERR_NOT_FOUND (no such handle). */
CTDB_API int ctdb_opendb_rename(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, ctdb_blob new_name,
                                int timeout_ms);

/* That another owner has renamed a file that this ctdb_opendb has open. */
typedef struct ctdb_opendb_renamed {
  ctdb_blob file;
  ctdb_blob name; /* as it was until now */
  ctdb_blob new_name;
} ctdb_opendb_renamed;
typedef void (*ctdb_opendb_rename_fn)(ctdb_opendb* opendb, const ctdb_opendb_renamed* told,
                                      void* private_data);

/* Has `handler` told of that; NULL: nobody. On a local directory nobody is. */
CTDB_API void ctdb_opendb_on_rename(ctdb_opendb* opendb, ctdb_opendb_rename_fn handler, void* private_data);

/* That a lease has to be given back, or was taken. */
typedef struct ctdb_opendb_break {
  ctdb_blob file;
  const uint8_t* lease_key; /* CTDB_OPENDB_LEASE_KEY_BYTES bytes */
  uint32_t lease;           /* what may be cached then */
  uint32_t number;          /* of this break of this lease */
  int forced;               /* 0: ctdb_opendb_give_back() is waited for. 1: in vain: the lease is that now */
} ctdb_opendb_break;
typedef void (*ctdb_opendb_break_fn)(ctdb_opendb* opendb, const ctdb_opendb_break* told, void* private_data);

/* Has `handler` told of leases of this ctdb_opendb that have to be given back; NULL: nobody, then they are taken by force in the end. As long as
 * somebody waits it is told again of the same break about once a second, because messages may be lost. A break that nobody waits for any more has to be
 * answered, too. */
CTDB_API void ctdb_opendb_on_break(ctdb_opendb* opendb, ctdb_opendb_break_fn handler, void* private_data);

/* Gives back what the lease caches beyond `lease`: because it has to, or of its own accord. What was cached must be written, or forgotten, before.
 * If meanwhile others need more of it back, the handler is told once more.
 * Errors: CTDB_ERR_NOT_FOUND (this ctdb_opendb has no open handle with that key), CTDB_ERR_INVALID (more than it caches, or than it was told that it
 * may; a level that cannot be). */
CTDB_API int ctdb_opendb_give_back(ctdb_opendb* opendb, ctdb_blob file, const uint8_t* lease_key,
                                   uint32_t lease, int timeout_ms);

/* For what is no open and must not be hidden by a cache: waits until leases of other keys (`lease_key` NULL: of all) cache no more than `allowed`.
 * Before a file is written or locked by one that does not cache what it writes: 0. Before it is renamed, or set to be deleted:
 * CTDB_OPENDB_CACHE_READ | CTDB_OPENDB_CACHE_WRITE. Who opens the file meanwhile may get a new one. If there is nothing to wait for this reads the record
 * without locking it. CTDB_OPENDB_BREAKING, *blocker and CTDB_ERR_BUSY as ctdb_opendb_open_file(). */
CTDB_API int ctdb_opendb_break_leases(ctdb_opendb* opendb, ctdb_blob file, const uint8_t* lease_key,
                                      uint32_t allowed, int timeout_ms, ctdb_opendb_holder* blocker);

/* How long others may take to give back what this ctdb_opendb waits for: 35000 ms, unless this says otherwise. */
CTDB_API int ctdb_opendb_set_break_timeout(ctdb_opendb* opendb, int timeout_ms);

/* On a local directory, where there are no messages: looks whether leases of this ctdb_opendb have to be given back, and runs the handler for each.
 * What was taken by force is not told there. With a client of a cluster there is nothing to look for. */
CTDB_API int ctdb_opendb_look_for_breaks(ctdb_opendb* opendb, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* CTDB_OPENDB_H_ */
