#include "deferd/task.h"

#include <algorithm>

namespace deferd::inline v1::detail {
namespace {

namespace json = boost::json;

NeverAgain no_payload(const std::string& why) {
  return NeverAgain("the payload is no task, {\"task\": name, \"args\": [..], \"kwargs\": {..}}: " +
                    why);
}

}  // namespace

Payload read_payload(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error) throw no_payload(error.message());
  json::object* const object = value.if_object();
  if (object == nullptr) throw no_payload("it is no object");
  Payload payload;
  for (auto& [name, member] : *object) {
    if (name == "task" && member.is_string()) {
      payload.task = member.get_string();
    } else if (name == "args" && member.is_array()) {
      payload.args = std::move(member.get_array());
    } else if (name == "kwargs" && member.is_object()) {
      payload.kwargs = std::move(member.get_object());
    } else if (name == "each" && member.is_array()) {
      payload.each = std::move(member.get_array());
    } else if (name == "timeout" && member.is_number()) {
      payload.timeout = member.to_number<double>();
    } else if (name == "max_attempts" && member.is_int64()) {
      payload.max_attempts = member.get_int64();
    } else {
      throw no_payload("its member \"" + std::string(name) + "\" is not known or of another kind");
    }
  }
  if (payload.task.empty()) throw no_payload("it names no task");
  return payload;
}

std::string write_payload(std::string_view task, json::object kwargs) {
  return json::serialize(
      json::object{{"task", task}, {"args", json::array()}, {"kwargs", std::move(kwargs)}});
}

const json::value* argument(const Payload& payload, std::size_t place, std::string_view name) {
  const json::value* const named = payload.kwargs.if_contains(name);
  if (place >= payload.args.size()) return named;
  if (named != nullptr) wrong_argument(payload, name, "it is given twice");
  return &payload.args[place];
}

void require_known(const Payload& payload, const std::vector<std::string_view>& members) {
  if (payload.args.size() > members.size()) {
    throw NeverAgain(payload.task + ": " + std::to_string(payload.args.size()) +
                     " arguments are given; it takes " + std::to_string(members.size()));
  }
  for (const auto& [name, value] : payload.kwargs) {
    if (std::ranges::find(members, std::string_view(name)) == members.end())
      wrong_argument(payload, name, "there is no such argument");
  }
}

void wrong_argument(const Payload& payload, std::string_view name, const std::string& why) {
  throw NeverAgain(payload.task + ": " + std::string(name) + ": " + why);
}

json::value read_result(const TaskResult& result) {
  if (result.truncated) wrong_result(result, "it was longer than what is kept");
  if (!result.body) wrong_result(result, "there is none");
  boost::system::error_code error;
  json::value value = json::parse(*result.body, error);
  if (error) wrong_result(result, error.message());
  return value;
}

void wrong_result(const TaskResult& result, const std::string& why) {
  throw Error("the result of task " + result.id + " cannot be read: " + why);
}

}  // namespace deferd::inline v1::detail
