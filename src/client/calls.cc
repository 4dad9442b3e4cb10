#include "deferd/calls.h"

#include <array>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <random>

#include "client/answer.h"
#include "client/read_models.h"
#include "client/values.h"

namespace deferd::inline v1::detail {
namespace {

namespace json = boost::json;

std::string encoded(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

std::string queue_path(std::string_view queue) {
  if (queue.find('/') == std::string_view::npos) return "/v1/queues/" + encoded(queue);
  std::string path = "/v1";
  for (std::size_t begin = 0; begin <= queue.size();) {
    const std::size_t end = std::min(queue.find('/', begin), queue.size());
    path += '/' + encoded(queue.substr(begin, end - begin));
    begin = end + 1;
  }
  return path;
}
std::string task_path(std::string_view queue, std::string_view task) {
  return queue_path(queue) + "/tasks/" + encoded(task);
}
std::string dead_path(std::string_view queue, std::string_view task) {
  return queue_path(queue) + "/dead/" + encoded(task);
}

// "?a=1&b=2"; empty values are left out.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value) {
    if (!value.empty()) add_given(name, value);
    return *this;
  }
  void add_given(std::string_view name, std::string_view value) {
    text_ += text_.empty() ? '?' : '&';
    text_ += name;
    text_ += '=' + encoded(value);
  }
  Query& add(const PageRequest& page) {
    return add("page_size", std::to_string(page.size)).add("page_token", page.token);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Done nothing(const Answer&) { return {}; }

template <class T, T (*read)(const json::value&)>
T read_one(const Answer& answer) {
  return read(answer.json);
}

template <class Read>
auto read_list(const json::value& list, Read read) {
  std::vector<decltype(read(list))> items;
  if (const json::array* const array = list.if_array()) {
    items.reserve(array->size());
    for (const json::value& item : *array) items.push_back(read(item));
  }
  return items;
}

template <class T, T (*read)(const json::value&)>
std::function<Page<T>(const Answer&)> page_reader(std::string_view name) {
  return [name = std::string(name)](const Answer& answer) {
    const Members members(answer.json);
    return Page<T>{.items = read_list(members.at(name), read),
                   .next_token = members.text("next_page_token")};
  };
}

// ---- What is sent

std::string retry_text(const RetrySettings& retry) {
  ObjectText text;
  text.add_given("max_attempts", retry.max_attempts);
  text.add_duration("max_age", retry.max_age);
  text.add_duration("min_backoff", retry.min_backoff);
  text.add_duration("max_backoff", retry.max_backoff);
  text.add_given("max_doublings", retry.max_doublings);
  return text.text();
}

std::string settings_text(const QueueSettings& settings) {
  ObjectText text;
  if (settings.mode) text.add("mode", *settings.mode == QueueMode::pull ? "pull" : "push");
  text.add_given("rate", settings.rate);
  text.add_given("burst", settings.burst);
  text.add_given("concurrency", settings.concurrency);
  text.add_duration("timeout", settings.timeout);
  text.add_given("priority", settings.priority);
  text.add_raw("retry", retry_text(settings.retry));
  text.add_given("max_tasks", settings.max_tasks);
  text.add_given("max_bytes", settings.max_bytes);
  text.add_duration("tombstone", settings.tombstone);
  text.add_duration("task_ttl", settings.task_ttl);
  ObjectText dead;
  dead.add_duration("keep", settings.dead.keep);
  dead.add_given("max_bytes", settings.dead.max_bytes);
  dead.add_given("queue", settings.dead.queue);
  text.add_raw("dead", dead.text());
  text.add_given("poison_after", settings.poison_after);
  text.add_given("history", settings.history);
  return text.text();
}

// 128 random bits: no other task has ever had it.
std::string made_up_name() {
  std::random_device random;
  std::array<char, 33> text;
  std::snprintf(text.data(), text.size(), "%08x%08x%08x%08x", random(), random(), random(),
                random());
  return "cpp-" + std::string(text.data());
}

std::string task_text(const NewTask& task, std::string_view name) {
  ObjectText text;
  text.add_text("url", task.url);
  text.add_text("method", task.method);
  if (!task.headers.empty()) {
    json::object headers;
    for (const auto& [header, value] : task.headers) headers[header] = value;
    text.add("headers", headers);
  }
  if (task.body) text.add_body(*task.body);
  if (task.json) text.add_json("json", *task.json);
  text.add("name", json::value(name));
  text.add_duration("delay", task.delay);
  text.add_instant("eta", task.eta);
  text.add_given("priority", task.priority);
  text.add_given("key", task.key);
  text.add_duration("timeout", task.timeout);
  text.add_raw("retry", retry_text(task.retry));
  text.add_duration("keep_result", task.keep_result);
  if (!task.result_headers.empty())
    text.add("result_headers", json::value_from(task.result_headers));
  text.add_text("callback_url", task.callback_url);
  text.add_text("callback_queue", task.callback_queue);
  return text.text();
}

std::string usage_text(const Usage& usage) {
  ObjectText text;
  text.add_duration("cpu", usage.cpu);
  text.add_duration("wall", usage.wall);
  text.add_given("memory_peak", usage.memory_peak);
  text.add_text("cause", usage.cause);
  text.add_given("code", usage.code);
  text.add_given("signal", usage.signal);
  return text.text();
}

std::string lease_text(const LeaseEnd& lease) {
  const Report& report = lease.report;
  ObjectText text;
  text.add("id", json::value(lease.id));
  text.add("lease_token", json::value(lease.lease_token));
  ObjectText result;
  if (report.json) result.add_json("json", *report.json);
  if (report.body) result.add_body(*report.body);
  result.add_text("content_type", report.content_type);
  text.add_raw("result", result.text());
  text.add_text("error", report.error);
  text.add_text("log", report.log);
  if (report.usage) text.add_raw("usage", usage_text(*report.usage));
  return text.text();
}

template <class T, class Write>
std::string list_text(const std::vector<T>& items, Write write) {
  std::string text = "[";
  for (const T& item : items) {
    if (text.size() > 1) text += ',';
    text += write(item);
  }
  return text + "]";
}

// A wait of a query has to be there; a body without one is without wait.
std::string wait_query(Duration wait) {
  return Query().add("wait", wait.count() == 0 ? "" : duration_text(wait)).text();
}

// ---- What comes back

std::function<std::vector<Outcome<Task>>(const Answer&)> read_outcomes(
    std::string queue, std::vector<std::string> names = {}, std::vector<bool> made_up = {}) {
  return [queue = std::move(queue), names = std::move(names),
          made_up = std::move(made_up)](const Answer& answer) {
    std::size_t place = 0;
    return read_list(Members(answer.json).at("results"),
                     [&](const json::value& value) -> Outcome<Task> {
                       const std::size_t here = place++;
                       const Members members(value);
                       if (!members.has("error")) return read_task(members.at("task"));
                       Refusal refusal = read_refusal(members.at("error"));
                       // Nobody but the attempt before can have taken a name that was made up for
                       // this call.
                       if (answer.repeated && refusal.status == "ALREADY_EXISTS" &&
                           here < made_up.size() && made_up[here])
                         return Task{.id = names[here], .name = names[here], .queue = queue};
                       return refusal;
                     });
  };
}

Outcome<Done> read_done(const json::value& value) {
  const Members members(value);
  if (members.has("error")) return read_refusal(members.at("error"));
  return Done();
}

ResultOf read_result_of(const json::value& value) {
  const Members members(value);
  // Of an ended task "error" is text; of a question without an answer it is a refusal.
  if (members.at("error").is_object()) {
    return {.id = members.text("id"),
            .name = members.text("name"),
            .result = read_refusal(members.at("error"))};
  }
  return {
      .id = members.text("id"), .name = members.text("name"), .result = read_task_result(value)};
}

}  // namespace

// ---- Queues

Call<Queue> put_queue(std::string_view queue, const QueueSettings& settings) {
  return {{.method = "PUT",
           .target = queue_path(queue),
           .body = settings_text(settings),
           .repeats = true},
          read_one<Queue, read_queue>};
}
Call<Queue> get_queue(std::string_view queue) {
  return {{.method = "GET", .target = queue_path(queue), .repeats = true},
          read_one<Queue, read_queue>};
}
Call<Page<Queue>> list_queues(const PageRequest& page) {
  return {{.method = "GET", .target = "/v1/queues" + Query().add(page).text(), .repeats = true},
          page_reader<Queue, read_queue>("queues")};
}
Call<Done> delete_queue(std::string_view queue) {
  return {{.method = "DELETE", .target = queue_path(queue)}, nothing};
}
Call<Queue> act_on_queue(std::string_view queue, std::string_view verb) {
  // A purge that is repeated would also drop what was added in between.
  return {{.method = "POST",
           .target = queue_path(queue) + ':' + std::string(verb),
           .repeats = verb != "purge"},
          read_one<Queue, read_queue>};
}
Call<QueueStats> get_stats(std::string_view queue) {
  return {{.method = "GET", .target = queue_path(queue) + "/stats", .repeats = true},
          read_one<QueueStats, read_stats>};
}
Call<std::string> upload(std::string_view path, std::string text, bool plan) {
  return {{.method = "POST",
           .target = std::string(path) + Query().add("plan", plan ? "true" : "").text(),
           .body = std::move(text),
           .repeats = true},
          [](const Answer& answer) { return json::serialize(answer.json); }};
}

// ---- Tasks

Call<Task> add_task(std::string_view queue, const NewTask& task) {
  const std::string name = task.name.empty() ? made_up_name() : task.name;
  Request request{.method = "POST",
                  .target = queue_path(queue) + "/tasks",
                  .body = task_text(task, name),
                  .repeats = true};
  if (task.name.empty()) {
    request.if_taken = json::serialize(json::value{{"id", name}, {"name", name}, {"queue", queue}});
  }
  return {std::move(request), read_one<Task, read_task>};
}
Call<std::vector<Outcome<Task>>> add_tasks(std::string_view queue,
                                           const std::vector<NewTask>& tasks) {
  std::vector<std::string> names;
  std::vector<bool> made_up;
  std::string list = list_text(tasks, [&](const NewTask& task) {
    made_up.push_back(task.name.empty());
    names.push_back(task.name.empty() ? made_up_name() : task.name);
    return task_text(task, names.back());
  });
  ObjectText body;
  body.add_raw("tasks", list);
  return {{.method = "POST",
           .target = queue_path(queue) + "/tasks:batch",
           .body = body.text(),
           .repeats = true},
          read_outcomes(std::string(queue), std::move(names), std::move(made_up))};
}
Call<Task> get_task(std::string_view queue, std::string_view task) {
  return {{.method = "GET", .target = task_path(queue, task), .repeats = true},
          read_one<Task, read_task>};
}
Call<Page<Task>> list_tasks(std::string_view queue, std::string_view state, bool full,
                            const PageRequest& page) {
  Query query;
  query.add(page).add("state", state).add("view", full ? "full" : "");
  return {{.method = "GET", .target = queue_path(queue) + "/tasks" + query.text(), .repeats = true},
          page_reader<Task, read_task>("tasks")};
}
Call<Done> delete_task(std::string_view queue, std::string_view task) {
  return {{.method = "DELETE", .target = task_path(queue, task)}, nothing};
}
Call<Task> act_on_task(std::string_view queue, std::string_view task, std::string_view verb) {
  return {{.method = "POST", .target = task_path(queue, task) + ':' + std::string(verb)},
          read_one<Task, read_task>};
}

// ---- Results

Call<TaskResult> get_result(std::string_view queue, std::string_view task, Duration wait) {
  return {{.method = "GET",
           .target = task_path(queue, task) + "/result" + wait_query(wait),
           .repeats = true,
           .waits = wait},
          read_one<TaskResult, read_task_result>};
}
Call<Results> get_results(std::string_view queue, const std::vector<std::string>& tasks,
                          Duration wait) {
  ObjectText body;
  body.add("ids", json::value_from(tasks));
  body.add_duration("wait", wait);
  return {{.method = "POST",
           .target = queue_path(queue) + "/tasks:results",
           .body = body.text(),
           .repeats = true,
           .waits = wait},
          [](const Answer& answer) {
            const Members members(answer.json);
            return Results{.ended = read_list(members.at("results"), read_result_of),
                           .pending = members.number("pending").value_or(0)};
          }};
}

// ---- Leases

Call<std::vector<Task>> lease_tasks(std::string_view queue, const LeaseRequest& request) {
  ObjectText body;
  body.add("max", request.max);
  body.add_duration("lease", request.lease);
  body.add_given("key", request.key);
  if (request.oldest_key) body.add("oldest_key", true);
  body.add_duration("wait", request.wait);
  body.add_text("worker", request.worker);
  // What was granted and never arrived comes back when its lease ends: asking again is right.
  return {
      {.method = "POST",
       .target = queue_path(queue) + "/tasks:lease",
       .body = body.text(),
       .repeats = true,
       .waits = request.wait},
      [](const Answer& answer) { return read_list(Members(answer.json).at("tasks"), read_task); }};
}
Call<std::vector<Outcome<Done>>> end_leases(std::string_view queue, std::string_view verb,
                                            const std::vector<LeaseEnd>& leases,
                                            std::optional<Duration> delay,
                                            std::string_view worker) {
  ObjectText body;
  body.add_raw("tasks", list_text(leases, lease_text));
  body.add_duration("delay", delay);
  body.add_text("worker", worker);
  return {{.method = "POST",
           .target = queue_path(queue) + "/tasks:" + std::string(verb),
           .body = body.text(),
           .repeats = true},
          [](const Answer& answer) {
            return read_list(Members(answer.json).at("results"), read_done);
          }};
}
Call<std::vector<Outcome<Task>>> renew_leases(std::string_view queue,
                                              const std::vector<LeaseEnd>& leases, Duration lease) {
  ObjectText body;
  body.add_raw("tasks", list_text(leases, [](const LeaseEnd& end) {
                 ObjectText text;
                 text.add("id", json::value(end.id));
                 text.add("lease_token", json::value(end.lease_token));
                 return text.text();
               }));
  body.add_duration("lease", lease);
  return {{.method = "POST",
           .target = queue_path(queue) + "/tasks:renew",
           .body = body.text(),
           .repeats = true},
          read_outcomes(std::string(queue))};
}
Call<std::vector<std::string>> watch_tasks(std::string_view queue,
                                           const std::vector<std::string>& tasks, Duration wait) {
  ObjectText body;
  body.add("ids", json::value_from(tasks));
  body.add_duration("wait", wait);
  return {{.method = "POST",
           .target = queue_path(queue) + "/tasks:watch",
           .body = body.text(),
           .repeats = true,
           .waits = wait},
          [](const Answer& answer) {
            return json::value_to<std::vector<std::string>>(Members(answer.json).at("ended"));
          }};
}

// ---- Dead letters

Call<Page<DeadTask>> list_dead(std::string_view queue, const DeadFilter& filter, bool full,
                               const PageRequest& page) {
  Query query;
  query.add(page)
      .add("reason", filter.reason)
      .add("status", filter.status ? std::to_string(*filter.status) : "")
      .add("failure", filter.failure)
      .add("name", filter.name)
      .add("since", filter.since ? instant_text(*filter.since) : "")
      .add("until", filter.until ? instant_text(*filter.until) : "")
      .add("view", full ? "full" : "");
  if (filter.key) query.add_given("key", *filter.key);
  return {{.method = "GET", .target = queue_path(queue) + "/dead" + query.text(), .repeats = true},
          page_reader<DeadTask, read_dead>("tasks")};
}
Call<DeadTask> get_dead(std::string_view queue, std::string_view task) {
  return {{.method = "GET", .target = dead_path(queue, task), .repeats = true},
          read_one<DeadTask, read_dead>};
}
Call<Task> retry_dead(std::string_view queue, std::string_view task) {
  return {{.method = "POST", .target = dead_path(queue, task) + ":retry"},
          read_one<Task, read_task>};
}
Call<Done> delete_dead(std::string_view queue, std::string_view task) {
  return {{.method = "DELETE", .target = dead_path(queue, task)}, nothing};
}
Call<DeadChange> change_dead(std::string_view queue, std::string_view verb,
                             const DeadFilter& filter, bool plan) {
  ObjectText body;
  body.add_text("reason", filter.reason);
  body.add_given("status", filter.status);
  body.add_text("failure", filter.failure);
  body.add_given("key", filter.key);
  body.add_text("name", filter.name);
  body.add_instant("since", filter.since);
  body.add_instant("until", filter.until);
  if (plan) body.add("plan", true);
  return {{.method = "POST",
           .target = queue_path(queue) + "/dead:" + std::string(verb),
           .body = body.text()},
          [changed = verb == "retry" ? "retried" : "deleted"](const Answer& answer) {
            const Members members(answer.json);
            return DeadChange{.matched = members.number("matched").value_or(0),
                              .changed = members.number(changed).value_or(0)};
          }};
}

}  // namespace deferd::inline v1::detail
