#pragma once

#include <cstdint>
#include <string>

namespace deferd {

struct LeasedTask {
  std::string id;
  std::string name;  // may be empty
  std::string token;
  std::uint64_t attempt = 0;  // the first is 1
  std::string body;
  bool keep_result = false;  // somebody may read the result
};

}  // namespace deferd
