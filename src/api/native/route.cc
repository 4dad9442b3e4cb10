#include "api/native/route.h"

#include <array>
#include <optional>
#include <utility>

#include "api/http/text.h"

namespace deferd::native {
namespace {

tl::unexpected<Error> no_such_path() {
  return fail(Reason::not_found,
              "no such path; queues are under /v1/queues and tasks under /v1/queues/QUEUE/tasks");
}

// Takes what stands before the next "/".
std::string_view take_segment(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  return segment;
}

// Splits "emails:pause"; no name has a colon of its own, a project's is never last.
std::string_view take_action(std::string_view& segment) {
  const std::size_t colon = segment.rfind(':');
  if (colon == segment.npos) return {};
  const std::string_view action = segment.substr(colon + 1);
  segment = segment.substr(0, colon);
  return action.empty() ? std::string_view("?") : action;  // "emails:" names nothing
}

template <std::size_t size>
std::optional<Resource> find(const std::array<std::pair<std::string_view, Resource>, size>& table,
                             std::string_view action) {
  for (const auto& [name, resource] : table) {
    if (name == action) return resource;
  }
  return std::nullopt;
}

constexpr std::array<std::pair<std::string_view, Resource>, 5> pages = {
    {{"/healthz", Resource::healthz},
     {"/readyz", Resource::readyz},
     {"/metrics", Resource::metrics},
     {"/v1/config", Resource::config},
     {"/api/queue/update", Resource::app_queues}}};
constexpr std::array<std::pair<std::string_view, Resource>, 4> queue_actions = {
    {{"", Resource::queue},
     {"pause", Resource::queue_pause},
     {"resume", Resource::queue_resume},
     {"purge", Resource::queue_purge}}};
constexpr std::array<std::pair<std::string_view, Resource>, 9> tasks_actions = {
    {{"", Resource::tasks},
     {"batch", Resource::tasks_batch},
     {"lease", Resource::tasks_lease},
     {"ack", Resource::tasks_ack},
     {"renew", Resource::tasks_renew},
     {"release", Resource::tasks_release},
     {"fail", Resource::tasks_fail},
     {"results", Resource::tasks_results},
     {"watch", Resource::tasks_watch}}};
constexpr std::array<std::pair<std::string_view, Resource>, 3> task_actions = {
    {{"", Resource::task}, {"run", Resource::task_run}, {"cancel", Resource::task_cancel}}};
constexpr std::array<std::pair<std::string_view, Resource>, 3> dead_actions = {
    {{"", Resource::dead}, {"retry", Resource::dead_retry}, {"delete", Resource::dead_delete}}};
constexpr std::array<std::pair<std::string_view, Resource>, 2> dead_task_actions = {
    {{"", Resource::dead_task}, {"retry", Resource::dead_task_retry}}};

Result<std::string> name_of(std::string_view segment) {
  if (segment.find('%') == segment.npos) return std::string(segment);
  auto name = decode_percent(segment, false);
  if (!name)
    return fail(Reason::invalid, "the path has a % that is not followed by two hexadecimal digits");
  return std::move(*name);
}

Result<Route> with_task(Route route, std::string_view segment, std::optional<Resource> resource) {
  if (!resource) return no_such_path();
  route.resource = *resource;
  auto id = name_of(segment);
  if (!id) return fail(id.error());
  auto task = parse_task_ref(*id);
  if (!task) return fail(Error{Reason::invalid, task.error().message, "id", std::nullopt});
  route.task = std::move(*task);
  return route;
}

// What follows ".../queues/Q"; `rest` is not empty and has no slash in front.
Result<Route> parse_below_queue(Route route, std::string_view rest) {
  std::string_view collection = take_segment(rest);
  if (rest.empty()) {
    if (collection == "stats") {
      route.resource = Resource::queue_stats;
      return route;
    }
    const std::string_view action = take_action(collection);
    std::optional<Resource> resource;
    if (collection == "tasks") resource = find(tasks_actions, action);
    if (collection == "dead") resource = find(dead_actions, action);
    if (!resource) return no_such_path();
    route.resource = *resource;
    return route;
  }
  std::string_view task = take_segment(rest);
  if (collection == "tasks" && rest == "result")
    return with_task(std::move(route), task, Resource::task_result);
  if (!rest.empty()) return no_such_path();
  const std::string_view action = take_action(task);
  if (collection == "tasks") return with_task(std::move(route), task, find(task_actions, action));
  if (collection == "dead")
    return with_task(std::move(route), task, find(dead_task_actions, action));
  return no_such_path();
}

// What follows ".../queues"; `rest` has no slash in front.
Result<Route> parse_below_queues(Route route, std::string_view rest) {
  std::string_view segment = take_segment(rest);
  const bool ends_here = rest.empty();
  const std::string_view action = ends_here ? take_action(segment) : std::string_view();
  auto queue = name_of(segment);
  if (!queue) return fail(queue.error());
  auto name = QueueName::parse(route.queue.project, route.queue.location, *queue);
  if (!name) return fail(Error{Reason::invalid, name.error().message, "queue", std::nullopt});
  static_cast<QueueName&>(route.queue) = std::move(*name);
  if (ends_here) {
    const auto resource = find(queue_actions, action);
    if (!resource) return no_such_path();
    route.resource = *resource;
    return route;
  }
  return parse_below_queue(std::move(route), rest);
}

}  // namespace

Result<Route> parse_route(std::string_view path, std::string_view project,
                          std::string_view location) {
  if (const auto page = find(pages, path)) return Route{.resource = *page, .queue = {}, .task = {}};
  if (!path.starts_with("/v1/") || path.ends_with('/')) return no_such_path();
  path.remove_prefix(4);
  Route route;
  std::string_view segment = take_segment(path);
  if (segment == "projects") {
    auto given_project = name_of(take_segment(path));
    if (!given_project) return fail(given_project.error());
    if (take_segment(path) != "locations") return no_such_path();
    auto given_location = name_of(take_segment(path));
    if (!given_location) return fail(given_location.error());
    // Only to check them: a queue is not named here yet.
    if (auto ok = QueueName::parse(*given_project, *given_location, "q"); !ok) {
      return fail(Error{Reason::invalid, ok.error().message, "project", std::nullopt});
    }
    route.queue.project = std::move(*given_project);
    route.queue.location = std::move(*given_location);
    route.queue.long_form = true;
    segment = take_segment(path);
  } else {
    route.queue.project = project;
    route.queue.location = location;
  }
  if (segment == "queues:apply" && path.empty()) {
    route.resource = Resource::queues_apply;
    return route;
  }
  if (segment == "cron" && path.empty()) {
    route.resource = Resource::cron;
    return route;
  }
  if (segment != "queues") return no_such_path();
  if (path.empty()) {
    route.resource = Resource::queues;
    return route;
  }
  return parse_below_queues(std::move(route), path);
}

}  // namespace deferd::native
