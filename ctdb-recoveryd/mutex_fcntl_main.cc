// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-mutex-fcntl FILE: the helper behind `cluster lock = FILE`: a write lock on the first byte of a file that all nodes share.
// It speaks the helpers' protocol, and the byte is that of the classic daemon's helper, so that both exclude each other.
//
// It ends, and lets go, when its parent is gone, on SIGTERM, and when the file is not the one it has locked any more.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

constexpr unsigned kCheckSeconds = 1;
constexpr const char* kUsage =
    "usage: ctdb-mutex-fcntl FILE\n"
    "Takes a lock on FILE, says so with one character (0: it has it, 1: another has it, 3: it failed) and "
    "holds it\n"
    "until it is ended, its parent is gone, or another file is in the place of FILE.\n";

int say(char word) {
  return write(1, &word, 1) == 1 ? 0 : 1;
}

bool same_file(int fd, const char* path) {
  struct stat held {
  }, there{};
  return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    printf("%s", kUsage);
    return 0;
  }
  // What begins with a dash is meant as an option, and would be a file in the directory this happens to run in.
  if (argc != 2 || argv[1][0] == '-') {
    fprintf(stderr, "%s", kUsage);
    say('3');
    return 2;
  }
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) return 0;
  const int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    fprintf(stderr, "ctdb-mutex-fcntl: opening %s: %s\n", argv[1], strerror(errno));
    return say('3');
  }
  struct flock first_byte {};
  first_byte.l_type = F_WRLCK;
  first_byte.l_whence = SEEK_SET;
  first_byte.l_len = 1;
  if (fcntl(fd, F_SETLK, &first_byte) != 0) {
    if (errno == EACCES || errno == EAGAIN) return say('1');
    fprintf(stderr, "ctdb-mutex-fcntl: locking %s: %s\n", argv[1], strerror(errno));
    return say('3');
  }
  if (say('0') != 0) return 1;
  while (getppid() == parent && same_file(fd, argv[1])) sleep(kCheckSeconds);
  return 0;
}
