#include "api/cloudtasks/names.h"

#include <algorithm>
#include <vector>

#include "api/cloudtasks/text.h"

namespace deferd::cloudtasks {
namespace {

using Words = std::vector<std::string_view>;

tl::unexpected<Failure> bad_name() {
  return refuse_argument("Invalid resource field value in the request.");
}

Words words_of(std::string_view name) { return split(name, '/'); }

// Whether the words are `names[0]`/X/`names[1]`/Y.. with as many pairs as given.
bool has_form(const Words& words, std::initializer_list<std::string_view> names) {
  if (words.size() != names.size() * 2) return false;
  std::size_t i = 0;
  for (const std::string_view name : names) {
    if (words[i] != name || words[i + 1].empty()) return false;
    i += 2;
  }
  return true;
}

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

bool is_project(std::string_view text) {
  return !text.empty() && text.size() <= 100 && std::ranges::all_of(text, [](char c) {
    return is_word_char(c) || c == ':' || c == '.' || c == '_';
  });
}

bool is_location(std::string_view text) {
  return !text.empty() && text.size() <= 100 && std::ranges::all_of(text, is_word_char);
}

bool is_task_id(std::string_view text) {
  return !text.empty() && text.size() <= task_name_chars_max &&
         std::ranges::all_of(text, [](char c) { return is_word_char(c) || c == '_'; });
}

Failure bad_queue_name() {
  Failure failure;
  failure.set_code(google::rpc::INVALID_ARGUMENT);
  failure.set_message(
      "Queue name must be formatted: "
      "\"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>\".");
  return with_help(std::move(failure), "Definition of queue name",
                   "https://cloud.google.com/tasks/docs/reference/rest/v2/"
                   "projects.locations.queues#Queue.FIELDS.name");
}

Failure bad_task_id(std::string_view id) {
  Failure failure;
  failure.set_code(google::rpc::INVALID_ARGUMENT);
  failure.set_message("Task ID \"" + std::string(id) +
                      "\" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or "
                      "underscores (_). Task ID must between 1 and 500 characters.");
  return with_help(std::move(failure), "Definition of task ID",
                   "https://cloud.google.com/tasks/docs/reference/rest/v2/"
                   "projects.locations.queues.tasks#Task.FIELDS.name");
}

}  // namespace

Outcome<std::string> project_of(std::string_view name) {
  const Words words = words_of(name);
  if (!has_form(words, {"projects"}) || !is_project(words[1])) return bad_name();
  return std::string(words[1]);
}

Outcome<LocationName> location_of(std::string_view name) {
  const Words words = words_of(name);
  if (!has_form(words, {"projects", "locations"}) || !is_project(words[1]) ||
      !is_location(words[3])) {
    return bad_name();
  }
  return LocationName{std::string(words[1]), std::string(words[3])};
}

Outcome<QueueName> queue_of(std::string_view name) {
  const Words words = words_of(name);
  if (!has_form(words, {"projects", "locations", "queues"})) return bad_name();
  auto queue = QueueName::parse(words[1], words[3], words[5]);
  if (!queue) return bad_name();
  return std::move(*queue);
}

Outcome<TaskName> task_of(std::string_view name) {
  const Words words = words_of(name);
  if (!has_form(words, {"projects", "locations", "queues", "tasks"})) return bad_name();
  auto queue = QueueName::parse(words[1], words[3], words[5]);
  auto task = parse_task_ref(words[7]);
  if (!queue || !task) return bad_name();
  return TaskName{std::move(*queue), std::move(*task)};
}

Outcome<LocationName> cmek_config_of(std::string_view name) {
  constexpr std::string_view end = "/cmekConfig";
  if (!name.ends_with(end)) return bad_name();
  name.remove_suffix(end.size());
  return location_of(name);
}

Outcome<QueueName> new_queue_of(const LocationName& parent, std::string_view name) {
  const Words words = words_of(name);
  if (!has_form(words, {"projects", "locations", "queues"}) ||
      words[5].find('_') != std::string_view::npos) {
    return refuse(bad_queue_name());
  }
  auto queue = QueueName::parse(words[1], words[3], words[5]);
  if (!queue) return refuse(bad_queue_name());
  if (queue->project != parent.project || queue->location != parent.location) {
    return refuse_argument(std::string(name) + " must begin with " + parent.path() + ".");
  }
  return std::move(*queue);
}

Outcome<NewTaskName> new_task_name(std::string_view name) {
  if (name.empty()) return NewTaskName{};
  const Words words = words_of(name);
  if (words.size() != 8 || words[0] != "projects" || words[2] != "locations" ||
      words[4] != "queues" || words[6] != "tasks" ||
      !QueueName::parse(words[1], words[3], words[5])) {
    return refuse_argument(
        "Task name must be formatted: "
        "\"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>\"");
  }
  if (!is_task_id(words[7])) return refuse(bad_task_id(words[7]));
  if (auto ok = parse_task_name(words[7]); !ok) return refuse_argument(ok.error().message);
  return NewTaskName{std::string(name.substr(0, name.size() - words[7].size() - 7)),
                     std::string(words[7])};
}

Outcome<void> check_parent(const NewTaskName& name, std::string_view parent) {
  if (name.id.empty() || name.queue == parent) return {};
  return refuse_argument("The queue name from request ('" + std::string(parent) +
                         "') must be the same as the queue name in the named task ('" + name.queue +
                         "').");
}

std::string task_path(const QueueName& queue, std::string_view name, TaskId id) {
  std::string path = queue.path() + "/tasks/";
  if (name.empty()) return path + to_string(id);
  return path.append(name);
}

}  // namespace deferd::cloudtasks
