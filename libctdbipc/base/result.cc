// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/result.h"

#include <cerrno>
#include <cstring>

namespace ctdb {

std::string Error::text() const {
  if (saved_errno == 0) return context;
  return context + ": " + std::strerror(saved_errno);
}

tl::unexpected<Error> fail_errno(std::string context) {
  const int saved = errno;
  return tl::unexpected<Error>(Error{ErrorCode::kSystem, saved, std::move(context)});
}

}  // namespace ctdb
