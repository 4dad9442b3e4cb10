// One GET, for threads that may wait: how keys of issuers are read.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace deferd {

struct HttpsGetOptions {
  std::string ca_file;  // PEM, beside the system's; empty: those alone
  Millis timeout = Seconds(10);
  std::size_t bytes_max = 256 << 10;
};

// The body of an answer with status 200; redirects are not followed. Blocks. Certificate and name
// of an https server are verified. Fails with Reason::unavailable.
Result<std::string> https_get(const std::string& url, const HttpsGetOptions& options);

}  // namespace deferd
