// SPDX-License-Identifier: GPL-3.0-or-later
// The socket at which programs ask for copies of packets.
#include "libctdbipc/runtime/capture_tap.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/runtime/loop_fixture.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

class CaptureTapTest : public LoopTest {
 protected:
  CaptureTapTest() : tap_(*loop_, 1) { EXPECT_TRUE(tap_.listen(path_)); }
  UniqueFd connected() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/capture";
  CaptureTap tap_;
};

TEST_F(CaptureTapTest, AProgramThatComesWhenThereAreNoDescriptorsDoesNotKeepTheDaemonAwake) {
  const UniqueFd program = connected();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const UniqueFd next(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const rlimit none{static_cast<rlim_t>(next.get()) + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  stop_after(300 * kMillisecond);
  run();
  EXPECT_LT(loop_->wakeups(), 20u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  const Bytes request = CaptureOptions{}.encode();
  ASSERT_EQ(send(program.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  run_until([this] { return tap_.on(); });
}

}  // namespace
}  // namespace ctdb
