// The server's answer to a call, for its reader in calls.cc.
#pragma once

#include <boost/json.hpp>

#include "deferd/calls.h"

namespace deferd::inline v1::detail {

struct Answer {
  boost::json::value json;  // null when there was none
  // An earlier attempt was sent and not answered: it may be what this one met.
  bool repeated = false;
};

}  // namespace deferd::inline v1::detail
