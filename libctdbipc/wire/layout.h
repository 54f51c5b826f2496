// SPDX-License-Identifier: LGPL-3.0-or-later
/* Offsets, sizes and numbers of the CTDB protocol, version 1 (wire-protocol §2-§7). Readable from C: the
 * dissector includes it too. All integers are little endian (host order of the only hosts supported). */
#ifndef LIBCTDBIPC_WIRE_LAYOUT_H_
#define LIBCTDBIPC_WIRE_LAYOUT_H_

#define CTDB_MAGIC 0x43544442u
#define CTDB_PROTOCOL_VERSION 1u
#define CTDB_TCP_PORT 4379

/* Common header, §2 */
#define CTDB_OFF_LENGTH 0
#define CTDB_OFF_MAGIC 4
#define CTDB_OFF_VERSION 8
#define CTDB_OFF_GENERATION 12
#define CTDB_OFF_OPERATION 16
#define CTDB_OFF_DESTNODE 20
#define CTDB_OFF_SRCNODE 24
#define CTDB_OFF_REQID 28
#define CTDB_HEADER_SIZE 32

/* Fixed part of each packet type = offset of its variable part, §4 */
#define CTDB_REQ_CALL_FIXED 56
#define CTDB_REPLY_CALL_FIXED 40
#define CTDB_REQ_DMASTER_FIXED 60
#define CTDB_REPLY_DMASTER_FIXED 56
#define CTDB_REPLY_ERROR_FIXED 40
#define CTDB_REQ_MESSAGE_FIXED 44
#define CTDB_REQ_CONTROL_FIXED 60
#define CTDB_REPLY_CONTROL_FIXED 44
#define CTDB_REQ_KEEPALIVE_FIXED 40
#define CTDB_REQ_TUNNEL_FIXED 48

/* Special node numbers, §3 */
#define CTDB_CURRENT_NODE 0xF0000001u
#define CTDB_BROADCAST_ALL 0xF0000002u
#define CTDB_BROADCAST_ACTIVE 0xF0000003u
#define CTDB_BROADCAST_CONNECTED 0xF0000004u
#define CTDB_MULTICAST 0xF0000005u
#define CTDB_UNKNOWN_PNN 0xFFFFFFFFu
#define CTDB_INVALID_GENERATION 1u
#define CTDB_INVALID_REQID 0xFFFFFFFFu

/* Call flags and ids, §4.1 */
#define CTDB_CALL_IMMEDIATE_MIGRATION 0x1u
#define CTDB_CALL_VACUUM_MIGRATION 0x2u
#define CTDB_CALL_WANT_READONLY 0x4u
#define CTDB_FUNC_NULL 0xFF000001u
#define CTDB_FUNC_FETCH 0xFF000002u
#define CTDB_FUNC_FETCH_WITH_HEADER 0xFF000003u
/* Ours: the record's data to the nodes that hold copies of it. Data: u64 serving epoch in which the caller changed it, u32
 * copies its database has, as it knows. Status: nodes that have it now; negative: the change may be lost. */
#define CTDB_FUNC_COPY 0xFF000010u
/* Ours: the record is the caller's alone until it lets go, commits or is gone; others wait in the order they came. Works in
 * recoveries, not over an end of the node's membership. The answer is the record's data. */
#define CTDB_FUNC_HOLD 0xFF000011u
/* Lets a held record go, or withdraws the wish. Never answered. */
#define CTDB_FUNC_RELEASE 0xFF000012u
/* A transaction under a hold, which ends with it. Data: rec_buffer as of TRANS3_COMMIT. Status as there, or -2: nothing was
 * written because the hold is lost or another transaction came first. The answer's data are an error text. */
#define CTDB_FUNC_COMMIT 0xFF000013u
/* The record has been emptied: what SCHEDULE_FOR_DELETION says, by the shorter way. Never answered. */
#define CTDB_FUNC_DELETED 0xFF000014u
/* A client has found the database's file damaged. The key says nothing. Never answered. */
#define CTDB_FUNC_DAMAGED 0xFF000015u
/* Ours: functions that change a record where it is; arguments and results: record_functions.h. A store runs one at most once,
 * and only for clients of rings; IMMEDIATE_MIGRATION has the record come to the caller's node first. */
#define CTDB_FUNC_ADD 0xFF000020u
#define CTDB_FUNC_COMPARE_AND_SWAP 0xFF000021u
#define CTDB_FUNC_APPEND 0xFF000022u
#define CTDB_FUNC_APPEND_IF 0xFF000023u
/* A function of a plug-in. Data: u32 size, its name, its own argument. */
#define CTDB_FUNC_NAMED 0xFF000024u
#define CTDB_FUNC_FIRST_CHANGING CTDB_FUNC_ADD
#define CTDB_FUNC_LAST_CHANGING 0xFF00002Fu
/* Status of their REPLY_CALL. When it is negative nothing was changed, but for UNKNOWN, and the data are an English text. */
#define CTDB_FUNC_STATUS_DONE 0
#define CTDB_FUNC_STATUS_UNEQUAL 1  /* the condition does not hold; nothing was changed */
#define CTDB_FUNC_STATUS_REFUSED -1 /* by a store */
#define CTDB_FUNC_STATUS_NO_FUNCTION -2
#define CTDB_FUNC_STATUS_BAD_ARGUMENT -3
#define CTDB_FUNC_STATUS_NO_COUNTER -4 /* the value is not 8 bytes long */
#define CTDB_FUNC_STATUS_OVERFLOW -5
#define CTDB_FUNC_STATUS_TOO_BIG -6
#define CTDB_FUNC_STATUS_UNKNOWN -7 /* it may have been done or not */
#define CTDB_FUNC_STATUS_FAILED -8  /* the function of a plug-in refused; the text is its own */
#define CTDB_FUNC_STATUS_FAULT -9   /* the function of a plug-in broke its contract */

/* Control flags, §4.7 */
#define CTDB_CONTROL_NOREPLY 0x1u
#define CTDB_CONTROL_ATTACH_BY_RECOVERY 0x00020000u

/* Record header, §5: u64 rsn, u32 dmaster, u32 reserved, u32 flags, 4 bytes padding */
#define CTDB_RECORD_HEADER_SIZE 24
#define CTDB_OFF_RECORD_FLAGS 16
#define CTDB_RECORD_MIGRATED_WITH_DATA 0x00010000u
#define CTDB_RECORD_VACUUM_MIGRATED 0x00020000u
#define CTDB_RECORD_AUTOMATIC 0x00040000u
/* Ours: the copy that became the record when its owner was lost; the next store of a native client takes it away. Also in
 * ctdb.h. */
#define CTDB_RECORD_MAY_BE_OLDER 0x00100000u
#define CTDB_RECORD_RO_HAVE_DELEGATIONS 0x01000000u
#define CTDB_RECORD_RO_HAVE_READONLY 0x02000000u
#define CTDB_RECORD_RO_REVOKING_READONLY 0x04000000u
#define CTDB_RECORD_RO_REVOKE_COMPLETE 0x08000000u

/* Node flags, §7.4 */
#define CTDB_NODE_DISCONNECTED 0x01u
#define CTDB_NODE_UNHEALTHY 0x02u
#define CTDB_NODE_DISABLED 0x04u
#define CTDB_NODE_BANNED 0x08u
#define CTDB_NODE_DELETED 0x10u
#define CTDB_NODE_STOPPED 0x20u
#define CTDB_NODE_INACTIVE 0x39u
/* Ours: it votes and holds no records. It has STOPPED as well, which is how classic programs see it. */
#define CTDB_NODE_WITNESS 0x00010000u

/* Run states and recovery modes, §7.4 */
#define CTDB_RUNSTATE_INIT 1u
#define CTDB_RUNSTATE_SETUP 2u
#define CTDB_RUNSTATE_FIRST_RECOVERY 3u
#define CTDB_RUNSTATE_STARTUP 4u
#define CTDB_RUNSTATE_RUNNING 5u
#define CTDB_RUNSTATE_SHUTDOWN 6u
#define CTDB_RECOVERY_NORMAL 0u
#define CTDB_RECOVERY_ACTIVE 1u

#define CTDB_CAPABILITY_RECMASTER 0x1u
#define CTDB_CAPABILITY_LMASTER 0x2u
#define CTDB_CAPABILITIES_DEFAULT 0x00030003u

/* Database flags of dbid_map, §7.5 */
#define CTDB_DB_PERSISTENT 0x1u
#define CTDB_DB_READONLY 0x2u
#define CTDB_DB_STICKY 0x4u
#define CTDB_DB_REPLICATED 0x8u

/* Well-known srvids, §10 */
#define CTDB_SRVID_ALL 0xFFFFFFFFFFFFFFFFull
#define CTDB_SRVID_LEADER 0xF101000000000000ull
#define CTDB_SRVID_RECONFIGURE 0xF200000000000000ull
#define CTDB_SRVID_RELEASE_IP 0xF300000000000000ull
#define CTDB_SRVID_MEM_DUMP 0xF800000000000000ull
#define CTDB_SRVID_TAKEOVER_RUN 0xFB00000000000000ull
#define CTDB_SRVID_DISABLE_TAKEOVER_RUNS 0xFB03000000000000ull
#define CTDB_SRVID_DISABLE_RECOVERIES 0xFB04000000000000ull

#endif /* LIBCTDBIPC_WIRE_LAYOUT_H_ */
