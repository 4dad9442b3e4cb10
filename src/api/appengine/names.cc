#include "api/appengine/names.h"

#include <algorithm>

namespace deferd::appengine {
namespace {

bool only(std::string_view text, std::size_t max, std::string_view extra) {
  return !text.empty() && text.size() <= max && std::ranges::all_of(text, [extra](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           extra.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string_view project_of(std::string_view app_id) {
  const std::size_t partition = app_id.find('~');
  return partition == app_id.npos ? app_id : app_id.substr(partition + 1);
}

bool is_queue_name(std::string_view text) { return only(text, 100, "-"); }
bool is_task_name(std::string_view text) { return only(text, task_name_chars_max, "_-"); }

std::variant<QueueName, RpcFailure> queue_of(std::string_view project, std::string_view location,
                                             std::string_view queue) {
  if (queue.empty()) {
    return refusal(Service::UNKNOWN_QUEUE, "no queue is named; \"default\" is always there");
  }
  auto name = QueueName::parse(project, location, queue);
  if (!name) return refusal(Service::INVALID_QUEUE_NAME, name.error().message);
  return std::move(*name);
}

}  // namespace deferd::appengine
