/* SPDX-License-Identifier: GPL-3.0-or-later
 * A libibverbs.so.1 without hardware: devices fake0 to fake3 with the addresses 127.0.0.1 to 127.0.0.4, all in one process, whose threads
 * may call it. It keeps to what the real one promises and no more, as strictly as the strictest hardware: wake-ups only for what was
 * asked for, queues of the size asked for, buffers only where they were registered, and a queue pair that is destroyed too early
 * takes the receive buffers of its completions along. These functions make faults and tell what happened. */
#ifndef CTDB_TESTS_VERBS_FAKE_IBVERBS_H_
#define CTDB_TESTS_VERBS_FAKE_IBVERBS_H_

#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fake_verbs_counts {
  uint64_t doorbells;       /* ibv_post_send */
  uint64_t wakeups;         /* completion events */
  uint64_t event_reads;     /* ibv_get_cq_event, with or without one: a system call each */
  uint64_t notifies;        /* ibv_req_notify_cq */
  uint64_t completions;     /* polled */
  uint64_t messages;        /* delivered */
  uint64_t solicited;       /* of these, such as wake who waits for nothing else */
  uint64_t dry;             /* messages that found no receive buffer */
  uint64_t lost_receives;   /* receive buffers lost with a queue pair */
  uint64_t misuses;         /* calls that no device would accept */
  uint64_t lists;           /* ibv_get_device_list */
  uint64_t opens;           /* ibv_open_device */
  uint64_t contexts, pairs; /* open now */
};
struct fake_verbs_counts fake_verbs_counts_now(void);

/* Back to a machine whose devices all work. Nothing may be open. */
void fake_verbs_reset(void);
/* `infiniband`: their ports are. What they then have for addresses says fake_verbs_gid(). */
void fake_verbs_set_devices(int count, int infiniband);
/* Of each device; more than one only if they are InfiniBand. */
void fake_verbs_set_ports(int count);
/* That InfiniBand port's address, numbered within its device from 1. */
union ibv_gid fake_verbs_gid(int device, int port);
/* A subnet manager gives that InfiniBand device's port another LID. */
void fake_verbs_move_lid(int device);
/* Device 0 is in another InfiniBand subnet than the others. */
void fake_verbs_split_subnet(void);
/* How the last queue pair of that device was connected: its port, index of its partition, and route. */
struct fake_verbs_path {
  int port, partition_index;
  struct ibv_ah_attr route;
};
struct fake_verbs_path fake_verbs_last_path(int device);
/* That device has a device file, which does not exist. */
void fake_verbs_lose_file(int device);
/* From now on sends of all devices wait, until they are let go in order, or fail. */
void fake_verbs_hold(int held);
/* Every send that waits, and every later one until fake_verbs_hold(0), fails with `status` on the sender's side. */
void fake_verbs_fail_sends(enum ibv_wc_status status);
/* The next receive of that device completes with `status`. */
void fake_verbs_fail_next_receive(int device, enum ibv_wc_status status);
/* Is given every message before it is delivered, may change it; returns its new size. NULL: none. */
void fake_verbs_tamper(size_t (*tamper)(uint8_t* message, size_t size));
/* An event of the device, or of each of its queue pairs if it is about one. */
void fake_verbs_raise(int device, enum ibv_event_type type);
void fake_verbs_set_port(int device, int up);
/* The call of this name ("ibv_open_device", ...) fails with `error`, until it is 0. */
void fake_verbs_break(const char* call, int error);
/* From now on connecting queue pairs blocks in the caller's thread, until it is let go. */
void fake_verbs_hold_connects(int held);
/* Whether queue pairs in their error state say that nothing more comes. */
void fake_verbs_tell_last_receive(int told);
/* The nodes' addresses are at another index of the tables. */
void fake_verbs_move_gid(uint32_t index);
void fake_verbs_set_inline_max(uint32_t bytes);
void fake_verbs_set_cq_max(int entries);

#ifdef __cplusplus
}
#endif

#endif /* CTDB_TESTS_VERBS_FAKE_IBVERBS_H_ */
