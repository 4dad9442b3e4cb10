#include "model/names.h"

#include <algorithm>

namespace deferd {
namespace {

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool only(std::string_view text, std::string_view extra) {
  return std::ranges::all_of(
      text, [extra](char c) { return is_alnum(c) || extra.find(c) != std::string_view::npos; });
}

constexpr std::size_t id_digits = 20;

bool has_form_of_id(std::string_view text) {
  return text.size() == id_digits && text.front() == '0' &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

Result<void> check_part(std::string_view text, std::string_view what, std::string_view extra) {
  if (!text.empty() && text.size() <= 100 && only(text, extra)) return {};
  return fail(Reason::invalid,
              std::string(what) + " name must be 1 to 100 characters of A-Z a-z 0-9 " +
                  std::string(extra) + " (it has " + std::to_string(text.size()) + " characters" +
                  (text.size() <= 100 ? ", or others than these)" : ")"));
}

}  // namespace

Result<QueueName> QueueName::parse(std::string_view project, std::string_view location,
                                   std::string_view queue) {
  if (auto ok = check_part(project, "project", "._:-"); !ok) return fail(ok.error());
  if (auto ok = check_part(location, "location", "-"); !ok) return fail(ok.error());
  if (auto ok = check_part(queue, "queue", "_-"); !ok) return fail(ok.error());
  return QueueName{std::string(project), std::string(location), std::string(queue)};
}

std::string QueueName::path() const {
  return "projects/" + project + "/locations/" + location + "/queues/" + queue;
}

std::size_t hash_value(const QueueName& name) {
  // FNV-1a over the three parts; the 0 between them cannot be in a name.
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = hash * 0x100000001b3;
  };
  mix(name.project);
  mix(name.location);
  mix(name.queue);
  return hash ^ (hash >> 32);
}

std::string to_string(TaskId id) {
  std::string text(id_digits, '0');
  std::uint64_t left = id.value;
  for (std::size_t i = id_digits; i > 0; left /= 10) text[--i] = static_cast<char>('0' + left % 10);
  return text;
}

Result<std::string> parse_task_name(std::string_view text) {
  if (text.empty() || text.size() > task_name_chars_max || !only(text, "_-")) {
    return fail(Reason::invalid,
                "task name must be 1 to 500 characters of A-Z a-z 0-9 _ - (it has " +
                    std::to_string(text.size()) + ")",
                "name");
  }
  if (has_form_of_id(text)) {
    return fail(Reason::invalid,
                "task name must not be 20 digits beginning with 0: that is how the server spells "
                "the ids it "
                "chooses",
                "name");
  }
  return std::string(text);
}

Result<TaskRef> parse_task_ref(std::string_view text) {
  if (has_form_of_id(text)) {
    std::uint64_t value = 0;
    for (const char c : text) value = value * 10 + static_cast<std::uint64_t>(c - '0');
    return TaskRef(TaskId{value});
  }
  auto name = parse_task_name(text);
  if (!name) return fail(name.error());
  return TaskRef(std::move(*name));
}

}  // namespace deferd
