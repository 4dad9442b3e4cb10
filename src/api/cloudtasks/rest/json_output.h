// A message as JSON (proto3's JSON mapping): camel case, fields at their default left out, 64-bit
// numbers and bytes as texts, Any with its "@type".
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "api/cloudtasks/rest/shape.h"

namespace deferd::cloudtasks::rest {

struct JsonFormat {
  bool enums_as_numbers = false;
};

// Appends the object.
void append_json(const google::protobuf::Message& message, const Shape& shape, JsonFormat format,
                 std::string& out);

}  // namespace deferd::cloudtasks::rest
