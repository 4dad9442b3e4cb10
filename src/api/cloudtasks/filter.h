// The filter of ListQueues (CT-spec 4): `state=PAUSED`, `rate_limits.max_burst_size > 10 AND NOT
// name:"test"`. Comparisons of fields by name in snake or camel case, joined by AND, OR, NOT (`-`)
// and parentheses. `:` finds a part of a text; `field:*` asks whether there is one.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string_view>

#include "api/cloudtasks/outcome.h"

namespace deferd::cloudtasks {

class Filter {
 public:
  struct Node;

  // Fails with INVALID_ARGUMENT. Empty: everything matches.
  static Outcome<Filter> parse(std::string_view text, const google::protobuf::Descriptor& message);

  bool matches(const google::protobuf::Message& message) const;

 private:
  std::shared_ptr<const Node> root_;  // null: everything matches
};

}  // namespace deferd::cloudtasks
