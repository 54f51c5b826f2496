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

# For people: the same wire without us. Nothing is asserted about time in an emulated machine.
timeout 20 ibv_rc_pingpong -d rxe0 -g 1 -e -s 160 -n 300 >/tmp/pong &
listens() { grep -q ':4853 ' /proc/net/tcp /proc/net/tcp6; }  # port 18515
wait_for "the other end of it listens" listens
timeout 20 ibv_rc_pingpong -d rxe1 -g 1 -e -s 160 -n 300 127.0.0.1 | tail -n 1 || true
half_below() { cli 0 link list | awk '$1 == 0 && $3 == "verbs" { print $(NF-8); exit }'; }
measured() { [ "$(half_below)" -gt 0 ] 2>/dev/null; }
wait_for "heart-beats were measured" measured
echo "ok round trip: less than $(half_below) us in half of the heart-beats"
