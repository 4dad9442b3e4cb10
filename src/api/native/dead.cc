// Dead letters: tasks that ended without success, and are kept.
#include <algorithm>

#include "api/http/call.h"
#include "api/native/answers.h"
#include "api/native/door.h"
#include "api/native/first_answer.h"
#include "api/native/page.h"

namespace deferd::native {
namespace {

// A walk by filter over the dead letters of a queue, a page at a time, and what is done to each
// page.
struct Walk {
  QueueAddress queue;
  BulkRequest request;
  bool retries = false;  // else deletes
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
  Place after{dead_lane, Wall::min(), 0};
};

void finish(HttpReply reply, const Walk& walk) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("matched", walk.matched);
  if (!walk.request.plan) json.member(walk.retries ? "retried" : "deleted", walk.done);
  json.end_object();
  send_json(std::move(reply), 200, std::move(body));
}

void walk_on(Runtime& runtime, std::shared_ptr<Walk> walk, HttpReply reply);

template <class Command>
void act(Runtime& runtime, std::shared_ptr<Walk> walk, HttpReply reply,
         const std::vector<Task>& tasks, bool last) {
  Command command;
  command.queue = walk->queue;
  command.tasks.reserve(tasks.size());
  for (const Task& task : tasks) command.tasks.emplace_back(task.id);
  call(runtime, std::move(command), std::move(reply),
       [&runtime, walk = std::move(walk), last](HttpReply reply, const auto& results) mutable {
         if (!results) return send_error(std::move(reply), results.error(), walk->queue);
         for (const auto& result : *results) walk->done += result ? 1 : 0;
         if (last) return finish(std::move(reply), *walk);
         walk_on(runtime, std::move(walk), std::move(reply));
       });
}

void walk_on(Runtime& runtime, std::shared_ptr<Walk> walk, HttpReply reply) {
  ListDead command;
  command.queue = walk->queue;
  command.filter = walk->request.filter;
  command.after = walk->after;
  command.tasks_max = batch_tasks_max;
  call(runtime, std::move(command), std::move(reply),
       [&runtime, walk = std::move(walk)](HttpReply reply,
                                          const Result<ListDead::Answer>& page) mutable {
         if (!page) return send_error(std::move(reply), page.error(), walk->queue);
         walk->matched += page->tasks.size();
         const bool last = !page->next;
         if (!last) walk->after = *page->next;
         if (!page->tasks.empty() && !walk->request.plan) {
           if (walk->retries)
             return act<RetryDead>(runtime, std::move(walk), std::move(reply), page->tasks, last);
           return act<DeleteDead>(runtime, std::move(walk), std::move(reply), page->tasks, last);
         }
         if (last) return finish(std::move(reply), *walk);
         walk_on(runtime, std::move(walk), std::move(reply));
       });
}

}  // namespace

void NativeDoor::list_dead(Call call) {
  ListDead command;
  command.queue = call.route.queue;
  command.filter = std::move(call.query.dead);
  command.tasks_max = call.query.page_size;
  if (!call.query.page_token.empty()) {
    const auto after = parse_dead_token(call.query.page_token);
    if (!after) return send_error(std::move(call.reply), wrong_page_token(), call.route.queue);
    command.after = *after;
  }
  const TaskView view = call.query.full ? TaskView::full : TaskView::basic;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue), view](HttpReply reply,
                                                          const Result<ListDead::Answer>& page) {
                 if (!page) return send_error(std::move(reply), page.error(), name);
                 send_page(std::move(reply), page->tasks,
                           page->next ? dead_token_text(*page->next) : std::string(),
                           [&](JsonWriter& json, const Task& task) {
                             write_dead_task(json, name, task, view, nullptr);
                           });
               });
}

void NativeDoor::get_dead(Call call) {
  GetDead command;
  command.queue = call.route.queue;
  command.task = std::move(call.route.task);
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue)](HttpReply reply, const Result<TaskInfo>& info) {
                 if (!info) return send_error(std::move(reply), info.error(), name);
                 std::string body;
                 JsonWriter json(body);
                 write_dead_task(json, name, info->task, TaskView::full, info->story.get());
                 send_json(std::move(reply), 200, std::move(body));
               });
}

void NativeDoor::retry_dead_task(Call call) {
  if (auto ok = parse_nothing(call.request.body); !ok)
    return send_error(std::move(call.reply), ok.error(), call.route.queue);
  RetryDead command;
  command.queue = call.route.queue;
  command.tasks.push_back(std::move(call.route.task));
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_first_task(std::move(call.route.queue)));
}

void NativeDoor::delete_dead_task(Call call) {
  DeleteDead command;
  command.queue = call.route.queue;
  command.tasks.push_back(std::move(call.route.task));
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_first_done(std::move(call.route.queue)));
}

void NativeDoor::retry_dead(Call call) { walk_dead(std::move(call), true); }

void NativeDoor::delete_dead(Call call) { walk_dead(std::move(call), false); }

void NativeDoor::walk_dead(Call call, bool retries) {
  auto request = parse_bulk(call.request.body);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  auto walk = std::make_shared<Walk>();
  walk->queue = std::move(call.route.queue);
  walk->request = std::move(*request);
  // What was retried and died again is not met a second time.
  DeadFilter& filter = walk->request.filter;
  filter.until = std::min(filter.until.value_or(Wall::max()), clock_.now().wall + Micros(1));
  walk->retries = retries;
  walk_on(runtime_, std::move(walk), std::move(call.reply));
}

}  // namespace deferd::native
