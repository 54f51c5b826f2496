# SPDX-License-Identifier: GPL-3.0-or-later
# The story of a cluster on verbs: run in the guest.
. /host/cluster.sh

make_wires
configure
for i in $NODES; do start_node $i; done
wait_for "all nodes are healthy" healthy
wait_for "all links are on verbs" all_on verbs

# Migration and messages.
falls=$(falls) tcp=$(tcp_packets) verbs=$(verbs_packets)
increments "records move between three nodes" 50
/host/ctdb-bench --native /tmp/node0/setup.socket,/tmp/node1/setup.socket,/tmp/node2/setup.socket --seconds 1 \
  message_remote one_way_128 || fail "messages"
/host/ctdb-cli --base /tmp/node0 capture --write=/tmp/capture >/dev/null &
captures=$!
has_begun() { [ -s /tmp/capture ]; }
wait_for "a capture has begun" has_begun
increments "under a capture" 20
kill -TERM $captures
wait $captures || fail "capture"
grep -aq node0-verbs-node /tmp/capture || fail "a capture does not say what went over verbs"
same_tcp_packets "data" "$tcp"
[ $(($(verbs_packets) - verbs)) -ge 500 ] || fail "only $(verbs_packets) packets over verbs, $verbs before"
echo "ok data went over verbs"

# Recovery.
falls=$(falls) tcp=$(tcp_packets) verbs=$(verbs_packets) before=$(generation)
kill_daemon 1 ctdb-store
recovered() { [ "$(generation)" != "$before" ] && healthy; }
wait_for "a store is back and the cluster has recovered" recovered
increments "after a recovery" 10
same_tcp_packets "a recovery" "$tcp"
[ "$(verbs_packets)" -gt "$verbs" ] || fail "a recovery left verbs out"
echo "ok a recovery went over verbs"

# The RDMA wire is cut: TCP carries on, and nobody but the log hears of it.
downs=$(links_lost) before=$(generation)
cut_wire rdma 1
increments "while an RDMA wire is cut" 10
wait_for "the links of the cut wire are on TCP" links_of tcp 1
heal_wire rdma 1
# Tried less and less often while nothing arrived, once a minute in the end.
PATIENCE=$((PATIENCE + 60)) wait_for "all links are on verbs again" all_on verbs
# A host that stands still for seconds takes links down too, and then there is a new generation.
if [ "$(links_lost)" != "$downs" ]; then
  [ "$(generation)" != "$before" ] || fail "that was no reason to take a link down"
  echo "ok a wire was cut, with a link down in between"
fi
increments "after that" 10

# The other way round: TCP is the judge, whatever verbs could do.
before=$(generation)
cut_wire tcp 2
wait_for "a node whose TCP wire is cut is left out" healthy_without_2
heal_wire tcp 2
wait_for "it is back" healthy
wait_for "all links are on verbs after TCP was cut" all_on verbs
increments "after TCP was cut" 10

# A port goes down, which the device tells.
ip link set w0 down
wait_for "the links of a port that is down are on TCP" links_of tcp 0
increments "with a port down" 10
raise_rdma 0
wait_for "the port is up and its links on verbs" all_on verbs

# A peer is killed.
kill_daemon 2 ctdb-router
wait_for "a killed router is back" healthy
wait_for "its links are on verbs" all_on verbs
increments "after a router was killed" 10
cli 0 link list

half_below() { cli 0 link list | awk '$1 == 0 && $3 == "verbs" { print $(NF-8); exit }'; }
measured() { [ "$(half_below)" -gt 0 ] 2>/dev/null; }
wait_for "heart-beats were measured" measured
echo "ok round trip: less than $(half_below) us in half of the heart-beats"

# The same wire without daemons. Times in an emulated machine are for people; asserted is what does not depend on it.
BETWEEN="--sizes 128 --seconds 3"
ends() { echo --address 10.1.0.$1 --peer 10.1.0.$2; }
timeout 200 /host/ctdb-bench verbs $(ends 1 2) $BETWEEN >/tmp/rows || fail "ctdb-bench verbs: $(cat /tmp/rows)"
cat /tmp/rows
# figure ROW NAME
figure() { sed -n "/\"verbs_$1_/s/.*\"$2\": \([0-9.]*\).*/\1/p" /tmp/rows; }
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a <= b) }'; }
at_most "$(figure round_trip receiver_wakeups)" 1.1 || fail "more than one wake-up a message"
at_most "$(figure one_way receiver_wakeups)" 0.2 || fail "more than 0.2 wake-ups a message under load"
echo "ok wake-ups a message: $(figure round_trip receiver_wakeups) alone, $(figure one_way receiver_wakeups) under load"

# System calls of who receives and answers: what more messages cost more. This device, unlike hardware, is told of work by a system
# call, too.
# traced MESSAGES FILE: "name count" a line. A host that stands still for seconds takes the wire down: then once more.
traced() {
  local tries
  for tries in 1 2 3 4 5; do
    strace -f -c -o /tmp/calls /host/ctdb-bench verbs --as 1 $(ends 2 1) 2>/tmp/mirror &
    if timeout 90 /host/ctdb-bench verbs --as 0 $(ends 1 2) --sizes 128 --seconds 60 --messages $1 --only round_trip >/tmp/rows 2>&1; then
      wait $!
      awk '$4 ~ /^[0-9]+$/ && $NF != "total" { print $NF, $4 }' /tmp/calls >$2
      return
    fi
    pkill -P $! 2>/dev/null
    wait $!
    echo "ok traced again: $(tail -n 1 /tmp/rows)"
  done
  fail "ctdb-bench verbs under strace: $(cat /tmp/rows /tmp/mirror)"
}
traced 100 /tmp/few
traced 300 /tmp/many
a_message() { awk -v name=$1 '$1 == name { if (FILENAME == "/tmp/few") few = $2; else many = $2 } END { print (many - few) / 200 }' /tmp/few /tmp/many; }
for name in $(awk '{ print $1 }' /tmp/many); do
  calls=$(a_message $name)
  at_most 0.5 "$calls" && echo "ok $calls $name a message"
done
at_most "$(a_message epoll_pwait2)" 1.3 || fail "$(a_message epoll_pwait2) sleeps a message"
at_most "$(a_message read)" 1.3 || fail "$(a_message read) reads a message"

timeout 20 ibv_rc_pingpong -d rxe0 -g 1 -e -s 160 -n 300 >/tmp/pong &
listens() { grep -q ':4853 ' /proc/net/tcp /proc/net/tcp6; }  # port 18515
wait_for "the other end of ibv_rc_pingpong listens" listens
theirs=$(timeout 20 ibv_rc_pingpong -d rxe1 -g 1 -e -s 160 -n 300 127.0.0.1 | sed -n 's/.* = \([0-9.]*\) usec\/iter/\1/p')
timeout 200 /host/ctdb-bench verbs $(ends 1 2) $BETWEEN --only round_trip >/tmp/rows
echo "ok round trip: $(figure round_trip median_us) us router to router, ${theirs:-?} us ibv_rc_pingpong -e: $(awk \
  -v a="$(figure round_trip median_us)" -v b="${theirs:-0}" 'BEGIN { if (b > 0) printf "%.2f", a / b }') times"
