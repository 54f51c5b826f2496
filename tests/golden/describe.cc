// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/golden/describe.h"

#include <cstdio>

#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {
namespace {

// Collects "name=value" words.
class Line {
 public:
  Line& number(const char* name, uint64_t value) { return word(name, std::to_string(value)); }
  Line& signed_number(const char* name, int64_t value) { return word(name, std::to_string(value)); }
  Line& hex(const char* name, uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return word(name, text);
  }
  Line& bytes(const char* name, ByteView value) {
    std::string text;
    for (uint8_t byte : value) {
      constexpr char kDigits[] = "0123456789abcdef";
      text.push_back(kDigits[byte >> 4]);
      text.push_back(kDigits[byte & 15]);
    }
    return word(name, text);
  }
  Line& text(const char* name, std::string_view value) { return word(name, "'" + std::string(value) + "'"); }
  template <typename Numbers>
  Line& list(const char* name, const Numbers& values) {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
    return word(name, text);
  }
  Line& word(const std::string& name, const std::string& value) {
    if (!text_.empty()) text_ += ' ';
    text_ += name + "=" + value;
    return *this;
  }
  void malformed() { text_ += " malformed"; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void fields(Line& line, const ReqCall& p) {
  line.number("flags", p.flags).hex("db_id", p.db_id).hex("callid", p.callid).number("hopcount", p.hopcount);
  line.bytes("key", p.key).bytes("data", p.data);
}
void fields(Line& line, const ReplyCall& p) {
  line.signed_number("status", p.status).bytes("data", p.data);
}
void fields(Line& line, const ReqDmaster& p) {
  line.hex("db_id", p.db_id).number("rsn", p.rsn).number("dmaster", p.dmaster);
  line.hex("record_flags", p.record_flags).bytes("key", p.key).bytes("data", p.data);
}
void fields(Line& line, const ReplyDmaster& p) {
  line.hex("db_id", p.db_id).number("rsn", p.rsn).hex("record_flags", p.record_flags);
  line.bytes("key", p.key).bytes("data", p.data);
}
void fields(Line& line, const ReplyErrorPacket& p) {
  line.signed_number("status", p.status).text("text", p.text);
}
void fields(Line& line, const ReqMessage& p) {
  line.hex("srvid", p.srvid).bytes("data", p.data);
}
void fields(Line& line, const ReqControl& p) {
  const ControlRow* row = find_control(p.opcode);
  line.word("opcode", row != nullptr ? row->name : std::to_string(p.opcode)).hex("srvid", p.srvid);
  line.number("client_id", p.client_id).hex("flags", p.flags).bytes("data", p.data);
}
void fields(Line& line, const ReplyControl& p) {
  line.signed_number("status", p.status).bytes("data", p.data).text("error", p.error);
}
void fields(Line& line, const ReqTunnel& p) {
  line.hex("tunnel_id", p.tunnel_id).hex("flags", p.flags).bytes("data", p.data);
}

void fields(Line& line, const Hello& m) {
  line.number("version_min", m.version_min).number("version_max", m.version_max).hex("features", m.features);
  line.number("boot_id", m.boot_id).number("session", m.session).text("cluster_name", m.cluster_name);
  line.bytes("nonce", m.nonce).bytes("proof", m.proof);
}
void fields(Line& line, const HelloRefused& m) {
  line.text("reason", m.reason);
}
void fields(Line& line, const HelloProof& m) {
  line.bytes("proof", m.proof);
}
void fields(Line& line, const LinkPing& m) {
  line.number("sent_ns", m.sent_ns);
}
void fields(Line& line, const QueuePair& m) {
  line.number("attempt", m.attempt)
      .hex("number", m.number)
      .hex("first_psn", m.first_psn)
      .number("lid", m.lid);
  line.number("mtu", m.mtu).number("window", m.window).number("chunk_bytes", m.chunk_bytes);
  line.bytes("gid", m.gid);
}
void fields(Line& line, const VerbsSwitch& m) {
  line.number("attempt", m.attempt);
}
void fields(Line& line, const VerbsDown& m) {
  line.number("attempt", m.attempt).number("received", m.received).text("reason", m.reason);
}
void fields(Line& line, const LinkState& m) {
  line.number("pnn", m.pnn).number("up", m.up).number("session", m.session).number("gone", m.gone);
}
void fields(Line& line, const DaemonState& m) {
  line.number("role", static_cast<uint64_t>(m.role)).number("up", m.up).number("instance", m.instance);
}
void fields(Line& line, const ClusterState& m) {
  line.number("generation", m.generation)
      .number("recovery_mode", m.recovery_mode)
      .number("runstate", m.runstate);
  line.number("leader", m.leader).number("term", m.term).list("node_flags", m.node_flags);
  line.list("members", m.members).text("reason", m.reason).list("voters", m.voters);
}
void fields(Line& line, const TunablesMessage& m) {
  line.list("values", m.values);
}
void fields(Line& line, const MessageFailed& m) {
  line.number("reason", static_cast<uint64_t>(m.reason)).number("node", m.node).number("srvid", m.srvid);
}
void fields(Line& line, const ClientGone& m) {
  line.number("endpoint", m.endpoint);
}
void fields(Line& line, const VoteRequest& m) {
  line.number("term", m.term).number("generation", m.generation).number("trial", m.trial);
  line.hex("nodes", m.nodes);
}
void fields(Line& line, const VoteReply& m) {
  line.number("term", m.term)
      .number("granted", m.granted)
      .number("trial", m.trial)
      .number("leader", m.leader)
      .number("silent", m.silent);
}
void fields(Line& line, const Heartbeat& m) {
  line.number("term", m.term)
      .number("sequence", m.sequence)
      .number("acked", m.acked)
      .number("late", m.late)
      .number("wanted", m.wanted);
  fields(line, m.state);
  for (const LeftOut& node : m.left_out) {
    line.number("left_out", node.pnn).number("lasts", node.lasts).number("left", node.left);
    line.number("over", node.over).text("reason", node.reason);
  }
}
void fields(Line& line, const HeartbeatReply& m) {
  line.number("term", m.term).number("sequence", m.sequence).number("flags", m.flags);
  line.number("capabilities", m.capabilities).number("store_up", m.store_up);
  line.number("store_instance", m.store_instance).number("open_generation", m.open_generation);
  line.number("prepared_generation", m.prepared_generation).list("reachable", m.reachable);
  line.list("sessions", m.sessions).number("wants_recovery", m.wants_recovery);
  line.number("decided_generation", m.decided_generation)
      .number("serving", m.serving)
      .number("stopped", m.stopped)
      .number("open", m.open);
}
void fields(Line& line, const RecoveryBegin& m) {
  line.number("term", m.term).number("generation", m.generation).number("base_generation", m.base_generation);
  line.list("members", m.members).list("voters", m.voters).list("base_members", m.base_members);
}
void fields(Line& line, const NodeListMessage& m) {
  line.number("asks", m.asks).number("open", m.open).number("decided_generation", m.decided_generation);
  line.text("quorum_rule", m.quorum_rule);
  for (const NodeEntry& node : m.nodes) line.text(node.witness ? "witness" : "node", node.address);
}
void fields(Line& line, const StoreRecovered& m) {
  line.number("generation", m.generation)
      .number("ok", m.ok)
      .number("records_sent", m.statistics.records_sent);
  line.number("records_decided", m.statistics.records_decided);
  line.number("records_assigned", m.statistics.records_assigned)
      .number("bytes_sent", m.statistics.bytes_sent);
  line.number("databases", m.statistics.databases.size());
  line.text("error", m.error).list("about", m.about).number("all_claimed", m.all_claimed);
}
void fields(Line& line, const RecoveryCommit& m) {
  line.number("term", m.term).number("generation", m.generation);
}
void note(Line& line, const OpenNote& m) {
  line.number("leader", m.leader).number("store_instance", m.store_instance).list("members", m.members);
  line.list("sessions", m.sessions);
}
void fields(Line& line, const StoreOpen& m) {
  line.number("term", m.term).number("generation", m.generation);
  note(line, m.note);
  line.number("everybody", m.everybody);
}
void fields(Line& line, const StoreQuery& m) {
  line.number("number", m.number);
}
void fields(Line& line, const StoreSuspend& m) {
  line.number("discard", m.discard).text("reason", m.reason);
}
void fields(Line& line, const StoreHello& m) {
  line.number("open_generation", m.open_generation).number("prepared_generation", m.prepared_generation);
  line.number("databases", m.databases).number("asked", m.asked);
  note(line, m.note);
}
void position(Line& line, const char* name, const LogPosition& at) {
  line.word(name, std::to_string(at.generation) + "/" + std::to_string(at.number));
}
void fields(Line& line, const RecordDatabases& m) {
  line.number("generation", m.generation);
  for (const DatabaseEntry& entry : m.databases) line.text("name", entry.name).number("flags", entry.flags);
  position(line, "log_end", m.log_end);
  line.number("log_trusted", m.log_trusted);
  line.number("knows_detached", m.knows_detached).number("open_generation", m.open_generation);
  for (const DetachedEntry& entry : m.detached)
    line.text("detached", entry.name).number("from", entry.generation);
}
void fields(Line& line, const CommitSubmit& m) {
  line.hex("id", m.id).number("kind", static_cast<uint64_t>(m.kind)).number("again", m.again);
  line.bytes("payload", m.payload);
}
void fields(Line& line, const CommitResult& m) {
  line.hex("id", m.id).signed_number("status", m.status).text("error", m.error);
}
void fields(Line& line, const CommitAppend& m) {
  position(line, "previous", m.previous);
  position(line, "committed", m.committed);
  line.number("restart", m.restart);
  for (const CommitEntry& entry : m.entries) {
    position(line, "position", entry.position);
    line.number("kind", static_cast<uint64_t>(entry.kind)).number("origin", entry.origin);
    line.hex("id", entry.id).bytes("payload", entry.payload);
  }
}
void fields(Line& line, const CommitAppended& m) {
  position(line, "end", m.end);
  line.number("ok", m.ok).text("error", m.error);
}
void fields(Line& line, const CommitApply& m) {
  position(line, "committed", m.committed);
  line.number("tell_digests", m.tell_digests).number("complete", m.complete);
}
void fields(Line& line, const CommitApplied& m) {
  position(line, "applied", m.applied);
  line.number("with_digests", m.with_digests);
  for (const DatabaseDigest& digest : m.digests) {
    line.hex("db_id", digest.db_id).hex("digest", digest.digest).number("records", digest.records);
    line.number("sequence", digest.sequence);
  }
  line.hex("taken_db_id", m.taken_db_id);
}
void fields(Line& line, const DatabaseWanted& m) {
  line.hex("db_id", m.db_id).number("node", m.node);
}
void fields(Line& line, const DatabaseContent& m) {
  line.hex("db_id", m.db_id).number("part", m.part).number("last", m.last).bytes("records", m.records);
}
void fields(Line& line, const RecordClaims& m) {
  line.number("generation", m.generation).hex("db_id", m.db_id);
  for (const RecordClaim& claim : m.claims) {
    line.bytes("key", claim.key).number("rsn", claim.rsn).number("dmaster", claim.dmaster);
    line.hex("flags", claim.flags).number("data_size", claim.data_size);
  }
}
void fields(Line& line, const RecordEnd& m) {
  line.number("generation", m.generation).number("batches", m.batches).number("empty_handed", m.empty_handed);
  line.number("forgetful", m.forgetful);
}
void fields(Line& line, const RecordAssign& m) {
  line.number("generation", m.generation).hex("db_id", m.db_id);
  for (const RecordAssignment& assignment : m.assignments) {
    line.bytes("key", assignment.key)
        .number("rsn", assignment.rsn)
        .number("dmaster", assignment.dmaster)
        .number("older", assignment.older)
        .number("delegated", assignment.delegated);
  }
}
void fields(Line& line, const RecordCopy& m) {
  line.hex("db_id", m.db_id)
      .number("rsn", m.rsn)
      .hex("flags", m.flags)
      .bytes("key", m.key)
      .bytes("data", m.data);
}
void fields(Line& line, const RecordCopied& m) {
  line.hex("db_id", m.db_id).bytes("key", m.key);
}
void fields(Line& line, const RecordForget& m) {
  line.hex("db_id", m.db_id).number("step", static_cast<uint64_t>(m.step));
  for (const ForgetRecord& record : m.records) line.bytes("key", record.key).number("rsn", record.rsn);
}
void fields(Line& line, const RecordForgotten& m) {
  line.hex("db_id", m.db_id).number("step", static_cast<uint64_t>(m.step)).bytes("results", m.results);
}

// Calls visit(decoded) with what the packet carries; visit is not called for operations without a codec. False:
// malformed.
template <typename Visit>
bool decode(ByteView packet, const Visit& visit) {
  const auto pass = [&visit](const auto& decoded) {
    if (decoded) visit(*decoded);
    return decoded.has_value();
  };
  switch (static_cast<Operation>(read_header(packet).operation)) {
    case Operation::REQ_CALL:
      return pass(parse_req_call(packet));
    case Operation::REPLY_CALL:
      return pass(parse_reply_call(packet));
    case Operation::REQ_DMASTER:
      return pass(parse_req_dmaster(packet));
    case Operation::REPLY_DMASTER:
      return pass(parse_reply_dmaster(packet));
    case Operation::REPLY_ERROR:
      return pass(parse_reply_error(packet));
    case Operation::REQ_MESSAGE:
      return pass(parse_req_message(packet));
    case Operation::REQ_CONTROL:
      return pass(parse_req_control(packet));
    case Operation::REPLY_CONTROL:
      return pass(parse_reply_control(packet));
    case Operation::REQ_TUNNEL:
      return pass(parse_req_tunnel(packet));
#define OWN(operation, type) \
  case Operation::operation: \
    return pass(type::decode(own_payload(packet)));
#include "tests/golden/own_operations.def"
    default:
      return true;
  }
}

// Classic packets have builders of their own, payloads of ours are wrapped.
template <typename Body>
concept OwnPayload = requires(const Body& body) {
  body.encode();
};

}  // namespace

std::string describe(ByteView packet) {
  Line line;
  if (check_header(packet) != HeaderFault::kNone) {
    line.number("bytes", packet.size());
    line.malformed();
    return line.take();
  }
  const Header header = read_header(packet);
  const OperationRow* row = find_operation(header.operation);
  line.word("operation", row != nullptr ? row->name : std::to_string(header.operation));
  line.number("length", header.length).hex("generation", header.generation).hex("destnode", header.destnode);
  line.hex("srcnode", header.srcnode).hex("reqid", header.reqid);
  if (!decode(packet, [&line](const auto& decoded) { fields(line, decoded); })) line.malformed();
  return line.take();
}

std::optional<Bytes> rebuild(ByteView packet) {
  if (check_header(packet) != HeaderFault::kNone) return std::nullopt;
  Bytes out;
  const Header header = read_header(packet);
  const bool whole = decode(packet, [&](const auto& decoded) {
    if constexpr (OwnPayload<std::decay_t<decltype(decoded)>>) {
      build_own(out, header, decoded.encode());
    } else {
      build(out, header, decoded);
    }
  });
  if (!whole || out.empty()) return std::nullopt;
  return out;
}

}  // namespace ctdb
