// SPDX-License-Identifier: GPL-3.0-or-later
// The line of `systemctl status` of a unit whose process this is; elsewhere nothing. Not runtime/service.h: the daemons' library would
// make every start of the command slower.
#ifndef CTDB_CLI_SERVICE_STATUS_H_
#define CTDB_CLI_SERVICE_STATUS_H_

#include <string>

#include "libctdbipc/base/unique_fd.h"

namespace ctdb::cli {

class ServiceStatus {
 public:
  // To the socket that $NOTIFY_SOCKET names, if it does.
  ServiceStatus();
  // Costs nothing when it is what was told last.
  void tell(const std::string& status);

 private:
  UniqueFd socket_;
  std::string told_;
};

}  // namespace ctdb::cli

#endif  // CTDB_CLI_SERVICE_STATUS_H_
