// An error as a serialized Java object, the only one that Java's remote tools understand
// (GAE-spec 1.7).
#pragma once

#include <string>
#include <string_view>

namespace deferd::appengine {

// An ApiProxy.ApplicationException with this code and detail, no cause and no stack trace. A detail
// longer than Java's short strings is cut.
std::string java_application_exception(int code, std::string_view detail);

}  // namespace deferd::appengine
