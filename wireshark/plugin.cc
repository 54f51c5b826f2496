// SPDX-License-Identifier: GPL-2.0-or-later
// What Wireshark looks for in the shared object: its version, the Wireshark it was built against, its registration.
#define WS_BUILD_DLL
#include "wireshark/dissect.h"
#include "wireshark/registry.h"

// A constant of C++ has internal linkage unless it was declared otherwise.
extern "C" {
WS_DLL_PUBLIC_DEF extern const char plugin_version[];
WS_DLL_PUBLIC_DEF extern const int plugin_want_major;
WS_DLL_PUBLIC_DEF extern const int plugin_want_minor;
WS_DLL_PUBLIC void plugin_register(void);
#ifdef WS_PLUGIN_DESC_DISSECTOR
WS_DLL_PUBLIC uint32_t plugin_describe(void);
#endif

const char plugin_version[] = PLUGIN_VERSION;
const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
const int plugin_want_minor = WIRESHARK_VERSION_MINOR;
}

namespace ctdbx {
namespace {

void on_register() {
  register_everything();
  register_preferences();
  register_statistics_tables();
  register_conversations();
  register_init_routine(forget_capture);
}

void on_handoff() {
  register_transport();
  register_chunks();
  register_statistics_trees();
}

}  // namespace
}  // namespace ctdbx

void plugin_register(void) {
  static proto_plugin plugin;
  plugin.register_protoinfo = ctdbx::on_register;
  plugin.register_handoff = ctdbx::on_handoff;
  proto_register_plugin(&plugin);
}

#ifdef WS_PLUGIN_DESC_DISSECTOR
uint32_t plugin_describe(void) {
  return WS_PLUGIN_DESC_DISSECTOR;
}
#endif
