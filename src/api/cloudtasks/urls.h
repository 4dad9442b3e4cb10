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

}  // namespace deferd::cloudtasks
