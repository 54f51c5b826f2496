# SPDX-License-Identifier: GPL-3.0-or-later
# In the guest: three nodes, their TCP in namespaces on one bridge, their RDMA devices in the root namespace on another, so that
# each wire can be cut alone. Every step waits for what it expects; "ok NAME" is printed for each that came. Sourced by run.sh.

. /host/steps.sh

NODES="0 1 2"
cd /tmp

show() {
  for i in $NODES; do echo "-- node $i"; tail -n 25 /tmp/node$i/log.*; done
  cli 0 link list; cli 0 node list
  dmesg | tail -n 5
}
# ---- wires ----

make_wires() {
  ip link add rdma type bridge && ip link add tcp type bridge
  ip link set rdma up && ip link set tcp up
  # The bridge itself has no address and must not answer for those of this machine: who believes it sends past the RDMA device.
  echo 1 >/proc/sys/net/ipv4/conf/rdma/arp_ignore
  local i
  for i in $NODES; do
    ip link add w$i type veth peer name p$i
    ip link set p$i master rdma up
    ip addr add 10.1.0.$((i + 1))/32 dev w$i
    for set in accept_local=1 rp_filter=0 arp_ignore=1 arp_announce=2; do
      echo "${set#*=}" >/proc/sys/net/ipv4/conf/w$i/"${set%=*}"
    done
    ip rule add pref $((100 + i)) iif lo from 10.1.0.$((i + 1)) lookup $((100 + i))
    raise_rdma $i
    rdma link add rxe$i type rxe netdev w$i
    ip netns add n$i
    ip link add t$i type veth peer name eth0 netns n$i
    ip link set t$i master tcp up
    inside $i ip link set lo up
    inside $i ip addr add 10.0.0.$((i + 1))/24 dev eth0
    inside $i ip link set eth0 up
  done
  echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
  # What is sent from one of these addresses goes out on its wire, also to another of this machine's.
  ip rule add pref 200 lookup local && ip rule del pref 0
}
inside() { local i=$1; shift; nsenter --net=/run/netns/n$i "$@"; }
raise_rdma() {
  ip link set w$1 up
  ip route replace 10.1.0.0/24 dev w$1 src 10.1.0.$(($1 + 1)) table $((100 + $1))
}
# cut_wire tcp|rdma NODE: loses all packets both ways, and nobody is told.
cut_wire() {
  if [ $1 = rdma ]; then
    tc qdisc add dev w$2 root netem loss 100% && tc qdisc add dev p$2 root netem loss 100%
  else
    tc qdisc add dev t$2 root netem loss 100% && inside $2 tc qdisc add dev eth0 root netem loss 100%
  fi
}
heal_wire() {
  if [ $1 = rdma ]; then
    tc qdisc del dev w$2 root && tc qdisc del dev p$2 root
  else
    tc qdisc del dev t$2 root && inside $2 tc qdisc del dev eth0 root
  fi
}

# ---- nodes ----

configure() {
  local i
  for i in $NODES; do
    mkdir -p /tmp/node$i
    printf '10.0.0.1\n10.0.0.2\n10.0.0.3\n' >/tmp/node$i/nodes
    printf '[cluster]\nnode address = 10.0.0.%s\n[verbs]\ndevice = rxe%s\ngid index = 1\n' $((i + 1)) $i >/tmp/node$i/ctdb.conf
  done
}
# Restarted when it ends, as systemd would.
start_daemon() {  # NODE DAEMON
  while :; do
    (exec nsenter --net=/run/netns/n$1 /host/$2 --base /tmp/node$1 >>/tmp/node$1/log.$2 2>&1 </dev/null) &
    echo $! >/tmp/node$1/pid.$2
    wait $! 2>/dev/null
    sleep 0.2  # one that cannot start must not keep the others from running
  done &
}
start_node() {
  local daemon
  for daemon in ctdb-router ctdb-store ctdb-recoveryd; do start_daemon $1 $daemon; done
}
kill_daemon() { kill -9 "$(cat /tmp/node$1/pid.$2)"; }
cli() { local i=$1; shift; /host/ctdb-cli --base /tmp/node$i --timeout 20 "$@"; }
healthy() { local i; for i in ${*:-$NODES}; do cli $i status >/dev/null 2>&1 || return 1; done; }

# The table of links: "node peer kind tcp_out tcp_in verbs_out verbs_in" a line.
links() { cli ${1:-0} link list 2>/dev/null | awk '/NODE.*PEER.*BELOW/ { exit } $3 ~ /^(tcp|verbs|down)$/ { print $1, $2, $3, $(NF-3), $(NF-2), $(NF-1), $NF }'; }
all_on() { [ "$(links | awk -v kind=$1 '$3 == kind' | wc -l)" = 6 ]; }
# links_of KIND NODE: both links of that node, seen from both ends.
links_of() { [ "$(links | awk -v kind=$1 -v node=$2 '($1 == node || $2 == node) && $3 == kind' | wc -l)" = 4 ]; }
# All six ends have to be there, or the sum says nothing.
tcp_packets() { links | awk '{ sum += $4 + $5 } END { print NR == 6 ? sum + 0 : "unknown (" NR " links)"; exit NR != 6 }'; }
# How often links fell back to TCP or went down: what an overloaded host is enough for, as far as nobody cut a wire.
falls() { cat /tmp/node*/log.ctdb-router | grep -c "link to .* is \(back on TCP\|down\)"; }
same_tcp_packets() {  # WHAT BEFORE; needs $falls
  local now; now=$(tcp_packets) || fail "$1: packets over TCP: $now"
  if [ "$now" = "$2" ]; then
    echo "ok $1: none of it over TCP"
  else
    [ "$(falls)" != "$falls" ] || fail "$1 went over TCP: $now packets, $2 before"
    echo "ok $1, with a fall"
  fi
}
verbs_packets() { links | awk '{ sum += $6 + $7 } END { print sum + 0 }'; }
links_lost() { cat /tmp/node*/log.ctdb-router | grep -c "link to .* is down"; }
generation() { cli ${1:-0} status -o json | awk -F'[:,]' '/"generation"/ { print $2 + 0; exit }'; }

healthy_without_2() { [ "$(generation)" != "$before" ] && [ "$(cli 0 node list 2>/dev/null | grep -c "10.0.0.*OK")" = 2 ]; }

# ---- load ----

# increment NODE COUNT: prints the record's value at the end.
increment() { /host/ctdb-increment --setup /tmp/node$1/setup.socket --db counter.tdb --key total --count $2; }
# All nodes want the same record, COUNT times each, and none of the increments may be missing. But when a node lost its lease
# meanwhile, which an overloaded host is enough for: then a record may have fallen back to an older copy.
increments() {  # TEXT COUNT
  local i pid pids=() most=0 value wanted before
  before=$(generation)
  wanted=$(($(increment 0 1) + 3 * $2))
  for i in $NODES; do
    increment $i $2 >/tmp/increments.$i &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || fail "$1: an increment failed"; done
  for i in $NODES; do
    value=$(tail -n 1 /tmp/increments.$i)
    [ "${value:-0}" -gt $most ] && most=$value
  done
  if [ "$most" != $wanted ]; then
    [ "$(generation)" != "$before" ] || fail "$1: the counter says $most, not $wanted"
    echo "ok $1, with a recovery in between"
  else
    echo "ok $1: $((3 * $2 + 1)) increments"
  fi
}
