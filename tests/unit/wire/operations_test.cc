// SPDX-License-Identifier: GPL-3.0-or-later
// messages.def against the tables of wire-protocol §4 and §8.1, written out here a second time on purpose.
#include "libctdbipc/wire/operations.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "libctdbipc/wire/layout.h"

namespace ctdb {
namespace {

struct Expected {
  uint32_t number;
  const char* name;
  bool local_only = false;
};

// clang-format off
constexpr Expected kControls[] = {
    {0, "PROCESS_EXISTS"},
    {1, "STATISTICS"},
    {2, "UNUSED_2"},
    {3, "PING"},
    {4, "GETDBPATH"},
    {5, "GETVNNMAP"},
    {6, "SETVNNMAP"},
    {7, "GET_DEBUG"},
    {8, "SET_DEBUG"},
    {9, "GET_DBMAP"},
    {10, "GET_NODEMAPv4"},
    {11, "SET_DMASTER"},
    {12, "UNUSED_12"},
    {13, "PULL_DB"},
    {14, "PUSH_DB"},
    {15, "GET_RECMODE"},
    {16, "SET_RECMODE"},
    {17, "STATISTICS_RESET"},
    {18, "DB_ATTACH"},
    {19, "SET_CALL"},
    {20, "TRAVERSE_START", true},
    {21, "TRAVERSE_ALL"},
    {22, "TRAVERSE_DATA"},
    {23, "REGISTER_SRVID", true},
    {24, "DEREGISTER_SRVID", true},
    {25, "GET_DBNAME"},
    {26, "ENABLE_SEQNUM"},
    {27, "UPDATE_SEQNUM"},
    {28, "UNUSED_28"},
    {29, "DUMP_MEMORY"},
    {30, "GET_PID"},
    {31, "GET_RECMASTER"},
    {32, "SET_RECMASTER"},
    {33, "FREEZE"},
    {34, "THAW"},
    {35, "GET_PNN"},
    {36, "SHUTDOWN"},
    {37, "GET_MONMODE"},
    {38, "UNUSED_38"},
    {39, "UNUSED_39"},
    {40, "UNUSED_40"},
    {41, "UNUSED_41"},
    {42, "TAKEOVER_IPv4"},
    {43, "RELEASE_IPv4"},
    {44, "TCP_CLIENT", true},
    {45, "TCP_ADD"},
    {46, "TCP_REMOVE"},
    {47, "STARTUP"},
    {48, "SET_TUNABLE"},
    {49, "GET_TUNABLE"},
    {50, "LIST_TUNABLES"},
    {51, "GET_PUBLIC_IPSv4"},
    {52, "MODIFY_FLAGS"},
    {53, "GET_ALL_TUNABLES"},
    {54, "KILL_TCP"},
    {55, "GET_TCP_TICKLE_LIST"},
    {56, "SET_TCP_TICKLE_LIST"},
    {57, "REGISTER_SERVER_ID"},
    {58, "UNREGISTER_SERVER_ID"},
    {59, "CHECK_SERVER_ID"},
    {60, "GET_SERVER_ID_LIST"},
    {61, "DB_ATTACH_PERSISTENT"},
    {62, "PERSISTENT_STORE"},
    {63, "UPDATE_RECORD"},
    {64, "SEND_GRATUITOUS_ARP"},
    {65, "TRANSACTION_START"},
    {66, "TRANSACTION_COMMIT"},
    {67, "WIPE_DATABASE"},
    {68, "UNUSED_68"},
    {69, "UPTIME"},
    {70, "START_RECOVERY"},
    {71, "END_RECOVERY"},
    {72, "RELOAD_NODES_FILE"},
    {73, "UNUSED_73"},
    {74, "TRY_DELETE_RECORDS"},
    {75, "ENABLE_MONITOR"},
    {76, "DISABLE_MONITOR"},
    {77, "ADD_PUBLIC_IP"},
    {78, "DEL_PUBLIC_IP"},
    {79, "RUN_EVENTSCRIPTS"},
    {80, "GET_CAPABILITIES"},
    {81, "START_PERSISTENT_UPDATE", true},
    {82, "CANCEL_PERSISTENT_UPDATE", true},
    {83, "TRANS2_COMMIT"},
    {84, "TRANS2_FINISHED"},
    {85, "TRANS2_ERROR"},
    {86, "TRANS2_COMMIT_RETRY"},
    {87, "RECD_PING"},
    {88, "RELEASE_IP"},
    {89, "TAKEOVER_IP"},
    {90, "GET_PUBLIC_IPS"},
    {91, "GET_NODEMAP"},
    {92, "UNUSED_92"},
    {93, "UNUSED_93"},
    {94, "UNUSED_94"},
    {95, "UNUSED_95"},
    {96, "GET_EVENT_SCRIPT_STATUS"},
    {97, "TRAVERSE_KILL"},
    {98, "RECD_RECLOCK_LATENCY"},
    {99, "GET_RECLOCK_FILE"},
    {100, "SET_RECLOCK_FILE"},
    {101, "STOP_NODE"},
    {102, "CONTINUE_NODE"},
    {103, "SET_NATGWSTATE"},
    {104, "SET_LMASTERROLE"},
    {105, "SET_RECMASTERROLE"},
    {106, "UNUSED_106"},
    {107, "ENABLE_SCRIPT"},
    {108, "DISABLE_SCRIPT"},
    {109, "SET_BAN_STATE"},
    {110, "GET_BAN_STATE"},
    {111, "SET_DB_PRIORITY"},
    {112, "GET_DB_PRIORITY"},
    {113, "TRANSACTION_CANCEL"},
    {114, "REGISTER_NOTIFY", true},
    {115, "DEREGISTER_NOTIFY", true},
    {116, "TRANS2_ACTIVE"},
    {117, "GET_LOG"},
    {118, "CLEAR_LOG"},
    {119, "TRANS3_COMMIT", true},
    {120, "GET_DB_SEQNUM"},
    {121, "DB_SET_HEALTHY"},
    {122, "DB_GET_HEALTH"},
    {123, "GET_PUBLIC_IP_INFO"},
    {124, "GET_IFACES"},
    {125, "SET_IFACE_LINK_STATE"},
    {126, "TCP_ADD_DELAYED_UPDATE"},
    {127, "GET_STAT_HISTORY"},
    {128, "SCHEDULE_FOR_DELETION"},
    {129, "SET_DB_READONLY"},
    {130, "CHECK_SRVIDS"},
    {131, "TRAVERSE_START_EXT", true},
    {132, "GET_DB_STATISTICS"},
    {133, "SET_DB_STICKY"},
    {134, "RELOAD_PUBLIC_IPS"},
    {135, "TRAVERSE_ALL_EXT"},
    {136, "RECEIVE_RECORDS"},
    {137, "IPREALLOCATED"},
    {138, "GET_RUNSTATE"},
    {139, "DB_DETACH"},
    {140, "GET_NODES_FILE"},
    {141, "DB_FREEZE"},
    {142, "DB_THAW"},
    {143, "DB_TRANSACTION_START"},
    {144, "DB_TRANSACTION_COMMIT"},
    {145, "DB_TRANSACTION_CANCEL"},
    {146, "DB_PULL"},
    {147, "DB_PUSH_START"},
    {148, "DB_PUSH_CONFIRM"},
    {149, "DB_OPEN_FLAGS"},
    {150, "DB_ATTACH_REPLICATED"},
    {151, "CHECK_PID_SRVID"},
    {152, "TUNNEL_REGISTER", true},
    {153, "TUNNEL_DEREGISTER", true},
    {154, "VACUUM_FETCH"},
    {155, "DB_VACUUM"},
    {156, "ECHO_DATA"},
    {157, "DISABLE_NODE"},
    {158, "ENABLE_NODE"},
    {159, "TCP_CLIENT_DISCONNECTED", true},
    {160, "TCP_CLIENT_PASSED", true},
    {161, "START_IPREALLOCATE"},
    {162, "PUSH_RECORD"},
};
constexpr Expected kOperations[] = {
    {0, "REQ_CALL"},
    {1, "REPLY_CALL"},
    {2, "REQ_DMASTER"},
    {3, "REPLY_DMASTER"},
    {4, "REPLY_ERROR"},
    {5, "REQ_MESSAGE"},
    {7, "REQ_CONTROL"},
    {8, "REPLY_CONTROL"},
    {9, "REQ_KEEPALIVE"},
    {10, "REQ_TUNNEL"},
};
// clang-format on

// Obsolete or removed: answered with status -1 by whoever gets them.
constexpr uint32_t kUnserved[] = {2,   10,  11,  12,  13,  14,  19,  28,  31,  32,  34,  37, 38, 39,
                                  40,  41,  42,  43,  51,  54,  57,  58,  59,  60,  62,  65, 66, 68,
                                  73,  75,  76,  79,  83,  84,  85,  86,  92,  93,  94,  95, 96, 100,
                                  103, 106, 107, 108, 111, 112, 113, 116, 117, 118, 130, 136};

TEST(Operations, EveryControlOfTheProtocolIsInTheTable) {
  for (const Expected& expected : kControls) {
    const ControlRow* row = find_control(expected.number);
    ASSERT_NE(row, nullptr) << expected.name;
    EXPECT_EQ(row->number, expected.number);
    EXPECT_STREQ(row->name, expected.name);
    EXPECT_EQ(row->reach == Reach::local_only, expected.local_only) << expected.name;
  }
}

TEST(Operations, ControlsNobodyServesAreExactlyTheObsoleteOnes) {
  const std::set<uint32_t> unserved(std::begin(kUnserved), std::end(kUnserved));
  for (const Expected& expected : kControls) {
    const bool nobody = find_control(expected.number)->server == Server::nobody;
    EXPECT_EQ(nobody, unserved.count(expected.number) == 1) << expected.name;
  }
}

TEST(Operations, EveryPacketTypeOfTheProtocolIsInTheTable) {
  for (const Expected& expected : kOperations) {
    const OperationRow* row = find_operation(expected.number);
    ASSERT_NE(row, nullptr) << expected.name;
    EXPECT_STREQ(row->name, expected.name);
  }
}

TEST(Operations, NumbersTheProtocolDoesNotHaveAreNotFound) {
  for (const uint32_t number : {6u, 11u, 12u, 0xFFFu, 0x1009u, 0x103Fu, 0x1049u, 0xFFFFFFFFu}) {
    EXPECT_EQ(find_operation(number), nullptr) << number;
  }
  for (const uint32_t number : {163u, 164u, 0xFFFu, 0x1006u, 0xFFFFFFFFu}) {
    EXPECT_EQ(find_control(number), nullptr) << number;
  }
}

TEST(Operations, OwnOperationsAreFoundByNumber) {
  EXPECT_STREQ(find_operation(static_cast<uint32_t>(Operation::HELLO))->name, "HELLO");
  EXPECT_STREQ(find_operation(static_cast<uint32_t>(Operation::RECORD_ASSIGN_END))->name,
               "RECORD_ASSIGN_END");
  EXPECT_STREQ(find_control(static_cast<uint32_t>(Control::NODE_QUIET))->name, "NODE_QUIET");
}

// The lanes of a link are told apart by number: what membership needs must stay below 0x1040.
TEST(Operations, RecordsTravelOnTheDataLane) {
  EXPECT_GE(static_cast<uint32_t>(Operation::RECORD_DATABASES), 0x1040u);
  EXPECT_TRUE(is_record_operation(static_cast<uint32_t>(Operation::RECORD_COPIED)));
  EXPECT_TRUE(is_record_operation(static_cast<uint32_t>(Operation::RECORD_FORGOTTEN)));
  EXPECT_TRUE(is_record_operation(static_cast<uint32_t>(Operation::COMMIT_SUBMIT)));
  EXPECT_TRUE(is_record_operation(static_cast<uint32_t>(Operation::DATABASE_CONTENT)));
  EXPECT_LT(static_cast<uint32_t>(Operation::STORE_SUSPEND), 0x1040u);
  EXPECT_LT(static_cast<uint32_t>(Operation::HEARTBEAT), 0x1040u);
}

TEST(Operations, NamesAreUnique) {
  std::set<std::string> names;
  for (uint32_t number = 0; number < 0x2000; ++number) {
    const ControlRow* row = find_control(number);
    if (row == nullptr) continue;
    EXPECT_TRUE(names.insert(row->name).second) << row->name;
  }
  EXPECT_EQ(names.size(), std::size(kControls) + 9);
}

}  // namespace
}  // namespace ctdb
