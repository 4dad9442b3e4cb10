// A request that outlives HttpHandler::handle(): for a door that must ask something before it looks
// at the body.
#pragma once

#include <string>
#include <vector>

#include "api/http/http.h"

namespace deferd {

class OwnedRequest {
 public:
  explicit OwnedRequest(const HttpRequest& request)
      : method_(request.method), path_(request.path), query_(request.query), body_(request.body) {
    for (const HttpHeader& header : request.headers)
      headers_.emplace_back(header.name, header.value);
    for (const auto& [name, value] : headers_) views_.push_back({name, value});
  }
  OwnedRequest(const OwnedRequest&) = delete;
  OwnedRequest& operator=(const OwnedRequest&) = delete;

  // As long as this.
  HttpRequest view() const { return {method_, path_, query_, views_, body_}; }

 private:
  std::string method_;
  std::string path_;
  std::string query_;
  std::string body_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::vector<HttpHeader> views_;
};

}  // namespace deferd
