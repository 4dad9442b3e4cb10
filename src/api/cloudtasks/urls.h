// The URLs of tasks, checked with the texts of CT-spec 8.2.
#pragma once

#include <string>
#include <string_view>

#include "api/cloudtasks/outcome.h"

namespace deferd::cloudtasks {

// What is sent for HttpRequest.url: characters that no URL has are percent-encoded, `%` stays as it
// is.
Outcome<std::string> checked_url(std::string_view url);
// The same for a relative URI; empty is "/".
Outcome<std::string> checked_relative_uri(std::string_view uri);

// The parts of a queue's HttpTarget.uriOverride, each as it is sent. The host alone, without a
// port; the path with or without its slash; either of the latter may be empty.
Outcome<void> check_host(std::string_view host);
Outcome<std::string> checked_path(std::string_view path);
Outcome<std::string> checked_query(std::string_view query);

}  // namespace deferd::cloudtasks
