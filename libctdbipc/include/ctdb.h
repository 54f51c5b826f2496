/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* ctdb.h: the client interface of CTDB, the clustered database. (ctdb_local.h: the same without a cluster.)
 *
 * A record lives in a local tdb file on the node that used it last, and a program on that node works on it directly
 * under the file's own lock. Only a miss costs a question to the local daemons. This library does both: it joins the
 * daemons of its node through shared-memory rings and opens the local database files.
 *
 *     ctdb_client *client;
 *     ctdb_db *db;
 *     ctdb_record *record;
 *     ctdb_blob key = {"counter", 7};
 *
 *     if (ctdb_connect(NULL, 5000, &client) != 0) ...
 *     if (ctdb_attach(client, "example.tdb", 0, 5000, &db) != 0) ...
 *     if (ctdb_fetch_lock(db, key, -1, &record) == 0) {
 *       ctdb_blob old = ctdb_record_data(record);
 *       ... make the new value out of the old one ...
 *       ctdb_store(record, value);
 *       ctdb_unlock(record);
 *     }
 *     ctdb_disconnect(client);
 *
 * CONVENTIONS, for every function unless it says otherwise
 *
 * Results.   0 (or a count) is success, a negative number is one of CTDB_ERR_*; ctdb_strerror() names it and ctdb_error_text() tells
 *            more about the last failure on a client. Output arguments are written only on success. A NULL client, database, record or
 *            output argument gives CTDB_ERR_INVALID; so does a blob with size but without data. CTDB_ERR_INVALID and CTDB_ERR_FORKED mean
 *            that nothing has happened, also of functions that let go of what they are given "whatever is returned": a record stays
 *            locked, a transaction open. Functions that need the daemons return CTDB_ERR_DISCONNECTED once the connection is lost and
 *            CTDB_ERR_FULL when they cannot take more, and all functions can return CTDB_ERR_NO_MEMORY. These are not repeated below.
 * Sizes      are in bytes, time-outs in milliseconds. timeout_ms -1 waits for ever. A blocking call that timed out is
 *            withdrawn: its late answer is ignored (a record may have moved here all the same). Signals do not
 *            interrupt blocking calls. The time-out bounds the wait for daemons, not the wait for another program that
 *            holds the lock of the same record on this node.
 * Ownership. Blobs passed in are loans for the call; the library copies what it keeps. Blobs handed out are loans too:
 *            those of a blocking call last until the next call on the same client, those given to a callback until
 *            the callback returns. What a function creates has one function that destroys it.
 * Callbacks. A function named ..._send starts a request and returns; the answer is handed to its callback exactly once, from inside
 *            ctdb_service() or ctdb_wait() and nowhere else: never from the ..._send function and never from a blocking call. Every
 *            request ends: with an answer, with CTDB_ERR_DISCONNECTED when the connection is lost, with CTDB_ERR_UNKNOWN when it may have
 *            been carried out and nobody can tell, or with no callback after ctdb_cancel() or ctdb_disconnect(). Callbacks may call every
 *            function of this header but ctdb_service() and ctdb_wait(), also ctdb_disconnect(). Blocking calls may be mixed with pending
 *            requests: what arrives for others during one is kept for the next ctdb_service(), up to 65536 answers and messages or
 *            256 MiB; with more the connection is lost.
 * Event loop. Watch ctdb_fd() for ctdb_events() in poll, select or epoll (level-triggered or edge-triggered); when it is ready call
 *            ctdb_service(). One descriptor serves the whole connection and stays the same until ctdb_disconnect().
 * Threads.   The library starts none and installs no signal handlers. A client, with all that came from it, is used by
 *            one thread at a time. Clients of one process that attach to the same database of the same node share its
 *            file, and are all used by the same thread.
 * Fork.      A client belongs to the process that connected it. In a forked child every function on it returns
 *            CTDB_ERR_FORKED, except ctdb_disconnect(), which frees the child's copy without disturbing the parent. The child
 *            may connect and attach anew.
 * Locks.     Between ctdb_fetch_lock() and ctdb_unlock() the program holds a lock that daemons and other programs of the
 *            node wait for: keep it short. While a record is locked, calls on the same client that would have to wait
 *            for a daemon return CTDB_ERR_BUSY (waiting with a lock held is how clusters deadlock). At most one record
 *            of a database is locked at a time; records of several databases may be, if all programs lock the
 *            databases in the same order and the later ones are local hits.
 * Fairness.  A program that works on records of its own node in a tight loop gives way to others (sched_yield()) once in 256
 *            local hits; otherwise a local hit makes no system call.
 * Restarts.  A restarted ctdb-store is not noticed but as a delay: unanswered calls are put to it again (functions on records
 *            are not: CTDB_ERR_UNKNOWN). So is a restarted ctdb-router, if it is back within ten seconds: calls and records are not touched,
 *            registrations stay, controls that change nothing are put again; of others that it has had and not answered nobody knows:
 *            CTDB_ERR_UNKNOWN. Messages may be lost: ctdb_on_restart() tells. The connection ends (CTDB_ERR_DISCONNECTED) when no
 *            router comes back, or when router and store are lost at once: see ctdb_reconnect().
 */
#ifndef CTDB_H_
#define CTDB_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CTDB_API __attribute__((visibility("default")))

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

enum {
  CTDB_ERR_INVALID = -1,      /* the arguments make no sense */
  CTDB_ERR_NO_MEMORY = -2,    /* out of memory */
  CTDB_ERR_SYSTEM = -3,       /* a system call failed; ctdb_error_text() says which and why */
  CTDB_ERR_TIMEOUT = -4,      /* not answered within timeout_ms */
  CTDB_ERR_DISCONNECTED = -5, /* the router of this node is gone, or cut this client off */
  CTDB_ERR_FORKED = -6,       /* the client belongs to the parent process */
  CTDB_ERR_BUSY = -7,         /* not while a record is locked, or not inside a callback */
  CTDB_ERR_NOT_LOCKED = -8,   /* the record is not locked (any more) */
  CTDB_ERR_TOO_BIG = -9,      /* key, value or packet exceeds its limit */
  CTDB_ERR_FULL = -10,        /* too much under way; service the client and try again */
  CTDB_ERR_REFUSED = -11,     /* the router did not accept the connection; ctdb_error_text() says why */
  CTDB_ERR_REMOTE = -12,      /* a daemon answered that it failed; ctdb_error_text() repeats its words */
  CTDB_ERR_PROTOCOL = -13,    /* a daemon's answer is malformed */
  CTDB_ERR_DATABASE = -14,    /* the local database file failed: corrupt, or the disk is full */
  CTDB_ERR_EXISTS = -15,      /* there is one already */
  CTDB_ERR_NOT_FOUND = -16,   /* there is none */
  CTDB_ERR_FENCED = -17,      /* the node lost the right to serve meanwhile; nothing was written */
  CTDB_ERR_NOT_COPIED = -18,  /* written here, on other nodes only perhaps: it may be lost */
  CTDB_ERR_CONFLICT = -19, /* lock lost, or another transaction came first; nothing was written: try again */
  CTDB_ERR_UNKNOWN = -20,  /* a commit, function or control was done or not, or is soon: look what is there */
  CTDB_ERR_UNEQUAL = -21,  /* the condition of a function does not hold; nothing was changed */
  CTDB_ERR_NO_COUNTER = -22, /* the record is not 8 bytes long; nothing was changed */
  CTDB_ERR_OVERFLOW = -23,   /* the sum does not fit into 64 bits; nothing was changed */
  CTDB_ERR_DAMAGED = -24     /* somebody was killed while he changed the local file: unlock, and try again */
};

/* A short English name of `error`, never NULL, static. 0 is "success". */
CTDB_API const char* ctdb_strerror(int error);

/* ---- Types and limits ------------------------------------------------------------------------------------------ */

typedef struct ctdb_client ctdb_client;           /* one connection to the daemons of one node */
typedef struct ctdb_db ctdb_db;                   /* one attached database of a client */
typedef struct ctdb_record ctdb_record;           /* one locked record of a database */
typedef struct ctdb_transaction ctdb_transaction; /* changes of a persistent or replicated database */

/* Bytes somewhere. data may be NULL when size is 0. */
typedef struct ctdb_blob {
  const void* data;
  size_t size;
} ctdb_blob;

/* Pseudo node numbers, beside the real ones (0, 1, …). */
#define CTDB_PNN_CURRENT 0xF0000001u   /* this node */
#define CTDB_PNN_ALL 0xF0000002u       /* every node that is configured */
#define CTDB_PNN_ACTIVE 0xF0000003u    /* every node that takes part */
#define CTDB_PNN_CONNECTED 0xF0000004u /* every node that can be reached, this one included */

#define CTDB_KEY_BYTES_MAX 65536u /* longest key */
#define CTDB_VALUE_BYTES_MAX \
  (15u << 20) /* longest value of a record; "[database] record limit" may allow less */
#define CTDB_PAYLOAD_BYTES_MAX \
  (15u << 20)                   /* longest message, control payload, or key and blob of a request */
#define CTDB_REQUESTS_MAX 4096u /* unanswered requests of one client */

/* ---- Connection ------------------------------------------------------------------------------------------------ */

/* Connects to the node whose router listens on `setup_socket`; NULL takes $CTDB_SETUP_SOCKET, and if that is unset
 * /run/ctdb/setup.socket. Works while ctdb-store is down: calls then wait for it.
 * Errors: CTDB_ERR_SYSTEM (no such socket, no permission, out of descriptors), CTDB_ERR_REFUSED, CTDB_ERR_TIMEOUT,
 * CTDB_ERR_PROTOCOL (what listens there is not a router of this release). There is no client to ask for a text after a
 * failure: ctdb_error_text(NULL) has it. */
CTDB_API int ctdb_connect(const char* setup_socket, int timeout_ms, ctdb_client** client);

/* Unlocks what is locked, detaches all databases, forgets all requests without calling their callbacks, closes the
 * connection and frees the client with everything that came from it. NULL is ignored. Messages already sent are still
 * delivered. */
CTDB_API void ctdb_disconnect(ctdb_client* client);

/* After CTDB_ERR_DISCONNECTED: connects again to the same socket, registers all message handlers again and takes up all
 * attached databases (as long as the store refuses it tries again); pointers to them stay valid. Requests that were pending when the connection was lost are not
 * repeated (they end with CTDB_ERR_DISCONNECTED), and messages sent meanwhile by others are lost. Does nothing when the
 * connection is up. The library never reconnects by itself: only the program knows what the loss means to it.
 * Errors: those of ctdb_connect() and ctdb_attach(); CTDB_ERR_BUSY while a record is locked. After an error the client is
 * disconnected as before. */
CTDB_API int ctdb_reconnect(ctdb_client* client, int timeout_ms);

/* What the last call on this client failed of, in English, never NULL; valid until the next call on the client. "" when there is
 * no more to say than ctdb_strerror() does. NULL: the last failure of ctdb_connect() or ctdb_connect_local() in this thread. */
CTDB_API const char* ctdb_error_text(const ctdb_client* client);

/* The number of this node. Known since ctdb_connect(), does not ask anybody. Errors: none but the common ones. */
CTDB_API int ctdb_pnn(const ctdb_client* client, uint32_t* pnn);

/* Whether a blocking call that waits looks for a while for what it waits for before it sleeps. */
enum {
  CTDB_SPIN_NEVER = 0,    /* sleep at once (default) */
  CTDB_SPIN_ADAPTIVE = 1, /* at most 20 microseconds, and only with more than two processors */
  CTDB_SPIN_ALWAYS = 2    /* never sleep: for benchmarks, takes a whole processor */
};
/* Errors: CTDB_ERR_INVALID (no such mode). */
CTDB_API int ctdb_set_spin(ctdb_client* client, int mode);

/* What a client did since ctdb_connect(). */
typedef struct ctdb_stats {
  uint64_t local_hits;      /* fetch-locks and reads answered from the local file alone */
  uint64_t calls;           /* calls put to the store, repetitions for a restarted store not counted */
  uint64_t controls;        /* controls sent */
  uint64_t messages_in;     /* messages handed to handlers */
  uint64_t messages_out;    /* messages sent */
  uint64_t stale;           /* answers nobody waited for any more */
  uint64_t malformed;       /* packets of daemons that broke the format */
  uint64_t sleeps;          /* times a blocking call went to sleep */
  uint64_t undelivered;     /* reports of messages that were not delivered */
  uint64_t too_big;         /* values refused by this library: larger than their database allows */
  uint64_t router_restarts; /* times another ctdb-router has taken over, see ctdb_on_restart() */
} ctdb_stats;
/* Fills the first `bytes` bytes of *stats (sizeof *stats as the caller knows it), zeros what the library does not know. */
CTDB_API int ctdb_get_stats(const ctdb_client* client, ctdb_stats* stats, size_t bytes);

/* ---- Event loop ------------------------------------------------------------------------------------------------ */

/* The descriptor to watch, or a negative error. Only watch it; do not read or close it. */
CTDB_API int ctdb_fd(const ctdb_client* client);

/* The poll(2) events to watch it for (always POLLIN in this release), or a negative error. */
CTDB_API int ctdb_events(const ctdb_client* client);

/* Handles what has arrived, at most `budget` answers, messages and timers (0: no limit), and runs their callbacks. Never waits. Returns how many
 * it handled. When work is left over ctdb_fd() stays ready. Errors: CTDB_ERR_BUSY (called from inside a callback); CTDB_ERR_DISCONNECTED, after
 * the callbacks of all pending requests have been run. */
CTDB_API int ctdb_service(ctdb_client* client, int budget);

/* For programs without an event loop of their own: waits until something has arrived and handles it as ctdb_service()
 * does. Returns how many it handled, 0 when the time was over.
 * Errors: those of ctdb_service(), and CTDB_ERR_BUSY while a record is locked. */
CTDB_API int ctdb_wait(ctdb_client* client, int timeout_ms);

/* Forgets a request: its callback will not be called. `id` is what its ..._send function, or ctdb_after(), gave out.
 * Errors: CTDB_ERR_NOT_FOUND (answered already, or never made). */
CTDB_API int ctdb_cancel(ctdb_client* client, uint32_t id);

/* Calls `done` once, from ctdb_service() or ctdb_wait(), when delay_ms (0 or more) have passed; ctdb_fd() is ready then. With it and
 * ctdb_cancel() a request has a time-out. It needs no daemons and outlives the connection. Errors: CTDB_ERR_SYSTEM, CTDB_ERR_FULL. */
typedef void (*ctdb_timer_fn)(ctdb_client* client, void* private_data);
CTDB_API int ctdb_after(ctdb_client* client, int delay_ms, ctdb_timer_fn done, void* private_data,
                        uint32_t* id);

/* Waits until all that was sent is with the daemons (after CTDB_ERR_FULL, or before a long computation). Errors: CTDB_ERR_TIMEOUT, CTDB_ERR_BUSY. */
CTDB_API int ctdb_flush(ctdb_client* client, int timeout_ms);

/* ---- Databases ------------------------------------------------------------------------------------------------- */

/* Attaches to the volatile database `name` (creates it in the whole cluster when there is none) and opens its local
 * file. `flags` is 0 or CTDB_ATTACH_COPIES(k), see ctdb_unlock(), CTDB_ATTACH_READ_COPIES, or both; or
 * CTDB_ATTACH_PERSISTENT or CTDB_ATTACH_REPLICATED, see "Transactions". While the cluster recovers the answer waits for the end of it,
 * while ctdb-store is down for a new one. A name has 1 to 200 bytes, no /, space or control character, and no dot at its beginning.
 * Errors: CTDB_ERR_TIMEOUT, CTDB_ERR_BUSY, CTDB_ERR_REMOTE (the store refused: no such name, a database of another kind),
 * CTDB_ERR_DATABASE (the file cannot be opened), CTDB_ERR_PROTOCOL, CTDB_ERR_INVALID (also an empty name or one that is too long). */
CTDB_API int ctdb_attach(ctdb_client* client, const char* name, uint32_t flags, int timeout_ms, ctdb_db** db);

/* The end of ctdb_attach_send(): error 0 and the database, or an error of ctdb_attach() and NULL. */
typedef void (*ctdb_attach_fn)(ctdb_client* client, int error, ctdb_db* db, void* private_data);
/* `id` may be NULL, here and below. */
CTDB_API int ctdb_attach_send(ctdb_client* client, const char* name, uint32_t flags, ctdb_attach_fn done,
                              void* private_data, uint32_t* id);

/* Unlocks what is locked in it, withdraws its pending requests without calling their callbacks, closes the local file
 * and frees the database. NULL is ignored. The database goes on to exist in the cluster. */
CTDB_API void ctdb_detach(ctdb_db* db);

/* On how many nodes a changed record is to be, the node that has it included: 1 to CTDB_COPIES_MAX. A property of the database
 * in the whole cluster: it is set by whoever asks for more than there are, and never becomes less while the database exists.
 * Programs that attached before it was raised go on with what was there then: let all programs of a database name the same. */
#define CTDB_ATTACH_COPIES(k) ((uint32_t)(k))
#define CTDB_COPIES_MAX 8u

/* Another kind of database: every node has all of it, and only transactions change it. On disk, or (replicated) not. A database
 * is of one kind as long as it exists. */
#define CTDB_ATTACH_PERSISTENT 0x100u
#define CTDB_ATTACH_REPLICATED 0x200u

/* Together with CTDB_ATTACH_COPIES(k) or alone: who reads a record of this database gets a read-only copy, and the record stays where
 * it is (see ctdb_read()). A property of the database in the whole cluster, too; it stays as long as any node of the cluster runs. */
#define CTDB_ATTACH_READ_COPIES 0x400u

/* The number of copies as it was when the database was attached. */
CTDB_API int ctdb_db_copies(const ctdb_db* db, uint32_t* copies);

/* The longest value that a record of this database is given, as this node's "[database] record limit" said when it was attached:
 * CTDB_ERR_TOO_BIG, with nothing written, for a longer one. One that is there already, from before the limit or from a program that writes
 * the file on its own, can be read and stays. */
CTDB_API int ctdb_db_record_limit(const ctdb_db* db, uint32_t* bytes);

/* The cluster-wide number of the database. */
CTDB_API int ctdb_db_id(const ctdb_db* db, uint32_t* id);

/* ---- Records --------------------------------------------------------------------------------------------------- */

/* Brings the record here, locks it, and hands it out. A record that does not exist is handed out empty. If it is here
 * already this makes no system call; otherwise the call waits for the cluster, repeatedly when other nodes want the
 * record at the same time. timeout_ms 0: succeed on a local hit or return CTDB_ERR_TIMEOUT without asking anybody.
 * A key has 1 to CTDB_KEY_BYTES_MAX bytes.
 * Errors: CTDB_ERR_TIMEOUT, CTDB_ERR_TOO_BIG (key), CTDB_ERR_BUSY (a record of this database is locked; or any is on this
 * client and the record is not here), CTDB_ERR_REMOTE, CTDB_ERR_PROTOCOL, CTDB_ERR_DATABASE. */
CTDB_API int ctdb_fetch_lock(ctdb_db* db, ctdb_blob key, int timeout_ms, ctdb_record** record);

/* The end of ctdb_fetch_lock_send(): error 0 and the locked record, or an error of ctdb_fetch_lock() and NULL. Unlock it
 * before the callback returns if you can. While a record of the same database is locked, others wait for their turn. */
typedef void (*ctdb_record_fn)(ctdb_client* client, int error, ctdb_record* record, void* private_data);
/* Programs with an event loop try ctdb_fetch_lock() with timeout_ms 0 first, which costs no turn of the loop on a hit.
 */
CTDB_API int ctdb_fetch_lock_send(ctdb_db* db, ctdb_blob key, ctdb_record_fn done, void* private_data,
                                  uint32_t* id);

/* The locked record's value, or its key; a loan until the record is stored, deleted or unlocked. Size 0: empty or there
 * is no such record (the two are the same thing). Both return {NULL, 0} for a record that is not locked. */
CTDB_API ctdb_blob ctdb_record_data(const ctdb_record* record);
CTDB_API ctdb_blob ctdb_record_key(const ctdb_record* record);

/* 1 when the locked record's value may be older than one that was read or written before: the node that had the record was
 * lost with what it had changed last, and the newest copy that was left has become the record (or none was left, and it is
 * empty). 0 otherwise. The mark stays with the record, also when it moves, until a program of this library stores or deletes
 * it; programs that use the file on their own keep it. The store's log names such records. Not marked is a record of which no
 * copy is left when also the node is lost that knew who had it.
 * Whoever reads without locking finds the same in the header that CTDB_CALL_FETCH_WITH_HEADER returns: bit
 * CTDB_RECORD_MAY_BE_OLDER of the 32-bit flags at byte CTDB_OFF_RECORD_FLAGS.
 * Errors: CTDB_ERR_NOT_LOCKED. */
CTDB_API int ctdb_record_may_be_older(const ctdb_record* record);
#define CTDB_RECORD_MAY_BE_OLDER 0x00100000u
#define CTDB_OFF_RECORD_FLAGS 16

/* Replaces the value of the locked record, at once and in one piece: a program that dies here leaves the old value or
 * the new one (half of each only where the disk has no room for both, or the file is not laid out as expected). The record stays
 * locked. `data` may be the record's own old data. Never waits for a daemon.
 * Errors: CTDB_ERR_NOT_LOCKED, CTDB_ERR_TOO_BIG, CTDB_ERR_DATABASE (no room on the disk: a value that is not longer than the old one always
 * has room; the old one is still there, unless the file is not laid out as expected and ctdb_error_text() says that it is lost, too),
 * CTDB_ERR_DAMAGED (the store repairs the file; the old value is there), CTDB_ERR_FENCED (unlock it, and fetch it again). */
CTDB_API int ctdb_store(ctdb_record* record, ctdb_blob data);

/* Empties the locked record and leaves a note for the daemons to remove it from the cluster in their own time. The record
 * stays locked. Never waits for a daemon. Errors: CTDB_ERR_NOT_LOCKED, CTDB_ERR_DATABASE, CTDB_ERR_FENCED. */
CTDB_API int ctdb_delete(ctdb_record* record);

/* Lets the record go. The pointer may not be used any more, whatever is returned.
 * In a database with k > 1 copies (CTDB_ATTACH_COPIES), when the record was stored or deleted, this returns when the change
 * is on k nodes, or on all that take part if they are fewer: then the death of any k - 1 nodes at once does not lose it. It costs
 * one round trip to the other nodes. The lock is let go first: others on this node may see the change before it is safe,
 * other nodes only when it is. The library waits without limit for a cluster that recovers; other records may stay locked.
 * Errors: CTDB_ERR_NOT_LOCKED, CTDB_ERR_DATABASE; with copies also CTDB_ERR_NOT_COPIED, CTDB_ERR_DISCONNECTED, CTDB_ERR_FULL:
 * the change was made here, and whether it lasts is not known. */
CTDB_API int ctdb_unlock(ctdb_record* record);
/* The same with a limit for the wait (then also CTDB_ERR_TIMEOUT); *copies: on how many nodes the record is now. It is 1 in a
 * database without copies and when nothing was changed. */
CTDB_API int ctdb_unlock_copied(ctdb_record* record, int timeout_ms, uint32_t* copies);
/* The same for event loops: the record is unlocked when this returns, also with an error; `done` is told when the change is
 * where it has to be. */
typedef void (*ctdb_unlock_fn)(ctdb_client* client, int error, uint32_t copies, void* private_data);
CTDB_API int ctdb_unlock_send(ctdb_record* record, ctdb_unlock_fn done, void* private_data, uint32_t* id);

/* Reads a record without locking it: the newest value there is when this is called, or a newer one. If this node has the record, or a
 * read-only copy of it, this makes no system call. Otherwise the record comes here, or a copy: that is what its owner gives in databases
 * with CTDB_ATTACH_READ_COPIES, and of every record that many read and few change. Who wants to change a record waits until no
 * node reads a copy any more; a node that does not answer holds him up until the cluster goes on without it.
 * timeout_ms 0 as in ctdb_fetch_lock(). Errors: those of ctdb_fetch_lock(). */
CTDB_API int ctdb_read(ctdb_db* db, ctdb_blob key, int timeout_ms, ctdb_blob* value);

/* ---- Transactions ----------------------------------------------------------------------------------------------- */

/* Persistent and replicated databases (CTDB_ATTACH_PERSISTENT, CTDB_ATTACH_REPLICATED) are read with ctdb_read(), which asks nobody, and changed
 * by transactions:
 *
 *     ctdb_transaction *t;
 *     if (ctdb_transaction_start(db, -1, &t) != 0) ...
 *     ctdb_transaction_fetch(t, key, &old);
 *     ctdb_transaction_store(t, key, new_value);
 *     error = ctdb_transaction_commit(t, -1);
 *
 * A transaction has its database to itself in the whole cluster, from start to end: others wait, in the order in which they came (those of one
 * node together), programs of the classic protocol too (smbd, net, the ctdb tool), whose lock this one is. So keep it short. One that dies lets go.
 * Who has several open at once starts them in the same order as all other programs. Fetch-locks do not work here: CTDB_ERR_INVALID. */

/* Waits until the database is free. Works only on a node that takes part in the cluster. Errors: CTDB_ERR_INVALID (not that kind of database),
 * CTDB_ERR_BUSY (a record is locked, or this client has one on it), CTDB_ERR_TIMEOUT, CTDB_ERR_REMOTE, CTDB_ERR_PROTOCOL, CTDB_ERR_DATABASE. */
CTDB_API int ctdb_transaction_start(ctdb_db* db, int timeout_ms, ctdb_transaction** transaction);
/* The same for event loops, without a limit, also with a record locked: error 0 and the transaction, or an error and NULL. One that is cancelled,
 * or whose database is detached, lets go of what it waits for. */
typedef void (*ctdb_transaction_fn)(ctdb_client* client, int error, ctdb_transaction* started,
                                    void* private_data);
CTDB_API int ctdb_transaction_start_send(ctdb_db* db, ctdb_transaction_fn done, void* private_data,
                                         uint32_t* id);

/* A value as the transaction sees it: what it stored itself, else what is committed. Size 0: there is none. Asks nobody. The blob lasts until
 * the next call on the same client. Errors: CTDB_ERR_TOO_BIG (key), CTDB_ERR_DATABASE. */
CTDB_API int ctdb_transaction_fetch(ctdb_transaction* transaction, ctdb_blob key, ctdb_blob* value);

/* Changes that are made when the transaction commits; nobody else sees them before. Ask nobody. Storing nothing (size 0) deletes. Errors:
 * CTDB_ERR_TOO_BIG (key or value; or all changes with some 40 bytes each exceed CTDB_PAYLOAD_BYTES_MAX: not taken), CTDB_ERR_DATABASE. */
CTDB_API int ctdb_transaction_store(ctdb_transaction* transaction, ctdb_blob key, ctdb_blob value);
CTDB_API int ctdb_transaction_delete(ctdb_transaction* transaction, ctdb_blob key);

/* Makes the changes, all or none of them: 0 when they are on the disks of all active nodes and everybody reads them. The transaction is over and the
 * pointer may not be used any more, whatever is returned. One that changed nothing asks nobody to commit it.
 * Errors. Nothing was written and nothing will be: CTDB_ERR_CONFLICT (the node stopped serving meanwhile, or its store was restarted: make
 * the transaction again), CTDB_ERR_REMOTE (refused; ctdb_error_text() says why: no majority, a disk is full), CTDB_ERR_BUSY (a record is
 * locked), CTDB_ERR_FULL, CTDB_ERR_DISCONNECTED (it was lost before). Nobody knows yet: CTDB_ERR_UNKNOWN (time-out, or a daemon was
 * lost meanwhile). Then it happened as a whole or not at all, and it is settled when the next transaction commits: let that one look first. */
CTDB_API int ctdb_transaction_commit(ctdb_transaction* transaction, int timeout_ms);
/* The same for event loops, also with a record locked. The transaction is over when this returns, with an error (nothing was written) or without;
 * `done` hears what ctdb_transaction_commit() would return. A commit that is cancelled may happen all the same. */
typedef void (*ctdb_commit_fn)(ctdb_client* client, int error, void* private_data);
CTDB_API int ctdb_transaction_commit_send(ctdb_transaction* transaction, ctdb_commit_fn done,
                                          void* private_data, uint32_t* id);

/* Forgets the changes and lets the database go. NULL is ignored. Never waits. */
CTDB_API void ctdb_transaction_cancel(ctdb_transaction* transaction);

/* ---- Requests -------------------------------------------------------------------------------------------------- */

/* Functions every database has. */
#define CTDB_CALL_NULL 0xFF000001u              /* brings the record here, returns nothing */
#define CTDB_CALL_FETCH 0xFF000002u             /* returns the value */
#define CTDB_CALL_FETCH_WITH_HEADER 0xFF000003u /* returns the 24-byte record header and the value */

/* A daemon's answer. */
typedef struct ctdb_reply {
  int error;      /* 0, or why there is no answer; the other fields are then 0 */
  int32_t status; /* the daemon's own result: what it means depends on the request; negative is failure */
  ctdb_blob data;
  const char* text; /* the daemon's error text, "" when it sent none; never NULL */
} ctdb_reply;
typedef void (*ctdb_reply_fn)(ctdb_client* client, const ctdb_reply* reply, void* private_data);

/* Runs function `call` with argument `in` on the record: where the record is, if it is one of "Functions on records" below; for
 * all others the record comes here. `call` 0 with an empty blob is CTDB_CALL_FETCH. A fetch is ctdb_read(): answered from the
 * local file if the record is here, and bringing it here otherwise. Functions the cluster does not have give status 0 and no
 * data. timeout_ms 0 as in ctdb_fetch_lock().
 * Returns 0 with *reply filled (its status may be negative). Errors: CTDB_ERR_INVALID (also `call` 0 with a blob),
 * CTDB_ERR_TIMEOUT, CTDB_ERR_TOO_BIG, CTDB_ERR_BUSY, CTDB_ERR_REMOTE (the store does not know the database any more),
 * CTDB_ERR_PROTOCOL, CTDB_ERR_DATABASE. */
CTDB_API int ctdb_request(ctdb_db* db, ctdb_blob key, uint32_t call, ctdb_blob in, int timeout_ms,
                          ctdb_reply* reply);
CTDB_API int ctdb_request_send(ctdb_db* db, ctdb_blob key, uint32_t call, ctdb_blob in, ctdb_reply_fn done,
                               void* private_data, uint32_t* id);

/* ---- Functions on records -------------------------------------------------------------------------------------- */

/* Functions that change a record where it is. Nothing has to be locked and brought here first: the call goes to the node that has
 * the record, whose store runs the function under the record's lock and answers. For records that many nodes change, this is
 * one round trip instead of a record that travels.
 *
 *     ctdb_add(db, key, 1, -1, &value);
 *     while ((error = ctdb_compare_and_swap(db, key, old, make_new_out_of(old), -1, &old)) == CTDB_ERR_UNEQUAL) ...
 *
 * Where.     A record that is here is changed here, by this library, without asking anybody. A node whose calls come eight
 *            times in a row to a record that nobody else changes gets the record. (The ..._send functions always ask the store.)
 * How often. Once, or not at all. A function is never repeated by the daemons or the library; when the answer is lost, because
 *            the time is over, a daemon is lost or the cluster recovers meanwhile, the call ends with CTDB_ERR_UNKNOWN: the
 *            function may have been run, or may be run within moments, or not. CTDB_ERR_TIMEOUT and CTDB_ERR_DISCONNECTED are
 *            returned only for calls that had not left this program: these will not be run.
 * Copies.    In a database with copies (CTDB_ATTACH_COPIES) the answer waits until the change is on that many nodes.
 * Records.   A record that is empty and one that does not exist are the same. One that may be older (ctdb_record_may_be_older())
 *            stays marked. Only records of volatile databases: else CTDB_ERR_INVALID.
 * Errors, besides those named with each function: CTDB_ERR_UNKNOWN, CTDB_ERR_TIMEOUT, CTDB_ERR_BUSY (as ctdb_fetch_lock()),
 *            CTDB_ERR_TOO_BIG (key, argument, or what the record would become: ctdb_db_record_limit()), CTDB_ERR_REMOTE (refused by a
 *            store; ctdb_error_text() repeats its words), CTDB_ERR_PROTOCOL, CTDB_ERR_DATABASE. With all but CTDB_ERR_UNKNOWN and
 *            CTDB_ERR_PROTOCOL nothing was changed. timeout_ms 0 as in ctdb_fetch_lock(): done here or CTDB_ERR_TIMEOUT. */

/* Adds `amount` to a counter: a record of 8 bytes, a signed number in the byte order of the protocol (little endian); an empty
 * record counts as 0. *value (may be NULL) is the counter afterwards. Amount 0 reads it.
 * Errors: CTDB_ERR_NO_COUNTER, CTDB_ERR_OVERFLOW (it never wraps). */
CTDB_API int ctdb_add(ctdb_db* db, ctdb_blob key, int64_t amount, int timeout_ms, int64_t* value);

/* Replaces the record by `wanted` (size 0: empties it) if it is `expected` now (size 0: empty). Errors: CTDB_ERR_UNEQUAL; then, and
 * only then, *current (may be NULL) is the record as it is, a loan until the next call on the client. */
CTDB_API int ctdb_compare_and_swap(ctdb_db* db, ctdb_blob key, ctdb_blob expected, ctdb_blob wanted,
                                   int timeout_ms, ctdb_blob* current);

/* Appends `data`. *size (may be NULL) is the record's size afterwards. */
CTDB_API int ctdb_append(ctdb_db* db, ctdb_blob key, ctdb_blob data, int timeout_ms, uint64_t* size);

/* Appends `data` if the record's size is `size_now`: if nobody has appended since it was looked at. *size (may be NULL) is its size
 * afterwards; with CTDB_ERR_UNEQUAL, its size as it is. */
CTDB_API int ctdb_append_if(ctdb_db* db, ctdb_blob key, uint64_t size_now, ctdb_blob data, int timeout_ms,
                            uint64_t* size);

/* Runs the function `name` of a plug-in that the stores have loaded (ctdb_function.h, "[database] functions" of ctdb.conf). Always by the
 * store, also for a record that is here: with timeout_ms 0 it is CTDB_ERR_TIMEOUT. *answer (may be NULL) is what the function says, a loan
 * until the next call on the client. Errors: CTDB_ERR_NOT_FOUND (the node that has the record has no function of that name),
 * CTDB_ERR_UNEQUAL (its condition does not hold; then *answer is written, too), CTDB_ERR_REMOTE (it refused, or broke its contract;
 * ctdb_error_text() says why), CTDB_ERR_INVALID (also a name that is not 1 to 64 letters, digits, - _ .). */
CTDB_API int ctdb_call_function(ctdb_db* db, ctdb_blob key, const char* name, ctdb_blob argument,
                                int timeout_ms, ctdb_blob* answer);

/* The same for event loops. `error` is one of the errors above; value, current and size are what the blocking functions
 * write, and 0 or empty where they write nothing. CTDB_ERR_DISCONNECTED: the function was not run. */
typedef void (*ctdb_add_fn)(ctdb_client* client, int error, int64_t value, void* private_data);
CTDB_API int ctdb_add_send(ctdb_db* db, ctdb_blob key, int64_t amount, ctdb_add_fn done, void* private_data,
                           uint32_t* id);
typedef void (*ctdb_swap_fn)(ctdb_client* client, int error, ctdb_blob current, void* private_data);
CTDB_API int ctdb_compare_and_swap_send(ctdb_db* db, ctdb_blob key, ctdb_blob expected, ctdb_blob wanted,
                                        ctdb_swap_fn done, void* private_data, uint32_t* id);
typedef void (*ctdb_append_fn)(ctdb_client* client, int error, uint64_t size, void* private_data);
CTDB_API int ctdb_append_send(ctdb_db* db, ctdb_blob key, ctdb_blob data, ctdb_append_fn done,
                              void* private_data, uint32_t* id);
CTDB_API int ctdb_append_if_send(ctdb_db* db, ctdb_blob key, uint64_t size_now, ctdb_blob data,
                                 ctdb_append_fn done, void* private_data, uint32_t* id);

typedef void (*ctdb_function_fn)(ctdb_client* client, int error, ctdb_blob answer, void* private_data);
CTDB_API int ctdb_call_function_send(ctdb_db* db, ctdb_blob key, const char* name, ctdb_blob argument,
                                     ctdb_function_fn done, void* private_data, uint32_t* id);

/* Their numbers for ctdb_request(), which runs them in the same way. Numbers are little endian.
 *   CTDB_CALL_ADD               argument: i64 amount                             result: i64 value afterwards
 *   CTDB_CALL_COMPARE_AND_SWAP  u32 size of what is expected, that, what is wanted       status 1: the record as it is
 *   CTDB_CALL_APPEND            the data                                         u64 size afterwards
 *   CTDB_CALL_APPEND_IF         u64 size the record must have, the data          u64 size afterwards; status 1: as it is
 *   CTDB_CALL_NAMED             u32 size of the name, the name, its argument     its answer; status 1: its answer
 * reply->status: 0 done, 1 the condition does not hold, negative: nothing was done and reply->text says why (-1 refused, -2 no such
 * function, -3 malformed argument, -4 no counter, -5 overflow, -6 too big, -8 refused by a plug-in's
 * function, -9 such a function broke its contract). CTDB_ERR_UNKNOWN is returned as an error. */
#define CTDB_CALL_ADD 0xFF000020u
#define CTDB_CALL_COMPARE_AND_SWAP 0xFF000021u
#define CTDB_CALL_APPEND 0xFF000022u
#define CTDB_CALL_APPEND_IF 0xFF000023u
#define CTDB_CALL_NAMED 0xFF000024u

/* ---- Messages -------------------------------------------------------------------------------------------------- */

/* A message for a service. `data` is a loan until the handler returns. */
typedef void (*ctdb_message_fn)(ctdb_client* client, uint64_t srvid, ctdb_blob data, void* private_data);

/* Registers this client for messages to service `srvid` on this node; `handler` is run by ctdb_service() for each. Several
 * clients may register the same service, each gets a copy. 0xFFFFFFFFFFFFFFFF receives the messages of all services.
 * Errors: CTDB_ERR_EXISTS (this client has it already), CTDB_ERR_TIMEOUT, CTDB_ERR_BUSY, CTDB_ERR_REMOTE, CTDB_ERR_PROTOCOL. */
CTDB_API int ctdb_register(ctdb_client* client, uint64_t srvid, ctdb_message_fn handler, void* private_data,
                           int timeout_ms);
/* The handler may run before `done`. When the registration failed (reply->error, or status not 0) the handler is forgotten.
 * `done` may be NULL. */
CTDB_API int ctdb_register_send(ctdb_client* client, uint64_t srvid, ctdb_message_fn handler,
                                void* private_data, ctdb_reply_fn done, void* done_private_data,
                                uint32_t* id);

/* Ends a registration; the handler is not run again, whatever this returns. Errors: CTDB_ERR_NOT_FOUND, CTDB_ERR_TIMEOUT,
 * CTDB_ERR_BUSY, CTDB_ERR_REMOTE. */
CTDB_API int ctdb_deregister(ctdb_client* client, uint64_t srvid, int timeout_ms);

/* Sends a message to service `srvid` on node `pnn` (or a CTDB_PNN_… group). Does not wait. Messages of one client to one
 * node arrive in order. 0 means it is on its way to the router. There is no answer when all is well; a message to a
 * single node that the router could not deliver is reported to the handler of ctdb_on_undelivered().
 * Errors: CTDB_ERR_TOO_BIG, CTDB_ERR_FULL (ctdb_flush() or ctdb_service(), then try again). */
CTDB_API int ctdb_send_message(ctdb_client* client, uint32_t pnn, uint64_t srvid, ctdb_blob data);

/* The same, with a name of the program's own for the message, which a report repeats; ctdb_send_message() has tag 0. */
CTDB_API int ctdb_send_message_tagged(ctdb_client* client, uint32_t pnn, uint64_t srvid, ctdb_blob data,
                                      uint32_t tag);

/* Why a message was not delivered. */
enum {
  CTDB_UNDELIVERED_NO_NODE = 1,   /* no node has that number */
  CTDB_UNDELIVERED_NO_LINK = 2,   /* the node cannot be reached now */
  CTDB_UNDELIVERED_LINK_LOST = 3, /* the link to it ended while the message waited in this node */
  CTDB_UNDELIVERED_NOBODY = 4     /* it was for this node, and nobody here is registered for the service */
};
/* A short English sentence for `reason`, never NULL, static. */
CTDB_API const char* ctdb_undelivered_text(int reason);

/* A message that was not delivered to anybody. */
typedef struct ctdb_undelivered {
  uint32_t pnn; /* as it was addressed */
  uint32_t tag;
  uint64_t srvid;
  int reason; /* CTDB_UNDELIVERED_… */
} ctdb_undelivered;
typedef void (*ctdb_undelivered_fn)(ctdb_client* client, const ctdb_undelivered* message, void* private_data);

/* Has ctdb_service() run `handler` once for each message of this client that was not delivered (NULL: for none, as after
 * ctdb_connect()). What is not reported: messages to groups; a service without listeners on another node; messages
 * that had left this node when the link broke (whether they arrived nobody knows); of very many small messages that
 * waited for a link that broke the oldest (the newest 65536 of a node are reported); and messages on their way to a
 * router that died. A program that must know that a message was worked on asks for an answer by message.
 * The handler stays over ctdb_reconnect(). Errors: none but the common ones. */
CTDB_API int ctdb_on_undelivered(ctdb_client* client, ctdb_undelivered_fn handler, void* private_data);

/* Another ctdb-router has taken over from one that was killed or restarted. The connection goes on; messages of this client, or
 * to it, that were on their way at that moment may be lost without another word, also answers that others send as messages (as of a
 * traverse). */
typedef void (*ctdb_restart_fn)(ctdb_client* client, void* private_data);
/* `handler` is called once each time; NULL ends that. ctdb_stats counts them, too. */
CTDB_API int ctdb_on_restart(ctdb_client* client, ctdb_restart_fn handler, void* private_data);

/* ---- Controls -------------------------------------------------------------------------------------------------- */

#define CTDB_CONTROL_FLAG_NOREPLY 0x1u /* there will be no answer; needed for the CTDB_PNN_… groups */

/* One control of the CTDB protocol; payloads are what the protocol says. */
typedef struct ctdb_control_request {
  uint32_t node;   /* a node number or CTDB_PNN_… */
  uint32_t opcode; /* number of the control */
  uint64_t srvid;  /* used by a few controls, otherwise 0 */
  uint32_t flags;  /* CTDB_CONTROL_FLAG_… and the control's own */
  ctdb_blob data;
} ctdb_control_request;

/* Sends a control and waits for the answer. Returns 0 with *reply filled: look at reply->status, which is 0 for success, for
 * some controls a positive result, and negative when the control failed, with the reason in reply->text. With
 * CTDB_CONTROL_FLAG_NOREPLY it does not wait and *reply is empty.
 * A traverse (TRAVERSE_START, 20, to the own node) is a control whose records come as messages. There is no snapshot and no writer
 * waits. What is in the database all the time comes once, as it was at some time since 0.2 s before the beginning; what is
 * on its way between two nodes for longer than that may be missing. The last message has no key and no value. When
 * not all records could be read (a node left meanwhile, the own one was no member, a lock was held for seconds, it took too long) the one before
 * it has a key and no value, not even a record header: what came is not everything.
 * Errors: CTDB_ERR_INVALID (a group without CTDB_CONTROL_FLAG_NOREPLY), CTDB_ERR_TOO_BIG, CTDB_ERR_BUSY, CTDB_ERR_PROTOCOL; and when it may
 * have been carried out CTDB_ERR_TIMEOUT, CTDB_ERR_DISCONNECTED, CTDB_ERR_UNKNOWN (a ctdb-router that was restarted had it, see "Restarts"). */
CTDB_API int ctdb_control(ctdb_client* client, const ctdb_control_request* request, int timeout_ms,
                          ctdb_reply* reply);
/* With CTDB_CONTROL_FLAG_NOREPLY `done` must be NULL, otherwise not. */
CTDB_API int ctdb_control_send(ctdb_client* client, const ctdb_control_request* request, ctdb_reply_fn done,
                               void* private_data, uint32_t* id);

/* Asks node `pnn` for a sign of life. Errors: CTDB_ERR_REMOTE (no such node, or it cannot be reached), CTDB_ERR_TIMEOUT,
 * CTDB_ERR_BUSY, CTDB_ERR_PROTOCOL. */
CTDB_API int ctdb_ping(ctdb_client* client, uint32_t pnn, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* CTDB_H_ */
