// Walks over the fields of an encoded protocol buffer without decoding them into anything: for what
// must be known before memory is taken for it. Groups are not entered by themselves: their start,
// members and end come one after the other.
//
// Any bytes: what is damaged ends the walk, and ok() tells.
#pragma once

#include <cstdint>
#include <string_view>

namespace deferd::appengine {

class WireReader {
 public:
  enum class Type : std::uint8_t {
    varint = 0,
    fixed64 = 1,
    bytes = 2,
    group_start = 3,
    group_end = 4,
    fixed32 = 5,
  };
  struct Field {
    std::uint32_t number = 0;
    Type type = Type::varint;
    std::string_view bytes;  // of Type::bytes: a view into what is read
  };

  explicit WireReader(std::string_view message) : left_(message) {}

  // False at the end, and when what follows is no field.
  bool next(Field& field);
  bool ok() const { return ok_; }

 private:
  bool varint(std::uint64_t& value);
  bool damaged();

  std::string_view left_;
  bool ok_ = true;
};

// How many fields there are, those within groups included and those within submessages not;
// `fields_max` + 1 when there are more.
std::uint64_t count_fields(std::string_view message, std::uint64_t fields_max);

}  // namespace deferd::appengine
