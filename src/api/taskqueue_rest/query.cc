#include "api/taskqueue_rest/query.h"

#include <charconv>
#include <ranges>

#include "api/http/http.h"
#include "api/http/text.h"
#include "base/text.h"

namespace deferd::taskqueue_rest {
namespace {

// What a caller wrote, short enough for an error's text.
std::string quoted(std::string_view text) {
  constexpr std::size_t shown_max = 40;
  return "\"" + std::string(text.substr(0, shown_max)) + (text.size() > shown_max ? "...\"" : "\"");
}

}  // namespace

Result<Query> Query::parse(std::string_view text) {
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
    if (!name || !value) {
      return fail(Reason::invalid,
                  "the query has a % that is not followed by two hexadecimal digits");
    }
    query.values_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [given, value] : std::views::reverse(values_)) {
    if (given == name) return &value;
  }
  return nullptr;
}

Result<bool> Query::flag(std::string_view name, bool otherwise) const {
  const std::string* value = find(name);
  if (value == nullptr) return otherwise;
  // Python programs that build their queries by hand write "True".
  if (equal_ignoring_case(*value, "true") || *value == "1") return true;
  if (equal_ignoring_case(*value, "false") || *value == "0") return false;
  return fail(Reason::invalid, std::string(name) + " is " + quoted(*value) + "; give true or false",
              std::string(name));
}

Result<std::int32_t> Query::integer(std::string_view name, std::int32_t low,
                                    std::int32_t high) const {
  const std::string* value = find(name);
  if (value == nullptr) {
    return fail(Reason::invalid, "Required parameter: " + std::string(name), std::string(name));
  }
  std::int32_t number = 0;
  const char* const end = value->data() + value->size();
  const auto [stop, error] = std::from_chars(value->data(), end, number);
  if (error == std::errc() && stop == end && number >= low && number <= high) return number;
  return fail(Reason::invalid,
              std::string(name) + " is " + quoted(*value) + "; give a whole number from " +
                  std::to_string(low) + " to " + std::to_string(high),
              std::string(name));
}

}  // namespace deferd::taskqueue_rest
