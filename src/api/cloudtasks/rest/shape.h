// What JSON wants to know of a type of message, worked out once for each: which fields there are,
// under which names, and how the value of each is written. Immutable; any thread.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace deferd::cloudtasks::rest {

enum class Kind : std::uint8_t {
  boolean,
  int32,
  int64,
  real,
  text,
  bytes,
  enumeration,
  message,
  // Messages with a form of their own in JSON.
  timestamp,
  duration,
  mask,
  any,
};

struct Shape;

struct Field {
  const google::protobuf::FieldDescriptor* descriptor = nullptr;
  std::string_view name;       // "rate_limits"
  std::string_view json_name;  // "rateLimits"
  Kind kind = Kind::text;      // of one element, where there may be several
  bool repeated = false;       // a list; not so a map
  bool map = false;            // `message` has its key and its value as its two fields
  const Shape* message = nullptr;
};

struct Shape {
  const google::protobuf::Descriptor* descriptor = nullptr;
  std::vector<Field> fields;

  // By either name; null: there is none.
  const Field* find(std::string_view name) const {
    for (const Field& field : fields) {
      if (field.json_name == name || field.name == name) return &field;
    }
    return nullptr;
  }
};

// Of a type that has no field of a kind that Cloud Tasks does not use (unsigned numbers, floats).
const Shape& shape_of(const google::protobuf::Descriptor& descriptor);

}  // namespace deferd::cloudtasks::rest
