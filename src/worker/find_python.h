// The Python that --python runs, and what it imports from.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace deferd {

struct Python {
  std::string program;               // the interpreter itself, not a script that finds it
  std::string import_path;           // for PYTHONPATH
  std::vector<std::string> folders;  // to be shown to it: all of these, and its own
};

// Asks `python3` of PATH. Its import path begins with the current folder, as in a shell.
Result<Python> find_python();

}  // namespace deferd
