#include "api/cloudtasks/rest/json_output.h"

#include <google/protobuf/any.pb.h>

#include <memory>
#include <string_view>

#include "api/cloudtasks/rest/json_values.h"
#include "api/http/json_writer.h"
#include "api/http/text.h"
#include "base/assert.h"

namespace deferd::cloudtasks::rest {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;

class Output {
 public:
  Output(JsonFormat format, std::string& out) : format_(format), json_(out) {}

  void whole(const Message& message, const Shape& shape) {
    if (shape.descriptor == google::protobuf::Any::descriptor()) {
      any(static_cast<const google::protobuf::Any&>(message));
    } else {
      object(message, shape);
    }
  }

 private:
  static constexpr int single = -1;

  void object(const Message& message, const Shape& shape) {
    json_.begin_object();
    members(message, shape);
    json_.end_object();
  }

  void members(const Message& message, const Shape& shape) {
    const Reflection& reflection = *message.GetReflection();
    for (const Field& field : shape.fields) {
      const auto* const descriptor = field.descriptor;
      if (!field.repeated && !field.map) {
        if (!reflection.HasField(message, descriptor)) continue;
        json_.key(field.json_name);
        value(message, reflection, field, single);
        continue;
      }
      const int size = reflection.FieldSize(message, descriptor);
      if (size == 0) continue;
      json_.key(field.json_name);
      if (field.map) {
        map(message, reflection, field, size);
        continue;
      }
      json_.begin_array();
      for (int i = 0; i < size; ++i) value(message, reflection, field, i);
      json_.end_array();
    }
  }

  void map(const Message& message, const Reflection& reflection, const Field& field, int size) {
    const Field& key = field.message->fields[0];
    const Field& mapped = field.message->fields[1];
    std::string scratch;
    json_.begin_object();
    for (int i = 0; i < size; ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, field.descriptor, i);
      const Reflection& of_entry = *entry.GetReflection();
      if (key.kind == Kind::text) {
        const std::string& name = of_entry.GetStringReference(entry, key.descriptor, &scratch);
        json_.foreign_key(is_utf8(name) ? name : valid_utf8(name));
      } else {
        json_.foreign_key(std::to_string(of_entry.GetInt32(entry, key.descriptor)));
      }
      value(entry, of_entry, mapped, single);
    }
    json_.end_object();
  }

  // The element `index` of a list, or the one value.
  void value(const Message& message, const Reflection& reflection, const Field& field, int index) {
    const auto* const descriptor = field.descriptor;
    const auto get = [&](auto one, auto element) {
      return index == single ? (reflection.*one)(message, descriptor)
                             : (reflection.*element)(message, descriptor, index);
    };
    switch (field.kind) {
      case Kind::boolean:
        json_.value(get(&Reflection::GetBool, &Reflection::GetRepeatedBool));
        return;
      case Kind::int32:
        json_.value(get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
        return;
      case Kind::int64:
        json_.value(std::to_string(get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64)));
        return;
      case Kind::real:
        json_.value(get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
        return;
      case Kind::enumeration:
        enumerator(field, get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue));
        return;
      case Kind::text:
      case Kind::bytes: {
        std::string scratch;
        const std::string& text =
            index == single
                ? reflection.GetStringReference(message, descriptor, &scratch)
                : reflection.GetRepeatedStringReference(message, descriptor, index, &scratch);
        if (field.kind == Kind::bytes) {
          base64(text);
        } else {
          json_.value(is_utf8(text) ? std::string_view(text) : std::string_view(valid_utf8(text)));
        }
        return;
      }
      default:
        part(index == single ? reflection.GetMessage(message, descriptor)
                             : reflection.GetRepeatedMessage(message, descriptor, index),
             field);
    }
  }

  void part(const Message& message, const Field& field) {
    std::string text;
    switch (field.kind) {
      case Kind::timestamp:
        append_timestamp(static_cast<const google::protobuf::Timestamp&>(message), text);
        json_.value(text);
        return;
      case Kind::duration:
        append_duration(static_cast<const google::protobuf::Duration&>(message), text);
        json_.value(text);
        return;
      case Kind::mask:
        json_.value(mask_text(static_cast<const google::protobuf::FieldMask&>(message)));
        return;
      case Kind::any:
        any(static_cast<const google::protobuf::Any&>(message));
        return;
      default:
        object(message, *field.message);
    }
  }

  void enumerator(const Field& field, int number) {
    const EnumValueDescriptor* const named =
        format_.enums_as_numbers ? nullptr
                                 : field.descriptor->enum_type()->FindValueByNumber(number);
    if (named == nullptr) {
      json_.value(number);
    } else {
      json_.value(named->name());
    }
  }

  void base64(std::string_view bytes) {
    std::string text = "\"";
    text.reserve(bytes.size() / 3 * 4 + 8);
    append_base64(text, bytes);
    text.push_back('"');
    json_.raw(text);
  }

  // Of a type that is compiled in, as all that the service makes are.
  void any(const google::protobuf::Any& any) {
    json_.begin_object();
    json_.member("@type", any.type_url());
    const std::string& url = any.type_url();
    const Descriptor* const type =
        DescriptorPool::generated_pool()->FindMessageTypeByName(url.substr(url.rfind('/') + 1));
    if (type != nullptr) {
      const std::unique_ptr<Message> held(
          MessageFactory::generated_factory()->GetPrototype(type)->New());
      if (held->ParseFromString(any.value())) members(*held, shape_of(*type));
    }
    json_.end_object();
  }

  const JsonFormat format_;
  JsonWriter json_;
};

}  // namespace

void append_json(const Message& message, const Shape& shape, JsonFormat format, std::string& out) {
  Output(format, out).whole(message, shape);
}

}  // namespace deferd::cloudtasks::rest
