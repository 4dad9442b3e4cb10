// The seam between defer and a server: one call out, one answer back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "model/target_url.h"

namespace deferd {

struct HttpCall {
  std::string method;  // "GET"
  std::string target;  // "/v1/queues/default"
  std::string body;    // JSON, or empty
  std::string key;     // an API key or a token; empty: none
  Micros timeout = Seconds(30);
  std::string ca_file = {};  // who else than the system's may have signed an https server's
                             // certificate; empty: nobody
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::optional<Micros> retry_after;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Blocks until the whole answer is here. Fails with Reason::not_found when no connection can be
  // made, or its certificate is not to be trusted (then nothing was sent), Reason::timeout, or
  // Reason::internal when the connection broke or the answer is not HTTP (then the server may have
  // carried the call out).
  virtual Result<HttpAnswer> call(const TargetUrl& server, const HttpCall& call) = 0;
};

// Over TCP, and TLS for https; one connection kept open between calls. Not thread-safe.
std::unique_ptr<Transport> open_http_transport();

}  // namespace deferd
