// SPDX-License-Identifier: GPL-3.0-or-later
// A packet as one line of text, every field by name: what the manifest of the golden packets holds. And the same
// packet encoded again from what was decoded. Used by the golden test, its generator and the fuzzers.
#ifndef TESTS_GOLDEN_DESCRIBE_H_
#define TESTS_GOLDEN_DESCRIBE_H_

#include <optional>
#include <string>
#include <string_view>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// "operation=REQ_CALL length=64 ... key=6b6579"; ends in "malformed" when the header or the payload is.
std::string describe(ByteView packet);

// Decodes and encodes again; nullopt when the packet is malformed or carries an operation nobody has a codec for.
std::optional<Bytes> rebuild(ByteView packet);

}  // namespace ctdb

#endif  // TESTS_GOLDEN_DESCRIBE_H_
