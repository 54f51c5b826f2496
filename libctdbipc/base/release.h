// SPDX-License-Identifier: LGPL-3.0-or-later
// The release that this is, as programs name it; the build and the manual pages have it from here.
#ifndef LIBCTDBIPC_BASE_RELEASE_H_
#define LIBCTDBIPC_BASE_RELEASE_H_

namespace ctdb {

inline constexpr char kRelease[] = "0.1.0";

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_RELEASE_H_
