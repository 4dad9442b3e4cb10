// The headers of a task: which of a caller's are kept, and what is shown of those that are stored
// (CT-spec 9.12, 9.13).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/cloudtasks/outcome.h"

namespace deferd::cloudtasks {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view http_user_agent = "Google-Cloud-Tasks";
constexpr std::string_view app_engine_user_agent =
    "AppEngine-Google; (+http://code.google.com/appengine)";

// Fails when a name or a value cannot be sent, or when all are 80 KB or more.
Outcome<void> check_headers(const HeaderList& given);

// Of names that differ in case alone the last by byte order is kept; what the service says itself
// is left out. Fails as check_headers() does.
Outcome<HeaderList> kept_headers(HeaderList given, bool app_engine);

const std::string* find_header(const HeaderList& headers, std::string_view name);

}  // namespace deferd::cloudtasks
