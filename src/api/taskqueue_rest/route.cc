#include "api/taskqueue_rest/route.h"

#include <optional>
#include <utility>
#include <vector>

#include "api/http/text.h"

namespace deferd::taskqueue_rest {
namespace {

constexpr std::size_t segments_max = 5;  // {project} taskqueues {taskqueue} tasks {task}

tl::unexpected<Error> no_such_path() {
  return fail(Reason::not_found, "no such path; queues are under " + std::string(projects_path) +
                                     "PROJECT/taskqueues/QUEUE");
}

Result<std::vector<std::string>> split(std::string_view path) {
  std::vector<std::string> segments;
  while (true) {
    if (segments.size() == segments_max) return no_such_path();
    const std::size_t slash = path.find('/');
    auto segment = decode_percent(path.substr(0, slash), false);
    if (!segment) {
      return fail(Reason::invalid,
                  "the path has a % that is not followed by two hexadecimal digits");
    }
    if (segment->empty()) return no_such_path();
    segments.push_back(std::move(*segment));
    if (slash == path.npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::string_view without_partition(std::string_view application) {
  const std::size_t tilde = application.find('~');
  return tilde == application.npos ? application : application.substr(tilde + 1);
}

Result<Route> parse_route(std::string_view path, std::string_view location) {
  Route route;
  if (path == discovery_path) {
    route.resource = Resource::discovery;
    return route;
  }
  if (!path.starts_with(projects_path)) return no_such_path();
  auto segments = split(path.substr(projects_path.size()));
  if (!segments) return fail(segments.error());
  if (segments->size() < 3 || (*segments)[1] != "taskqueues") return no_such_path();
  if (segments->size() > 3 && (*segments)[3] != "tasks") return no_such_path();
  route.project = std::move((*segments)[0]);
  auto queue = QueueName::parse(without_partition(route.project), location, (*segments)[2]);
  if (!queue) return fail(Reason::invalid, queue.error().message);
  route.queue = std::move(*queue);
  if (segments->size() == 4) route.resource = Resource::tasks;
  if (segments->size() == 5) {
    route.task = std::move((*segments)[4]);
    route.resource = route.task == "lease" ? Resource::lease : Resource::task;
  }
  return route;
}

}  // namespace deferd::taskqueue_rest
