// The query of a request: what every API of Google takes with any call, and fields of the request.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/cloudtasks/outcome.h"
#include "api/cloudtasks/rest/json_output.h"
#include "api/cloudtasks/rest/shape.h"

namespace deferd::cloudtasks::rest {

struct Query {
  // "a=b&c=d", percent-encoded. Fails with INVALID_ARGUMENT.
  static Outcome<Query> parse(std::string_view text);

  // Puts `fields`: "pageSize", "page_size", "queue.name". Fails with INVALID_ARGUMENT for one that
  // the message has not, or whose value it does not take.
  Outcome<void> bind(const Shape& shape, google::protobuf::Message& message) const;

  JsonFormat format;
  bool pretty = false;
  std::string api_key;
  std::string access_token;
  std::vector<std::pair<std::string, std::string>> fields;
};

}  // namespace deferd::cloudtasks::rest
