#include "api/cloudtasks/rest/json_reader.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/cloudtasks/rest/bad_request.h"
#include "api/cloudtasks/rest/scalars.h"

namespace deferd::cloudtasks::rest {
namespace {

using boost::system::error_code;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

// Text of the parser, which hands a long or escaped one over in parts.
class Parts {
 public:
  void add(boost::json::string_view part) { kept_.append(part.data(), part.size()); }
  // The whole, valid until the next call.
  std::string_view end(boost::json::string_view last) {
    ended_ = true;
    if (kept_.empty()) return {last.data(), last.size()};
    add(last);
    return kept_;
  }
  void clear() {
    if (std::exchange(ended_, false)) kept_.clear();
  }

 private:
  std::string kept_;
  bool ended_ = false;
};

// The events of the parser, put into the message as they come. What cannot be put is noted and
// passed over.
class Reader {
 public:
  static constexpr std::size_t unbounded = static_cast<std::size_t>(-1);  // but for values_
  static constexpr std::size_t max_object_size = unbounded;
  static constexpr std::size_t max_array_size = unbounded;
  static constexpr std::size_t max_key_size = unbounded;
  static constexpr std::size_t max_string_size = unbounded;

  Reader(const Shape& shape, std::string_view at, Message& message, UnknownNames unknown)
      : shape_(shape), at_(at), message_(message), unknown_(unknown) {
    frames_.reserve(8);
  }

  const BadRequest& bad_request() const { return bad_request_; }
  bool has_too_many_values() const { return values_ > json_values_max; }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& error) {
    if (!count(error)) return false;
    if (skipped_ > 0) return skip();
    if (frames_.empty()) {
      frames_.push_back({.message = &message_, .shape = &shape_});
      return true;
    }
    const Place place = next();
    if (place.field == nullptr || place.field->kind == Kind::any) return skip();
    if (place.field->map) {
      frames_.push_back({.message = place.message, .of = place.field});
      return true;
    }
    if (place.field->kind != Kind::message) {
      bad_request_.bad_value(path(), *place.field, "Starting an object on a scalar field");
      return skip();
    }
    if (!is_free_oneof(place)) return skip();
    const auto& reflection = *place.message->GetReflection();
    Message* const part = place.field->repeated
                              ? reflection.AddMessage(place.message, place.field->descriptor)
                              : reflection.MutableMessage(place.message, place.field->descriptor);
    frames_.push_back({.message = part, .shape = place.field->message});
    return true;
  }
  bool on_object_end(std::size_t, error_code&) { return leave(); }

  bool on_array_begin(error_code& error) {
    if (!count(error)) return false;
    if (skipped_ > 0) return skip();
    if (frames_.empty()) {
      refuse_root();
      return skip();
    }
    const Field* const field = frames_.back().member;
    if (field == nullptr && frames_.back().shape != nullptr) return skip();  // an unknown member
    if (field == nullptr || !field->repeated) {
      const std::string name(field != nullptr ? field->json_name : "");
      if (frames_.back().shape != nullptr) frames_.back().member = nullptr;
      bad_request_.unknown_name(path(), name, "Proto field is not repeating, cannot start list.");
      return skip();
    }
    frames_.push_back({.message = frames_.back().message, .of = field});
    return true;
  }
  bool on_array_end(std::size_t, error_code&) { return leave(); }

  bool on_key_part(boost::json::string_view part, std::size_t, error_code&) {
    key_.clear();
    key_.add(part);
    return true;
  }
  bool on_key(boost::json::string_view last, std::size_t, error_code&) {
    key_.clear();
    const std::string_view name = key_.end(last);
    if (skipped_ > 0) return true;
    Frame& frame = frames_.back();
    if (frame.shape == nullptr) {
      frame.key = name;
      return true;
    }
    frame.member = frame.shape->find(name);
    if (frame.member == nullptr && unknown_ == UnknownNames::refused)
      bad_request_.unknown_name(path(), name, "Cannot find field.");
    return true;
  }

  bool on_string_part(boost::json::string_view part, std::size_t, error_code&) {
    text_.clear();
    text_.add(part);
    return true;
  }
  bool on_string(boost::json::string_view last, std::size_t, error_code& error) {
    text_.clear();
    return put(text_.end(last), {}, error);
  }
  bool on_number_part(boost::json::string_view part, error_code&) {
    text_.clear();
    text_.add(part);
    return true;
  }
  bool on_int64(std::int64_t number, boost::json::string_view last, error_code& error) {
    text_.clear();
    return put(number, text_.end(last), error);
  }
  bool on_uint64(std::uint64_t number, boost::json::string_view last, error_code& error) {
    text_.clear();
    return put(number, text_.end(last), error);
  }
  bool on_double(double number, boost::json::string_view last, error_code& error) {
    text_.clear();
    return put(number, text_.end(last), error);
  }
  bool on_bool(bool truth, error_code& error) {
    return put(truth, truth ? "true" : "false", error);
  }
  bool on_null(error_code& error) {
    if (!count(error)) return false;
    if (skipped_ == 0 && frames_.empty()) refuse_root();
    return true;
  }
  bool on_comment_part(boost::json::string_view, error_code&) { return true; }
  bool on_comment(boost::json::string_view, error_code&) { return true; }

 private:
  // An object, a list or a map that is open.
  struct Frame {
    Message* message = nullptr;
    const Shape* shape = nullptr;   // of an object
    const Field* of = nullptr;      // of a list or a map: the field that it fills
    const Field* member = nullptr;  // of an object: the field whose value comes; null: unknown
    std::string key = {};           // of a map: the key whose value comes
    std::size_t values = 0;         // of a list or a map, so far
  };
  // Where a value goes; without a field: nowhere.
  struct Place {
    Message* message = nullptr;
    const Field* field = nullptr;
  };

  bool count(error_code& error) {
    if (++values_ <= json_values_max) return true;
    error = boost::json::error::array_too_large;
    return false;
  }
  bool skip() {
    ++skipped_;
    return true;
  }
  bool leave() {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      frames_.pop_back();
    }
    return true;
  }
  void refuse_root() { bad_request_.unknown_name("", "", "Root element must be a message."); }

  Place next() {
    Frame& frame = frames_.back();
    if (frame.shape != nullptr) return {frame.message, frame.member};
    ++frame.values;
    if (!frame.of->map) return {frame.message, frame.of};
    Message* const entry =
        frame.message->GetReflection()->AddMessage(frame.message, frame.of->descriptor);
    const Shape& shape = *frame.of->message;
    if (!put_scalar(*entry, shape.fields[0], std::string_view(frame.key))) {
      bad_request_.bad_value(path(), shape.fields[0], quoted(frame.key));
      return {};
    }
    return {entry, &shape.fields[1]};
  }

  bool is_free_oneof(const Place& place) {
    const OneofDescriptor* const oneof = place.field->descriptor->real_containing_oneof();
    if (oneof == nullptr) return true;
    const auto* const set =
        place.message->GetReflection()->GetOneofFieldDescriptor(*place.message, oneof);
    if (set == nullptr || set == place.field->descriptor) return true;
    frames_.back().member = nullptr;
    bad_request_.bad_oneof(path(), *place.field);
    return false;
  }

  // `written`: how a value that is no text stands there.
  bool put(Scalar value, std::string_view written, error_code& error) {
    if (!count(error)) return false;
    if (skipped_ > 0) return true;
    if (frames_.empty()) {
      const auto* const text = std::get_if<std::string_view>(&value);
      if (text == nullptr || !text->empty()) refuse_root();
      return true;
    }
    const Place place = next();
    if (place.field == nullptr || place.field->kind == Kind::any) return true;
    // From its text, since a double of the parser may be one off in its last place.
    const bool is_real = place.field->kind == Kind::real && !written.empty();
    if (is_real) value = written;
    if (!is_free_oneof(place)) return true;
    if (!place.field->map && put_scalar(*place.message, *place.field, value)) return true;
    const auto* const text = std::get_if<std::string_view>(&value);
    std::string what = text != nullptr && !is_real ? quoted(*text) : std::string(written);
    if (text != nullptr && place.field->kind == Kind::bytes)
      what = "Base64 decoding failed for " + what;
    bad_request_.bad_value(path(), *place.field, what);
    return true;
  }

  // Of what is being read: "task.http_request.headers[0].value"
  std::string path() const {
    std::string path(at_);
    for (const Frame& frame : frames_) {
      if (frame.shape == nullptr) {
        path += "[" + std::to_string(std::max<std::size_t>(frame.values, 1) - 1) +
                (frame.of->map ? "].value" : "]");
      } else if (frame.member != nullptr) {
        if (!path.empty()) path.push_back('.');
        path += frame.member->name;
      }
    }
    return path;
  }

  const Shape& shape_;
  const std::string_view at_;
  Message& message_;
  const UnknownNames unknown_;
  BadRequest bad_request_;
  std::vector<Frame> frames_;
  std::uint32_t skipped_ = 0;  // containers that are open and nobody's
  std::uint32_t values_ = 0;
  Parts key_;
  Parts text_;
};

tl::unexpected<Failure> not_json(std::string_view why) {
  return refuse_argument("Invalid JSON payload received. " + std::string(why));
}

}  // namespace

Outcome<void> read_json(std::string_view text, const Shape& shape, std::string_view at,
                        Message& message, UnknownNames unknown) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  boost::json::parse_options options;
  options.max_depth = json_depth_max;
  boost::json::basic_parser<Reader> parser(options, shape, at, message, unknown);
  error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = boost::json::error::extra_data;
  if (parser.handler().has_too_many_values())
    return not_json("It has more than " + std::to_string(json_values_max) + " values.");
  if (error) return not_json(error.message() + " at byte " + std::to_string(read) + ".");
  return parser.handler().bad_request().outcome();
}

}  // namespace deferd::cloudtasks::rest
