#include "api/cloudtasks/rest/shape.h"

#include <map>
#include <memory>
#include <mutex>

#include "base/assert.h"

namespace deferd::cloudtasks::rest {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

Kind kind_of(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_BOOL:
      return Kind::boolean;
    case FieldDescriptor::TYPE_INT32:
      return Kind::int32;
    case FieldDescriptor::TYPE_INT64:
      return Kind::int64;
    case FieldDescriptor::TYPE_DOUBLE:
      return Kind::real;
    case FieldDescriptor::TYPE_STRING:
      return Kind::text;
    case FieldDescriptor::TYPE_BYTES:
      return Kind::bytes;
    case FieldDescriptor::TYPE_ENUM:
      return Kind::enumeration;
    case FieldDescriptor::TYPE_MESSAGE:
      break;
    default:
      DEFERD_ASSERT(false);
  }
  const std::string& type = field.message_type()->full_name();
  if (type == "google.protobuf.Timestamp") return Kind::timestamp;
  if (type == "google.protobuf.Duration") return Kind::duration;
  if (type == "google.protobuf.FieldMask") return Kind::mask;
  if (type == "google.protobuf.Any") return Kind::any;
  return Kind::message;
}

class Shapes {
 public:
  const Shape& get(const Descriptor& descriptor) {
    const std::lock_guard lock(mutex_);
    return make(descriptor);
  }

 private:
  const Shape& make(const Descriptor& descriptor) {
    std::unique_ptr<Shape>& place = shapes_[&descriptor];
    if (place != nullptr) return *place;
    place = std::make_unique<Shape>();
    Shape& shape = *place;
    shape.descriptor = &descriptor;
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const FieldDescriptor& of = *descriptor.field(i);
      Field field{&of, of.name(), of.json_name(), kind_of(of)};
      field.map = of.is_map();
      field.repeated = of.is_repeated() && !field.map;
      if (field.kind == Kind::message) field.message = &make(*of.message_type());
      shape.fields.push_back(field);
    }
    return shape;
  }

  std::mutex mutex_;
  std::map<const Descriptor*, std::unique_ptr<Shape>> shapes_;  // under mutex_
};

}  // namespace

const Shape& shape_of(const Descriptor& descriptor) {
  static Shapes shapes;
  return shapes.get(descriptor);
}

}  // namespace deferd::cloudtasks::rest
