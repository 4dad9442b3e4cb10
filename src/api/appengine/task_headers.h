// What becomes of a push task's own headers when it is added (GAE-spec 6.3): what deferd sets, or
// what belongs to a connection, is left out; a header that cannot be sent is an error.
#pragma once

#include <string_view>

namespace deferd::appengine {

enum class HeaderFate : unsigned char {
  kept,     // stored, told by QueryTasks, and sent; Host tells where to
  dropped,  // nobody sees it again
  refused,  // no name, or a line break or another control character in it
};

HeaderFate fate_of(std::string_view name, std::string_view value);

}  // namespace deferd::appengine
