#include "api/cloudtasks/rest/bad_request.h"

#include <google/rpc/error_details.pb.h>

#include <algorithm>
#include <cctype>

#include "api/http/text.h"

namespace deferd::cloudtasks::rest {
namespace {

constexpr std::size_t violations_max = 10;

std::string place(std::string_view at) {
  return at.empty() ? std::string() : " at '" + std::string(at) + "'";
}

// "TYPE_INT32", "type.googleapis.com/google.protobuf.Duration"
std::string type_of(const Field& field) {
  if (field.descriptor->message_type() != nullptr && !field.map)
    return "type.googleapis.com/" + field.descriptor->message_type()->full_name();
  if (field.descriptor->enum_type() != nullptr)
    return "type.googleapis.com/" + field.descriptor->enum_type()->full_name();
  std::string type = field.map ? "map" : field.descriptor->type_name();
  std::ranges::transform(type, type.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return "TYPE_" + type;
}

}  // namespace

void BadRequest::unknown_name(std::string_view at, std::string_view name, std::string_view why) {
  add(at, "Invalid JSON payload received. Unknown name " + quoted(name) + place(at) + ": " +
              std::string(why));
}

void BadRequest::bad_value(std::string_view at, const Field& field, std::string_view what) {
  add(at, "Invalid value" + place(at) + " (" + type_of(field) + "), " + std::string(what));
}

void BadRequest::bad_oneof(std::string_view at, const Field& field) {
  add(at, "Invalid value" + place(at) + " (oneof), oneof field '" +
              field.descriptor->real_containing_oneof()->name() + "' is already set. Cannot set '" +
              std::string(field.json_name) + "'");
}

Outcome<void> BadRequest::outcome() const {
  if (violations_.empty()) return {};
  google::rpc::BadRequest detail;
  std::string message;
  for (const auto& [field, description] : violations_) {
    auto& violation = *detail.add_field_violations();
    violation.set_field(field);
    violation.set_description(description);
    message += (message.empty() ? "" : "\n") + description;
  }
  Failure failure;
  failure.set_code(google::rpc::INVALID_ARGUMENT);
  failure.set_message(std::move(message));
  failure.add_details()->PackFrom(detail);
  return refuse(std::move(failure));
}

void BadRequest::add(std::string_view at, std::string description) {
  if (violations_.size() < violations_max) violations_.emplace_back(at, std::move(description));
}

std::string quoted(std::string_view text, char quote) {
  constexpr std::size_t shown_max = 100;
  std::string shown = quote + valid_utf8(text.substr(0, shown_max));
  if (text.size() > shown_max) shown += "...";
  shown.push_back(quote);
  return shown;
}

}  // namespace deferd::cloudtasks::rest
