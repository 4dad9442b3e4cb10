// The calls about tasks, for every version.
#pragma once

#include <google/protobuf/empty.pb.h>

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "api/cloudtasks/new_tasks.h"
#include "api/cloudtasks/page_token.h"

namespace deferd::cloudtasks {

template <class V>
struct TaskCalls {
  using Task = typename V::Task;
  using Empty = google::protobuf::Empty;

  static void create_task(Service& service, const typename V::CreateTaskRequest& request,
                          const Context& context, Done<Task> done) {
    auto parent = queue_of(request.parent());
    if (!parent) return done(refuse(parent.error()));
    auto name = new_task_name(request.task().name());
    if (!name) return done(refuse(name.error()));
    auto prepared = prepare_task<V>(service, *parent, std::move(*name), request);
    if (!prepared) {
      return refuse_after_queue(service, *parent, context, std::move(prepared.error()),
                                std::move(done));
    }
    AddTasks command;
    command.queue = *parent;
    command.tasks.push_back(std::move(prepared->command));
    service.submit(
        context, std::move(command),
        [queue = std::move(*parent), prepared = std::move(*prepared),
         done = std::move(done)](Result<std::vector<Result<deferd::Task>>> added) mutable {
          if (!added) return done(refuse(failure_of(added.error(), Subject::queue)));
          done(added_task(queue, prepared, added->front()));
        });
  }

  static void get_task(Service& service, const typename V::GetTaskRequest& request,
                       const Context& context, Done<Task> done) {
    ask<GetTask>(service, request.name(), request.response_view() == Task::FULL, context,
                 std::move(done));
  }

  static void run_task(Service& service, const typename V::RunTaskRequest& request,
                       const Context& context, Done<Task> done) {
    ask<RunTask>(service, request.name(), request.response_view() == Task::FULL, context,
                 std::move(done));
  }

  static void delete_task(Service& service, const typename V::DeleteTaskRequest& request,
                          const Context& context, Done<Empty> done) {
    auto name = task_of(request.name());
    if (!name) return done(refuse(name.error()));
    DeleteTasks command;
    command.queue = std::move(name->queue);
    command.tasks.push_back(std::move(name->task));
    service.submit(
        context, std::move(command),
        [done = std::move(done)](const Result<std::vector<Result<void>>>& deleted) mutable {
          if (!deleted) return done(refuse(failure_of(deleted.error(), Subject::task)));
          if (const Result<void>& one = deleted->front(); !one)
            return done(refuse(failure_of(one.error(), Subject::task)));
          done(Empty());
        });
  }

  static void list_tasks(Service& service, const typename V::ListTasksRequest& request,
                         const Context& context, Done<typename V::ListTasksResponse> done) {
    auto parent = queue_of(request.parent());
    if (!parent) return done(refuse(parent.error()));
    const auto size = page_size_of(request.page_size(), list_tasks_max);
    if (!size) return done(refuse(size.error()));
    const std::string list = "tasks " + request.parent();
    const auto after = read_page_token(list, request.page_token(), service.clock.now().wall);
    if (!after) return done(refuse(after.error()));
    ListTasks command;
    command.queue = *parent;
    command.tasks_max = *size;
    std::from_chars(after->data(), after->data() + after->size(), command.after.value);
    const bool full = request.response_view() == Task::FULL;
    service.submit(context, std::move(command),
                   [&service, queue = std::move(*parent), list, full,
                    done = std::move(done)](const Result<ListTasks::Answer>& answer) mutable {
                     if (!answer) return done(refuse(failure_of(answer.error(), Subject::queue)));
                     done(page_of(service, queue, list, full, *answer));
                   });
  }

  // What comes of one task of an add.
  static Outcome<Task> added_task(const QueueName& queue, const PreparedTask& prepared,
                                  const Result<deferd::Task>& added) {
    if (!added) {
      if (added.error().reason == Reason::invalid) return refuse_argument(wrong_mode(prepared));
      return refuse(failure_of(added.error(), Subject::task));
    }
    TaskInfo info;
    info.task = *added;
    Task task;
    write_prepared(info, prepared, queue, prepared.full, task);
    return task;
  }

  // `failure`, unless the queue is not there, which comes first (CT-spec 7).
  template <class Answer>
  static void refuse_after_queue(Service& service, const QueueName& queue, const Context& context,
                                 Failure failure, Done<Answer> done) {
    GetQueue command;
    command.queue = queue;
    service.submit(context, std::move(command),
                   [failure = std::move(failure),
                    done = std::move(done)](const Result<QueueInfo>& info) mutable {
                     if (!info) return done(refuse(failure_of(info.error(), Subject::queue)));
                     done(refuse(std::move(failure)));
                   });
  }

 private:
  // Of what was checked here the engine can find this alone wrong.
  static std::string wrong_mode(const PreparedTask& prepared) {
    return prepared.shown.url.empty() ? "A pull task cannot be added to a push queue."
                                      : "A task with a target cannot be added to a pull queue.";
  }

  static typename V::ListTasksResponse page_of(const Service& service, const QueueName& queue,
                                               const std::string& list, bool full,
                                               const ListTasks::Answer& answer) {
    // Below what clients take in one message unless they are told otherwise: 4 MiB (CT-spec 1.1).
    constexpr std::size_t page_bytes_max = (4 << 20) - (64 << 10);
    typename V::ListTasksResponse page;
    std::optional<TaskId> next = answer.next;
    std::size_t bytes = 0;
    for (const TaskInfo& info : answer.tasks) {
      Task task;
      write_task(info, queue, full, task);
      const std::size_t task_bytes = task.ByteSizeLong() + 8;
      if (bytes + task_bytes > page_bytes_max && page.tasks_size() > 0) {
        next = answer.tasks[static_cast<std::size_t>(page.tasks_size()) - 1].task.id;
        break;
      }
      bytes += task_bytes;
      *page.add_tasks() = std::move(task);
    }
    if (next) {
      page.set_next_page_token(
          make_page_token(list, std::to_string(next->value), service.clock.now().wall));
    }
    return page;
  }

  template <class Command>
  static void ask(Service& service, const std::string& path, bool full, const Context& context,
                  Done<Task> done) {
    auto name = task_of(path);
    if (!name) return done(refuse(name.error()));
    Command command;
    command.queue = name->queue;
    command.task = std::move(name->task);
    service.submit(context, std::move(command),
                   [queue = std::move(name->queue), full,
                    done = std::move(done)](const Result<TaskInfo>& info) mutable {
                     if (!info) return done(refuse(failure_of(info.error(), Subject::task)));
                     Task task;
                     write_task(*info, queue, full, task);
                     done(std::move(task));
                   });
  }
};

}  // namespace deferd::cloudtasks
