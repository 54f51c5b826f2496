// SPDX-License-Identifier: LGPL-3.0-or-later
// Keys and values as people read and type them: text where it is text, hexadecimal where it is not. Used by the command line
// and by logs.
#ifndef LIBCTDBIPC_BASE_PRINTABLE_H_
#define LIBCTDBIPC_BASE_PRINTABLE_H_

#include <optional>
#include <string>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// "text" as it stands, "hex:00ff" as bytes. nullopt: not hexadecimal after "hex:".
std::optional<Bytes> bytes_from_argument(const std::string& argument);
// The way back, so that it can be typed in again: text when it is printable UTF-8, otherwise "hex:…".
std::string argument_from_bytes(ByteView bytes);
std::string to_hex(ByteView bytes);
bool is_printable_utf8(ByteView bytes);
// For a terminal or a log, whoever wrote it: control characters, also those that move the cursor, and bytes that are no UTF-8 become "?".
std::string printable(ByteView text);
// What the other side wrote goes into logs: in quotes, printable and short.
std::string quoted(const std::string& text);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_PRINTABLE_H_
