// The file of --cron-yaml: applied when the server starts and on SIGHUP, and what it changed told
// in the log.
#pragma once

#include <string>

#include "apply/cron_uploads.h"
#include "base/result.h"

namespace deferd {

// Waits until it is done; not on a shard's thread. A wrong file changes nothing.
Result<void> apply_cron_file(CronUploads& uploads, const std::string& file,
                             const std::string& project, const std::string& location);

}  // namespace deferd
