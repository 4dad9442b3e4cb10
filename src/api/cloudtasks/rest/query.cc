#include "api/cloudtasks/rest/query.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "api/cloudtasks/rest/bad_request.h"
#include "api/cloudtasks/rest/scalars.h"
#include "api/cloudtasks/text.h"
#include "api/http/text.h"

namespace deferd::cloudtasks::rest {
namespace {

using google::protobuf::Message;

// Taken with any call and of no use here, beside all that begin with a "$" (CT-spec 1.2).
constexpr std::string_view ignored[] = {
    "fields",     "quotaUser",       "userIp", "callback",
    "uploadType", "upload_protocol", "trace",  "extraLocationTypes",
};

// "json;enum-encoding=int"
bool asks_for_numbers(std::string_view alt) {
  const auto parts = split(alt, ';');
  return std::ranges::find(parts, "enum-encoding=int") != parts.end();
}

// Why the value cannot go into a field is noted.
void put(const Shape& request, std::string_view name, std::string_view value, Message& message,
         BadRequest& bad_request) {
  const Shape* shape = &request;
  Message* at = &message;
  const auto words = split(name, '.');
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Field* const field = shape->find(words[i]);
    if (field == nullptr || field->map) break;
    if (i + 1 == words.size()) {
      if (field->kind == Kind::message || field->kind == Kind::any) break;
      if (!put_scalar(*at, *field, value)) bad_request.bad_value(name, *field, quoted(value));
      return;
    }
    if (field->kind != Kind::message || field->repeated) break;
    at = at->GetReflection()->MutableMessage(at, field->descriptor);
    shape = field->message;
  }
  bad_request.unknown_name("", name,
                           "Cannot bind query parameter. Field " + quoted(name, '\'') +
                               " could not be found in request message.");
}

}  // namespace

Outcome<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = decode_percent(pair.substr(0, equals), true);
    auto value = equals == pair.npos ? std::optional<std::string>("")
                                     : decode_percent(pair.substr(equals + 1), true);
    if (!name || !value || !is_utf8(*name) || !is_utf8(*value)) {
      return refuse_argument(
          "The query is not percent-encoded UTF-8: give each \"%\" two hexadecimal digits.");
    }
    if (*name == "$alt" || *name == "alt") {
      query.format.enums_as_numbers |= asks_for_numbers(*value);
    } else if (*name == "$prettyPrint" || *name == "prettyPrint" || *name == "pp") {
      query.pretty = *value == "true" || *value == "1";
    } else if (*name == "$key" || *name == "key") {
      query.api_key = std::move(*value);
    } else if (*name == "access_token" || *name == "oauth_token" || *name == "bearer_token") {
      query.access_token = std::move(*value);
    } else if (!name->starts_with('$') && std::ranges::find(ignored, *name) == std::end(ignored)) {
      query.fields.emplace_back(std::move(*name), std::move(*value));
    }
  }
  return query;
}

Outcome<void> Query::bind(const Shape& shape, Message& message) const {
  BadRequest bad_request;
  for (const auto& [name, value] : fields) put(shape, name, value, message, bad_request);
  return bad_request.outcome();
}

}  // namespace deferd::cloudtasks::rest
