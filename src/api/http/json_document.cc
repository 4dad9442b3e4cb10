#include "api/http/json_document.h"

#include <boost/json/parser.hpp>

#include "api/http/raw_json.h"
#include "api/http/text.h"

namespace deferd {
namespace {

std::uint64_t count_members(const boost::json::value& value) {
  std::uint64_t count = 0;
  if (const boost::json::object* object = value.if_object()) {
    count = object->size();
    for (const auto& [key, member] : *object) count += count_members(member);
  } else if (const boost::json::array* array = value.if_array()) {
    for (const boost::json::value& element : *array) count += count_members(element);
  }
  return count;
}

std::string why_not_json(const boost::system::error_code& error, std::string_view text,
                         std::size_t at) {
  std::string message = "the request's body is not valid JSON: ";
  if (error == boost::json::error::too_deep) {
    return "the request's body is nested deeper than " + std::to_string(json_depth_max) + " levels";
  }
  if (!is_utf8(text)) {
    message += "it is not UTF-8; send other bytes as base64";
  } else if (error == boost::json::error::incomplete) {
    message += "it ends too early";
  } else if (error == boost::json::error::extra_data) {
    message += "something follows its end";
  } else {
    message += error.message();
  }
  return message + " (at byte " + std::to_string(at) + " of " + std::to_string(text.size()) + ")";
}

}  // namespace

Result<void> JsonDocument::parse(std::string_view text) {
  text_ = text;
  if (text.empty()) {
    root_.emplace(boost::json::object(&resource_));
    return {};
  }
  const JsonCounts counts = count_json(text);
  if (counts.values > json_values_max) {
    return fail(Reason::too_large, "the request's body has more than " +
                                       std::to_string(json_values_max) +
                                       " JSON values; split it, or send data as text in `body`");
  }
  boost::json::parse_options options;
  options.max_depth = json_depth_max;
  // Its stack of open values; what outgrows it goes to the heap.
  std::array<unsigned char, 1024> scratch;
  boost::json::parser parser(&resource_, options, scratch.data(), scratch.size());
  boost::system::error_code error;
  const std::size_t at = parser.write(text.data(), text.size(), error);
  if (error) return fail(Reason::invalid, why_not_json(error, text, at));
  root_.emplace(parser.release());
  // The tree keeps the last of two equal members: fewer are in it than in the text.
  if (counts.members != count_members(*root_)) {
    return fail(Reason::invalid, "an object in the request's body names the same member twice");
  }
  return {};
}

}  // namespace deferd
