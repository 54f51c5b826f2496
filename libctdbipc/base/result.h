// SPDX-License-Identifier: LGPL-3.0-or-later
// Result<T>: what a function returns when the world may fail. The only file that names tl::expected
// (std::expected needs C++23); use only what g++ 12's own std::expected has: has_value, value, error,
// operator*.
#ifndef LIBCTDBIPC_BASE_RESULT_H_
#define LIBCTDBIPC_BASE_RESULT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace ctdb {

// What kind of failure it is; the context says what, where and the remedy.
enum class ErrorCode : uint8_t {
  kSystem,        // a system call failed; Error::saved_errno says how
  kInvalid,       // input from outside is malformed
  kNotFound,      // the named thing does not exist
  kRefused,       // not allowed: wrong peer, wrong state, wrong rights
  kLimit,         // a quota or capacity is reached
  kDisconnected,  // the other side is gone
  kTimeout,       // a deadline passed
  kCorrupt,       // stored data contradicts itself
};

struct Error {
  ErrorCode code = ErrorCode::kSystem;
  int saved_errno = 0;  // 0 when no system call was involved
  std::string context;  // one clause per boundary, outermost first

  // The same error seen from one boundary further out: "opening /x: permission denied".
  Error in(std::string_view where) && {
    context = std::string(where) + ": " + context;
    return std::move(*this);
  }
  // Whole text for people, errno text included.
  std::string text() const;
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

inline tl::unexpected<Error> fail(ErrorCode code, std::string context) {
  return tl::unexpected<Error>(Error{code, 0, std::move(context)});
}
// Takes errno as it stands: call it before anything else can change errno.
tl::unexpected<Error> fail_errno(std::string context);
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_RESULT_H_
