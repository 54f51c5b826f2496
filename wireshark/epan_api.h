// SPDX-License-Identifier: GPL-2.0-or-later
// Wireshark's C interface, and what differs between the versions we build against (4.0, 4.2, 4.4).
//
// A function that calls into epan may be left by a longjmp (epan's exceptions), so between a call into epan and its return
// only trivial objects may live: containers stay inside functions of ours that do not call epan.
#ifndef WIRESHARK_EPAN_API_H_
#define WIRESHARK_EPAN_API_H_

#include <epan/expert.h>
#include <epan/packet.h>
#include <epan/prefs.h>
#include <epan/proto_data.h>
#include <wiretap/wtap.h>
#include <ws_version.h>

#include <type_traits>

#define CTDBX_WIRESHARK_VERSION (WIRESHARK_VERSION_MAJOR * 100 + WIRESHARK_VERSION_MINOR)

namespace ctdbx {

// bool from 4.4 on, before that an int: of heuristics, and of preferences (each deduced, as they need not have changed at once).
using Boolean = std::invoke_result_t<heur_dissector_t, tvbuff_t*, packet_info*, proto_tree*, void*>;
template <typename T>
T preference_type(void (*)(module_t*, const char*, const char*, const char*, T*));
using BooleanPreference = decltype(preference_type(prefs_register_bool_preference));

// Renamed in 4.3.
#if CTDBX_WIRESHARK_VERSION >= 404
inline uint8_t byte_at(tvbuff_t* tvb, int at) {
  return tvb_get_uint8(tvb, at);
}
#else
inline uint8_t byte_at(tvbuff_t* tvb, int at) {
  return tvb_get_guint8(tvb, at);
}
#endif

}  // namespace ctdbx

#endif  // WIRESHARK_EPAN_API_H_
