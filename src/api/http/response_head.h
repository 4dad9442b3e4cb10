// The head of an HTTP/1.1 response as bytes.
#pragma once

#include <string>
#include <string_view>

#include "api/http/http.h"

namespace deferd::http {

struct ResponseHeadOptions {
  bool close = false;
  bool keep_alive = false;  // say so: only HTTP/1.0 needs it
  std::string_view date;    // a whole line, or empty
};

void append_response_head(std::string& out, const HttpResponse& response,
                          const ResponseHeadOptions& options);

// "Not Found"; "Unknown" for what deferd never answers.
std::string_view reason_phrase(int status);

}  // namespace deferd::http
