// JSON straight into a message, in one pass and without a tree between (docs/decisions/0015).
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string_view>

#include "api/cloudtasks/outcome.h"
#include "api/cloudtasks/rest/shape.h"

namespace deferd::cloudtasks::rest {

constexpr std::size_t json_depth_max = 32;
// An element of a list may take a hundred bytes where its text takes two: without a bound on their
// number, a request of 32 MB could take gigabytes. This one allows a batch of 1,000 names or of 100
// tasks with hundreds of headers each.
constexpr std::uint32_t json_values_max = 100'000;

// Reads the object `text` into `message`, whose shape is `shape`; no text is an empty object, and
// so is "", which Node's client sends when all that it has to say is in the path. `at` says where
// in the request the message is, for errors: "queue"; empty for the request itself. Members are
// named in camel or snake case; null leaves a field as it is. Any messages, which callers only send
// back, are not read.
//
// Fails with INVALID_ARGUMENT, the service's words and a BadRequest detail: what is no JSON, no
// UTF-8, nested too deeply or has too many values; a member that is no field, a value that is not
// of its field, a second member of a oneof.
enum class UnknownNames : std::uint8_t { refused, ignored };
Outcome<void> read_json(std::string_view text, const Shape& shape, std::string_view at,
                        google::protobuf::Message& message,
                        UnknownNames unknown = UnknownNames::refused);

}  // namespace deferd::cloudtasks::rest
