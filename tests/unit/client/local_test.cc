// SPDX-License-Identifier: GPL-3.0-or-later
// The API on plain tdb files of a directory, without daemons.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <tdb.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "libctdbipc/include/ctdb_local.h"

namespace {

ctdb_blob blob(std::string_view text) {
  return {text.data(), text.size()};
}
std::string text(ctdb_blob blob) {
  return {static_cast<const char*>(blob.data), blob.size};
}

class LocalTest : public testing::Test {
 protected:
  LocalTest() {
    char name[] = "/tmp/ctdb-local-XXXXXX";
    directory_ = mkdtemp(name);
    EXPECT_EQ(ctdb_connect_local(directory_.c_str(), &client_), 0) << ctdb_error_text(nullptr);
  }
  ~LocalTest() override {
    ctdb_disconnect(client_);
    std::filesystem::remove_all(directory_);
  }
  ctdb_db* attach(const char* name, uint32_t flags = 0) {
    ctdb_db* db = nullptr;
    EXPECT_EQ(ctdb_attach(client_, name, flags, 0, &db), 0) << ctdb_error_text(client_);
    return db;
  }
  void store(ctdb_db* db, const char* key, const char* value) {
    ctdb_record* record = nullptr;
    ASSERT_EQ(ctdb_fetch_lock(db, blob(key), 0, &record), 0) << ctdb_error_text(client_);
    EXPECT_EQ(ctdb_store(record, blob(value)), 0) << ctdb_error_text(client_);
    EXPECT_EQ(ctdb_unlock(record), 0);
  }
  std::string read(ctdb_db* db, const char* key) {
    ctdb_blob value{};
    EXPECT_EQ(ctdb_read(db, blob(key), 0, &value), 0) << ctdb_error_text(client_);
    return text(value);
  }
  // What a program sees that knows only libtdb; "-": no such record. In a copy, as libtdb opens a file once.
  std::string plain(const char* name, const char* key) {
    const std::string path = directory_ + "/" + name, copy = directory_ + "/a-copy";
    // By another process: whoever closes a file loses his locks on it.
    EXPECT_EQ(in_a_child([&] {
                return std::filesystem::copy_file(path, copy,
                                                  std::filesystem::copy_options::overwrite_existing);
              }),
              0);
    tdb_context* tdb = tdb_open(copy.c_str(), 0, TDB_NOLOCK, O_RDONLY, 0);
    EXPECT_NE(tdb, nullptr);
    if (tdb == nullptr) return "";
    const TDB_DATA found = tdb_fetch(tdb, {reinterpret_cast<uint8_t*>(const_cast<char*>(key)), strlen(key)});
    std::string seen = found.dptr == nullptr ? "-" : std::string(found.dptr, found.dptr + found.dsize);
    free(found.dptr);
    tdb_close(tdb);
    return seen;
  }
  // 0: `body` was true there.
  static int in_a_child(const std::function<bool()>& body) {
    const pid_t child = fork();
    if (child == 0) _exit(body() ? 0 : 1);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }
  // Another program on the same files.
  int in_another(const std::function<bool(ctdb_client*)>& body) {
    return in_a_child([&] {
      ctdb_client* other = nullptr;
      return ctdb_connect_local(directory_.c_str(), &other) == 0 && body(other);
    });
  }
  void serve_until(const bool& done) {
    while (!done) {
      pollfd ready{ctdb_fd(client_), static_cast<short>(ctdb_events(client_)), 0};
      ASSERT_EQ(poll(&ready, 1, 60000), 1);
      ASSERT_GE(ctdb_service(client_, 0), 0);
    }
  }

  std::string directory_;
  ctdb_client* client_ = nullptr;
};

TEST_F(LocalTest, ValuesAreWhatLibtdbHas) {
  ctdb_db* db = attach("plain.tdb");
  store(db, "key", "value");
  EXPECT_EQ(plain("plain.tdb", "key"), "value");
  store(db, "key", "another, which is longer");
  EXPECT_EQ(plain("plain.tdb", "key"), "another, which is longer");
  EXPECT_EQ(read(db, "key"), "another, which is longer");
  EXPECT_EQ(read(db, "none"), "");
}

TEST_F(LocalTest, DeletedRecordsAreGone) {
  ctdb_db* db = attach("plain.tdb");
  for (const char* value : {"one", "two", "three"}) store(db, "key", value);
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob("key"), 0, &record), 0);
  EXPECT_EQ(ctdb_delete(record), 0);
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(read(db, "key"), "");
  EXPECT_EQ(plain("plain.tdb", "key"), "-");
}

TEST_F(LocalTest, ProgramsExcludeEachOther) {
  ctdb_db* db = attach("plain.tdb");
  constexpr int kTimes = 500;
  const auto count = [](ctdb_client* client) {
    ctdb_db* mine = nullptr;
    bool good = ctdb_attach(client, "plain.tdb", 0, 0, &mine) == 0;
    for (int i = 0; i < kTimes && good; ++i) {
      ctdb_record* record = nullptr;
      good = ctdb_fetch_lock(mine, blob("counter"), -1, &record) == 0;
      const std::string now = good ? text(ctdb_record_data(record)) : "";
      const std::string next = std::to_string((now.empty() ? 0 : std::stoi(now)) + 1);
      good = good && ctdb_store(record, blob(next)) == 0 && ctdb_unlock(record) == 0;
    }
    return good;
  };
  const pid_t child = fork();
  if (child == 0) {
    ctdb_client* other = nullptr;
    _exit(ctdb_connect_local(directory_.c_str(), &other) == 0 && count(other) ? 0 : 1);
  }
  EXPECT_TRUE(count(client_));
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read(db, "counter"), std::to_string(2 * kTimes));
}

TEST_F(LocalTest, AVolatileFileIsEmptyWhenNobodyHadItAndAPersistentOneIsKept) {
  store(attach("volatile.tdb"), "key", "value");
  ctdb_db* kept = attach("kept.tdb", CTDB_ATTACH_PERSISTENT);
  ctdb_transaction* transaction = nullptr;
  ASSERT_EQ(ctdb_transaction_start(kept, 0, &transaction), 0) << ctdb_error_text(client_);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob("key"), blob("value")), 0);
  ASSERT_EQ(ctdb_transaction_commit(transaction, 0), 0) << ctdb_error_text(client_);
  ctdb_disconnect(client_);
  ASSERT_EQ(ctdb_connect_local(directory_.c_str(), &client_), 0);
  EXPECT_EQ(read(attach("volatile.tdb"), "key"), "");
  EXPECT_EQ(read(attach("kept.tdb", CTDB_ATTACH_PERSISTENT), "key"), "value");
  EXPECT_EQ(plain("kept.tdb", "key"), "value");
}

TEST_F(LocalTest, FunctionsRunHere) {
  ctdb_db* db = attach("plain.tdb");
  int64_t value = 0;
  EXPECT_EQ(ctdb_add(db, blob("n"), 5, 0, &value), 0) << ctdb_error_text(client_);
  EXPECT_EQ(ctdb_add(db, blob("n"), -2, 0, &value), 0);
  EXPECT_EQ(value, 3);
  uint64_t size = 0;
  EXPECT_EQ(ctdb_append(db, blob("list"), blob("abc"), 0, &size), 0);
  EXPECT_EQ(size, 3u);
  ctdb_blob current{};
  EXPECT_EQ(ctdb_compare_and_swap(db, blob("list"), blob("x"), blob("y"), 0, &current), CTDB_ERR_UNEQUAL);
  EXPECT_EQ(text(current), "abc");
  EXPECT_EQ(ctdb_compare_and_swap(db, blob("list"), blob("abc"), {}, 0, nullptr), 0);
  EXPECT_EQ(plain("plain.tdb", "list"), "-");
  EXPECT_EQ(ctdb_call_function(db, blob("n"), "plug-in", {}, 1000, nullptr), CTDB_ERR_DISCONNECTED);
}

TEST_F(LocalTest, TransactionsAreAllOrNothingAndExcludeEachOther) {
  ctdb_db* db = attach("kept.tdb", CTDB_ATTACH_PERSISTENT);
  ctdb_transaction* transaction = nullptr;
  ASSERT_EQ(ctdb_transaction_start(db, 0, &transaction), 0);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob("key"), blob("mine")), 0);
  ctdb_blob value{};
  EXPECT_EQ(ctdb_transaction_fetch(transaction, blob("key"), &value), 0);
  EXPECT_EQ(text(value), "mine");
  EXPECT_EQ(plain("kept.tdb", "key"), "-");
  EXPECT_EQ(in_another([](ctdb_client* other) {
              ctdb_db* same = nullptr;
              ctdb_transaction* late = nullptr;
              return ctdb_attach(other, "kept.tdb", CTDB_ATTACH_PERSISTENT, 0, &same) == 0 &&
                     ctdb_transaction_start(same, 20, &late) == CTDB_ERR_TIMEOUT;
            }),
            0);
  ctdb_transaction_cancel(transaction);
  EXPECT_EQ(read(db, "key"), "");
  ASSERT_EQ(ctdb_transaction_start(db, 0, &transaction), 0) << ctdb_error_text(client_);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob("key"), blob("again")), 0);
  EXPECT_EQ(ctdb_transaction_commit(transaction, 0), 0);
  EXPECT_EQ(read(db, "key"), "again");
}

TEST_F(LocalTest, AClientOfTheSameProcessWaitsForItsTurnToo) {
  ctdb_db* db = attach("kept.tdb", CTDB_ATTACH_PERSISTENT);
  ctdb_client* second = nullptr;
  ASSERT_EQ(ctdb_connect_local(directory_.c_str(), &second), 0);
  ctdb_db* same = nullptr;
  ASSERT_EQ(ctdb_attach(second, "kept.tdb", CTDB_ATTACH_PERSISTENT, 0, &same), 0);
  ctdb_transaction* first = nullptr;
  ctdb_transaction* other = nullptr;
  ASSERT_EQ(ctdb_transaction_start(db, 0, &first), 0);
  EXPECT_EQ(ctdb_transaction_start(same, 5, &other), CTDB_ERR_TIMEOUT);
  ASSERT_EQ(ctdb_transaction_store(first, blob("key"), blob("value")), 0);
  ctdb_detach(same);  // takes nothing away from the one that is open
  EXPECT_EQ(ctdb_transaction_commit(first, 0), 0) << ctdb_error_text(client_);
  EXPECT_EQ(read(db, "key"), "value");
  ctdb_disconnect(second);
}

TEST_F(LocalTest, AnEventLoopWorksAsOnANode) {
  bool done = false;
  const auto attached = [](ctdb_client*, int error, ctdb_db* db, void* out) {
    EXPECT_EQ(error, 0);
    *static_cast<ctdb_db**>(out) = db;
  };
  ctdb_db* db = nullptr;
  ASSERT_EQ(ctdb_attach_send(client_, "plain.tdb", 0, attached, &db, nullptr), 0);
  while (db == nullptr) ASSERT_GE(ctdb_wait(client_, 60000), 0);
  const auto locked = [](ctdb_client*, int error, ctdb_record* record, void* out) {
    EXPECT_EQ(error, 0);
    EXPECT_EQ(ctdb_store(record, blob("value")), 0);
    EXPECT_EQ(ctdb_unlock(record), 0);
    *static_cast<bool*>(out) = true;
  };
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob("key"), locked, &done, nullptr), 0);
  serve_until(done);
  EXPECT_EQ(read(db, "key"), "value");
  done = false;
  const auto added = [](ctdb_client*, int error, int64_t value, void* out) {
    EXPECT_EQ(error, 0);
    EXPECT_EQ(value, 7);
    *static_cast<bool*>(out) = true;
  };
  ASSERT_EQ(ctdb_add_send(db, blob("n"), 7, added, &done, nullptr), 0);
  serve_until(done);
}

TEST_F(LocalTest, TransactionsOfAnEventLoop) {
  ctdb_db* db = attach("kept.tdb", CTDB_ATTACH_PERSISTENT);
  ctdb_transaction* transaction = nullptr;
  const auto started = [](ctdb_client*, int error, ctdb_transaction* begun, void* out) {
    EXPECT_EQ(error, 0);
    *static_cast<ctdb_transaction**>(out) = begun;
  };
  ASSERT_EQ(ctdb_transaction_start_send(db, started, &transaction, nullptr), 0);
  while (transaction == nullptr) ASSERT_GE(ctdb_wait(client_, 60000), 0);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob("key"), blob("value")), 0);
  bool done = false;
  const auto committed = [](ctdb_client*, int error, void* out) {
    EXPECT_EQ(error, 0);
    *static_cast<bool*>(out) = true;
  };
  ASSERT_EQ(ctdb_transaction_commit_send(transaction, committed, &done, nullptr), 0);
  serve_until(done);
  EXPECT_EQ(plain("kept.tdb", "key"), "value");
}

TEST_F(LocalTest, AnEventLoopWaitsForTheTransactionOfAnother) {
  ctdb_db* db = attach("kept.tdb", CTDB_ATTACH_PERSISTENT);
  ctdb_client* second = nullptr;
  ASSERT_EQ(ctdb_connect_local(directory_.c_str(), &second), 0);
  ctdb_db* same = nullptr;
  ASSERT_EQ(ctdb_attach(second, "kept.tdb", CTDB_ATTACH_PERSISTENT, 0, &same), 0);
  ctdb_transaction* first = nullptr;
  ASSERT_EQ(ctdb_transaction_start(same, 0, &first), 0);
  ctdb_transaction* mine = nullptr;
  const auto started = [](ctdb_client*, int error, ctdb_transaction* begun, void* out) {
    EXPECT_EQ(error, 0);
    *static_cast<ctdb_transaction**>(out) = begun;
  };
  ASSERT_EQ(ctdb_transaction_start_send(db, started, &mine, nullptr), 0);
  for (int looks = 0; looks < 5; ++looks) EXPECT_EQ(ctdb_wait(client_, 60000), 1);
  EXPECT_EQ(mine, nullptr);
  EXPECT_EQ(ctdb_transaction_commit(first, 0), 0) << "it is the other's still";
  while (mine == nullptr) ASSERT_GE(ctdb_wait(client_, 60000), 0);
  ctdb_transaction_cancel(mine);
  ctdb_disconnect(second);
}

TEST_F(LocalTest, ReplicatedDatabasesAreEmptiedToo) {
  ctdb_transaction* transaction = nullptr;
  ASSERT_EQ(ctdb_transaction_start(attach("memory.tdb", CTDB_ATTACH_REPLICATED), 0, &transaction), 0);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob("key"), blob("value")), 0);
  ASSERT_EQ(ctdb_transaction_commit(transaction, 0), 0) << ctdb_error_text(client_);
  ctdb_disconnect(client_);
  ASSERT_EQ(ctdb_connect_local(directory_.c_str(), &client_), 0);
  EXPECT_EQ(read(attach("memory.tdb", CTDB_ATTACH_REPLICATED), "key"), "");
}

TEST_F(LocalTest, RequestsAreAnsweredAsOnANode) {
  ctdb_db* db = attach("plain.tdb");
  store(db, "key", "value");
  ctdb_reply reply{};
  ASSERT_EQ(ctdb_request(db, blob("key"), CTDB_CALL_NULL, {}, 0, &reply), 0);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.data.size, 0u);
  ASSERT_EQ(ctdb_request(db, blob("key"), CTDB_CALL_FETCH_WITH_HEADER, {}, 0, &reply), 0);
  EXPECT_EQ(text(reply.data), std::string(24, '\0') + "value");
  uint32_t copies = 0;
  EXPECT_EQ(ctdb_db_copies(attach("copies.tdb", CTDB_ATTACH_COPIES(2)), &copies), 0);
  EXPECT_EQ(copies, 1u);
}

TEST_F(LocalTest, WhatNeedsDaemonsSaysThatThereAreNone) {
  EXPECT_EQ(ctdb_is_local(client_), 1);
  EXPECT_EQ(ctdb_send_message(client_, 0, 1, blob("hello")), CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(std::string(ctdb_error_text(client_)),
            "there are no daemons: this client works on the files of " + directory_);
  EXPECT_EQ(ctdb_ping(client_, 0, 1000), CTDB_ERR_DISCONNECTED);
  const auto handler = [](ctdb_client*, uint64_t, ctdb_blob, void*) {};
  EXPECT_EQ(ctdb_register(client_, 1, handler, nullptr, 1000), CTDB_ERR_DISCONNECTED);
  uint32_t pnn = 9;
  EXPECT_EQ(ctdb_pnn(client_, &pnn), 0);
  EXPECT_EQ(pnn, 0u);
  EXPECT_EQ(ctdb_wait(client_, 0), 0);
}

TEST_F(LocalTest, BadNamesAndDirectoriesAreRefused) {
  ctdb_db* db = nullptr;
  for (const char* name : {"../x", ".hidden", "a b", ""})
    EXPECT_EQ(ctdb_attach(client_, name, 0, 0, &db), CTDB_ERR_INVALID) << name;
  std::filesystem::create_directory(directory_ + "/folder");
  EXPECT_EQ(ctdb_attach(client_, "folder", 0, 0, &db), CTDB_ERR_DATABASE);
  ctdb_client* other = nullptr;
  EXPECT_EQ(ctdb_connect_local((directory_ + "/none").c_str(), &other), CTDB_ERR_SYSTEM);
  EXPECT_EQ(std::string(ctdb_error_text(nullptr)), directory_ + "/none: No such file or directory");
  EXPECT_EQ(ctdb_connect_local(nullptr, &other), CTDB_ERR_INVALID);
}

TEST_F(LocalTest, AFileThatAnotherProgramMadeIsReadAndWritten) {
  const std::string path = directory_ + "/others.tdb";
  EXPECT_EQ(in_a_child([&] {
              tdb_context* tdb = tdb_open(path.c_str(), 0, 0, O_RDWR | O_CREAT, 0600);  // libtdb's old hash
              char key[] = "key", value[] = "value";
              return tdb_store(tdb, {reinterpret_cast<uint8_t*>(key), 3},
                               {reinterpret_cast<uint8_t*>(value), 5}, 0) == 0;
            }),
            0);
  ctdb_db* db = attach("others.tdb", CTDB_ATTACH_PERSISTENT);
  EXPECT_EQ(read(db, "key"), "value");
  ctdb_transaction* transaction = nullptr;
  ASSERT_EQ(ctdb_transaction_start(db, 0, &transaction), 0);
  ASSERT_EQ(ctdb_transaction_delete(transaction, blob("key")), 0);
  ASSERT_EQ(ctdb_transaction_commit(transaction, 0), 0);
  EXPECT_EQ(plain("others.tdb", "key"), "-");
}

}  // namespace
