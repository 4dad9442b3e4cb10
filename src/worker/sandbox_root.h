// Which of the host's files a sandbox shows.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "worker/sandbox_plan.h"

namespace deferd {

// Where `name` is, as a shell would find it: a path with a slash, or a program in PATH. Absolute.
Result<std::string> find_program(const std::string& name);

// The system's programs and libraries, and `more` (absolute paths). Fails with Reason::invalid when
// one of those is not there. What lies in another one's folder is left out.
Result<std::vector<Shown>> shown_files(const std::vector<std::string>& more);

}  // namespace deferd
