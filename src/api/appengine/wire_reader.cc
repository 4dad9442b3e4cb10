#include "api/appengine/wire_reader.h"

namespace deferd::appengine {

bool WireReader::damaged() {
  ok_ = false;
  left_ = {};
  return false;
}

bool WireReader::varint(std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (left_.empty()) return damaged();
    const auto byte = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (shift < 64 ? shift : 63);
    if (byte < 0x80) return true;
  }
  return damaged();
}

bool WireReader::next(Field& field) {
  if (left_.empty()) return false;
  std::uint64_t tag = 0;
  if (!varint(tag)) return false;
  const std::uint64_t number = tag >> 3;
  if (number == 0 || number > 536'870'911) return damaged();  // 2^29 - 1, the format's largest
  field.number = static_cast<std::uint32_t>(number);
  field.bytes = {};
  std::uint64_t size = 0;
  switch (tag & 7) {
    case 0:
      field.type = Type::varint;
      return varint(size);
    case 1:
      field.type = Type::fixed64;
      size = 8;
      break;
    case 2:
      field.type = Type::bytes;
      if (!varint(size)) return false;
      break;
    case 3:
      field.type = Type::group_start;
      return true;
    case 4:
      field.type = Type::group_end;
      return true;
    case 5:
      field.type = Type::fixed32;
      size = 4;
      break;
    default:
      return damaged();
  }
  if (size > left_.size()) return damaged();
  if (field.type == Type::bytes) field.bytes = left_.substr(0, size);
  left_.remove_prefix(size);
  return true;
}

std::uint64_t count_fields(std::string_view message, std::uint64_t fields_max) {
  std::uint64_t count = 0;
  WireReader reader(message);
  for (WireReader::Field field; count <= fields_max && reader.next(field);) ++count;
  return count;
}

}  // namespace deferd::appengine
