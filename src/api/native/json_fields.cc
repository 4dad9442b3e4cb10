#include "api/native/json_fields.h"

#include <cmath>
#include <cstring>

#include "api/http/text.h"
#include "base/assert.h"
#include "model/duration_text.h"

namespace deferd::native {
namespace {

constexpr std::size_t shown_max = 60;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text.substr(0, shown_max)) + (text.size() > shown_max ? "...\"" : "\"");
}

std::string range_text(std::int64_t low, std::int64_t high) {
  return "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

Fields::Fields(const json::value& value, std::string path)
    : object_(value.if_object()), path_(std::move(path)) {
  if (object_ != nullptr) return;
  std::string field = path_;
  if (!field.empty() && field.back() == '.') field.pop_back();
  error_ = Error{Reason::invalid,
                 (field.empty() ? "the request's body" : field) + " is " +
                     std::string(kind_of(value)) + "; give a JSON object",
                 field, std::nullopt};
}

const json::value* Fields::take(std::string_view name) {
  DEFERD_ASSERT(name_count_ < names_max);
  names_[name_count_++] = name;
  if (object_ == nullptr) return nullptr;
  const json::value* found = object_->if_contains(json::string_view(name.data(), name.size()));
  if (found != nullptr) ++present_;
  return found;
}

const json::value* Fields::any(std::string_view name) { return take(name); }

std::optional<std::string_view> Fields::text(std::string_view name) {
  const json::value* found = take(name);
  if (found == nullptr) return std::nullopt;
  if (const json::string* text = found->if_string())
    return std::string_view(text->data(), text->size());
  wrong_type(name, *found, "a string");
  return std::nullopt;
}

std::optional<bool> Fields::flag(std::string_view name) {
  const json::value* found = take(name);
  if (found == nullptr) return std::nullopt;
  if (const bool* flag = found->if_bool()) return *flag;
  wrong_type(name, *found, "true or false");
  return std::nullopt;
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t low,
                                            std::int64_t high) {
  const json::value* found = take(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number()) {
    wrong_type(name, *found, range_text(low, high));
    return std::nullopt;
  }
  std::optional<std::int64_t> number;
  if (const std::int64_t* small = found->if_int64()) number = *small;
  if (const double* real = found->if_double();
      real != nullptr && std::abs(*real) < 9e15 && std::trunc(*real) == *real) {
    number = static_cast<std::int64_t>(*real);  // 1e3 is a whole number, too
  }
  if (number && *number >= low && *number <= high) return number;
  refuse(name, std::string(name) + " is " + (number ? std::to_string(*number) : "no such number") +
                   "; give " + range_text(low, high));
  return std::nullopt;
}

std::optional<Micros> Fields::duration(std::string_view name, Micros low, Micros high) {
  const json::value* found = take(name);
  if (found == nullptr) return std::nullopt;
  std::optional<Micros> duration;
  if (const json::string* text = found->if_string()) {
    auto parsed = parse_duration(std::string_view(text->data(), text->size()));
    if (!parsed) {
      refuse_as(name, parsed.error());
      return std::nullopt;
    }
    duration = *parsed;
  } else if (found->is_number()) {
    const double micros = found->to_number<double>() * 1e6;
    if (!(std::abs(micros) <= static_cast<double>(duration_max.count()))) {
      refuse(name, std::string(name) + " is longer than a century");
      return std::nullopt;
    }
    const double whole = std::round(micros);
    // Below a century a double is exact to about half a microsecond; what is coarser than that was
    // meant.
    if (std::abs(micros - whole) > 0.01 && std::abs(micros) < 1e14) {
      refuse(name, std::string(name) + " is finer than a microsecond");
      return std::nullopt;
    }
    duration = Micros(static_cast<std::int64_t>(whole));
  } else {
    wrong_type(name, *found, "a duration like \"1m30s\" or a number of seconds");
    return std::nullopt;
  }
  if (*duration >= low && *duration <= high) return duration;
  const std::string is = std::string(name) + " is " + format_duration(*duration);
  refuse(name,
         is + "; give a duration from " + format_duration(low) + " to " + format_duration(high));
  return std::nullopt;
}

std::optional<Micros> Fields::measured(std::string_view name) {
  if (object_ != nullptr) {
    const json::value* found = object_->if_contains(json::string_view(name.data(), name.size()));
    const double* seconds = found == nullptr ? nullptr : found->if_double();
    const double micros = seconds == nullptr ? -1 : std::round(*seconds * 1e6);
    if (micros >= 0 && micros <= static_cast<double>(duration_max.count())) {
      take(name);
      return Micros(static_cast<std::int64_t>(micros));
    }
  }
  return duration(name, Micros(0), duration_max);
}

const json::object* Fields::object(std::string_view name) {
  const json::value* found = take(name);
  if (found == nullptr) return nullptr;
  if (const json::object* object = found->if_object()) return object;
  wrong_type(name, *found, "an object");
  return nullptr;
}

const json::array* Fields::array(std::string_view name) {
  const json::value* found = take(name);
  if (found == nullptr) return nullptr;
  if (const json::array* array = found->if_array()) return array;
  wrong_type(name, *found, "an array");
  return nullptr;
}

void Fields::wrong_type(std::string_view name, const json::value& is, std::string_view wanted) {
  refuse(name, std::string(name) + " is " + std::string(kind_of(is)) + "; give " +
                   std::string(wanted) + (is.is_null() ? ", or leave it out" : ""));
}

void Fields::refuse(std::string_view name, std::string message) {
  refuse(Error{Reason::invalid, std::move(message), path_ + std::string(name), std::nullopt});
}

void Fields::refuse(Error error) {
  if (!error_) error_ = std::move(error);
}

void Fields::refuse_as(std::string_view name, Error error) {
  error.field = path_ + std::string(name);
  refuse(std::move(error));
}

Error Fields::unknown_member() const {
  for (const auto& member : *object_) {
    const std::string_view key(member.key().data(), member.key().size());
    std::string_view nearest;
    std::size_t nearest_edits =
        key.size() > 40 ? 0 : key.size() / 3 + 1;  // more is no slip of the finger
    bool known = false;
    for (std::size_t i = 0; i < name_count_; ++i) {
      known = known || names_[i] == key;
      if (nearest_edits == 0) continue;
      if (const std::size_t edits = edit_distance(key, names_[i]); edits <= nearest_edits) {
        nearest_edits = edits;
        nearest = names_[i];
      }
    }
    if (known) continue;
    std::string message = "unknown member " + quoted(key);
    if (!nearest.empty()) message += "; did you mean \"" + std::string(nearest) + "\"?";
    if (nearest.empty() && name_count_ > 0) {
      message += "; known are";
      for (std::size_t i = 0; i < name_count_; ++i)
        message += (i == 0 ? " " : ", ") + std::string(names_[i]);
    }
    return Error{Reason::invalid, std::move(message), path_ + std::string(key.substr(0, shown_max)),
                 std::nullopt};
  }
  return Error{Reason::internal, "an unknown member that is known", path_, std::nullopt};
}

Result<void> Fields::finish() {
  // An unknown member goes first: it often is the cause of what else is missing.
  if (object_ != nullptr && present_ < object_->size()) return fail(unknown_member());
  if (error_) return fail(*error_);
  return {};
}

}  // namespace deferd::native
