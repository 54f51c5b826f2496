// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/counters_publisher.h"

namespace ctdb {

void CountersPublisher::put(const Router& router, const TransportFigures& links, const ShellFigures& shell) {
  const RouterCounts& c = router.counts();
  const auto set = [this](Counter counter, uint64_t value) { counters_.set(counter, value); };
  set(Counter::router_wakeups, shell.wakeups);
  set(Counter::router_clients, router.client_count());
  set(Counter::router_client_packets_in, c.client_packets_in);
  set(Counter::router_client_packets_out, c.client_packets_out);
  set(Counter::router_client_req_call, c.client_req_call);
  set(Counter::router_client_req_message, c.client_req_message);
  set(Counter::router_client_req_control, c.client_req_control);
  set(Counter::router_client_req_tunnel, c.client_req_tunnel);
  set(Counter::router_node_packets_in, c.node_packets_in);
  set(Counter::router_node_packets_out, c.node_packets_out);
  const auto set_operation = [&](Counter counter, Operation operation) {
    set(counter, c.node_operations[static_cast<size_t>(operation)]);
  };
  set_operation(Counter::router_node_req_call, Operation::REQ_CALL);
  set_operation(Counter::router_node_reply_call, Operation::REPLY_CALL);
  set_operation(Counter::router_node_req_dmaster, Operation::REQ_DMASTER);
  set_operation(Counter::router_node_reply_dmaster, Operation::REPLY_DMASTER);
  set_operation(Counter::router_node_reply_error, Operation::REPLY_ERROR);
  set_operation(Counter::router_node_req_message, Operation::REQ_MESSAGE);
  set_operation(Counter::router_node_req_control, Operation::REQ_CONTROL);
  set_operation(Counter::router_node_reply_control, Operation::REPLY_CONTROL);
  set_operation(Counter::router_node_req_tunnel, Operation::REQ_TUNNEL);
  set(Counter::router_keepalives_in, links.keepalives_in);
  set(Counter::router_keepalives_out, links.keepalives_out);
  set(Counter::router_control_timeouts, c.control_timeouts);
  set(Counter::router_bad_packets, c.bad_packets + shell.skipped_packets);
  set(Counter::router_undeliverable, c.undeliverable);
  set(Counter::router_links_up, shell.links_up);
  set(Counter::router_link_resets, links.resets);
  set(Counter::router_clients_cut, shell.clients_cut);
}

void CountersPublisher::put_status(const std::string& text) {
  if (text == status_) return;
  status_ = text;
  counters_.set_status(text);
}

}  // namespace ctdb
