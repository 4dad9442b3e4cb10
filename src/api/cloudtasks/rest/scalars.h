// One value into a field of a message, from a text or a number of JSON or of a query.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string_view>
#include <variant>

#include "api/cloudtasks/rest/shape.h"

namespace deferd::cloudtasks::rest {

// A number beyond 64 bits is a double.
using Scalar = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

// Sets the field, or adds to a repeated one. False: the field takes no such value; nothing has
// changed. Not for fields that are messages without a text form.
bool put_scalar(google::protobuf::Message& message, const Field& field, const Scalar& value);

}  // namespace deferd::cloudtasks::rest
