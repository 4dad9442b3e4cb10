#include "api/appengine/java_exception.h"

#include <cstdint>

namespace deferd::appengine {
namespace {

// Java's object serialization stream, version 5 ("Object Serialization Stream Protocol"), as far as
// one exception needs it.
class ObjectStream {
 public:
  enum Code : char {
    null = 0x70,
    reference = 0x71,
    class_description = 0x72,
    object = 0x73,
    string = 0x74,
    array = 0x75,
    end_of_block = 0x78,
  };

  ObjectStream() { bytes("\xac\xed\x00\x05"); }  // magic and version

  ObjectStream& code(Code one) {
    out_.push_back(one);
    return *this;
  }
  ObjectStream& number(std::uint32_t value, int width) {
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
      out_.push_back(static_cast<char>(value >> shift));
    }
    return *this;
  }
  ObjectStream& text(std::string_view modified_utf8) {
    number(static_cast<std::uint32_t>(modified_utf8.size()), 2);
    out_.append(modified_utf8);
    return *this;
  }
  // Up to its fields. `uid`: the serialVersionUID, 8 bytes.
  ObjectStream& describe(std::string_view name, std::string_view uid, std::uint32_t flags,
                         std::uint32_t fields) {
    code(class_description).text(name);
    out_.append(uid);
    return number(flags, 1).number(fields, 2);
  }
  ObjectStream& primitive_field(char type, std::string_view name) {
    out_.push_back(type);
    return text(name);
  }
  // `type` is written as a string and so gets the next handle.
  ObjectStream& object_field(char kind, std::string_view name, std::string_view type) {
    out_.push_back(kind);
    text(name);
    return code(string).text(type);
  }
  ObjectStream& object_field(char kind, std::string_view name, std::uint32_t handle) {
    out_.push_back(kind);
    text(name);
    return refer(handle);
  }
  ObjectStream& refer(std::uint32_t handle) {
    return code(reference).number(base_handle + handle, 4);
  }
  std::string take() { return std::move(out_); }

 private:
  static constexpr std::uint32_t base_handle = 0x7e0000;

  template <std::size_t size>
  void bytes(const char (&literal)[size]) {
    out_.append(literal, size - 1);
  }

  std::string out_;
};

constexpr std::uint32_t serializable = 2;         // SC_SERIALIZABLE
constexpr std::uint32_t with_own_writer = 2 | 1;  // and SC_WRITE_METHOD
constexpr std::size_t text_bytes_max = 60'000;    // a short string takes up to 65,535

using std::string_view_literals::operator""sv;

// Modified UTF-8 differs from UTF-8 in the character 0 and beyond the basic plane; a detail has
// neither in practice, and what is no ASCII is not worth a stream that Java cannot read.
std::string plain(std::string_view detail) {
  std::string text(detail.substr(0, text_bytes_max));
  for (char& c : text) {
    if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

}  // namespace

std::string java_application_exception(int code, std::string_view detail) {
  const std::string words = plain(detail);
  ObjectStream out;
  out.code(ObjectStream::object);
  // Handle 0; its second field's type is handle 1.
  out.describe("com.google.apphosting.api.ApiProxy$ApplicationException",
               "\x5e\xf6\xf5\x0a\x20\x38\x85\x9b"sv, serializable, 2)
      .primitive_field('I', "applicationError")
      .object_field('L', "errorDetail", "Ljava/lang/String;")
      .code(ObjectStream::end_of_block);
  out.describe("com.google.apphosting.api.ApiProxy$ApiProxyException",
               "\x90\x50\x68\x61\x7d\xa7\x7b\x14"sv, serializable, 0)
      .code(ObjectStream::end_of_block);
  out.describe("java.lang.RuntimeException", "\x9e\x5f\x06\x47\x0a\x34\x83\xe5"sv, serializable, 0)
      .code(ObjectStream::end_of_block);
  out.describe("java.lang.Exception", "\xd0\xfd\x1f\x3e\x1a\x3b\x1c\xc4"sv, serializable, 0)
      .code(ObjectStream::end_of_block);
  out.describe("java.lang.Throwable", "\xd5\xc6\x35\x27\x39\x77\xb8\xcb"sv, with_own_writer, 4)
      .object_field('L', "cause", "Ljava/lang/Throwable;")
      .object_field('L', "detailMessage", 1U)
      .object_field('[', "stackTrace", "[Ljava/lang/StackTraceElement;")
      .object_field('L', "suppressedExceptions", "Ljava/util/List;")
      .code(ObjectStream::end_of_block)
      .code(ObjectStream::null);  // no superclass that is serialized

  // Throwable's own: it is its own cause, which says that there is none. The object is handle 9.
  out.refer(9);
  out.code(ObjectStream::string).text("ApplicationError: " + std::to_string(code) + ": " + words);
  out.code(ObjectStream::array)
      .describe("[Ljava.lang.StackTraceElement;", "\x02\x46\x2a\x3c\x3c\xfd\x22\x39"sv,
                serializable, 0)
      .code(ObjectStream::end_of_block)
      .code(ObjectStream::null)
      .number(0, 4);
  out.code(ObjectStream::object)
      .describe("java.util.Collections$EmptyList", "\x7a\xb8\x17\xb4\x3c\xa7\x9e\xde"sv,
                serializable, 0)
      .code(ObjectStream::end_of_block)
      .code(ObjectStream::null)
      .code(ObjectStream::end_of_block);

  // ApplicationException's own.
  out.number(static_cast<std::uint32_t>(code), 4);
  out.code(ObjectStream::string).text(words);
  return out.take();
}

}  // namespace deferd::appengine
