// The calls about queues, for every version.
#pragma once

#include <google/protobuf/empty.pb.h>

#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/cloudtasks/filter.h"
#include "api/cloudtasks/mask.h"
#include "api/cloudtasks/names.h"
#include "api/cloudtasks/page_token.h"
#include "api/cloudtasks/queue_messages.h"
#include "api/cloudtasks/service.h"

namespace deferd::cloudtasks {

template <class V>
struct QueueCalls {
  using Queue = typename V::Queue;
  using Empty = google::protobuf::Empty;

  static void list_queues(Service& service, const typename V::ListQueuesRequest& request,
                          const Context& context, Done<typename V::ListQueuesResponse> done) {
    constexpr std::uint32_t page_max = 9800;
    auto parent = location_of(request.parent());
    if (!parent) return done(refuse(parent.error()));
    const auto size = page_size_of(request.page_size(), page_max);
    if (!size) return done(refuse(size.error()));
    auto filter = Filter::parse(request.filter(), *Queue::descriptor());
    if (!filter) return done(refuse(filter.error()));
    auto mask = read_mask_of(request);
    if (!mask) return done(refuse(mask.error()));
    const std::string list = "queues " + request.parent() + " " + request.filter();
    auto after = read_page_token(list, request.page_token(), service.clock.now().wall);
    if (!after) return done(refuse(after.error()));
    ListQueues command;
    command.project = parent->project;
    command.location = parent->location;
    command.after = std::move(*after);
    command.queues_max = *size + 1;  // one more tells whether any follows
    service.submit(context, std::move(command),
                   [&service, context, size = *size, list, filter = std::move(*filter),
                    mask = std::move(*mask),
                    done = std::move(done)](Result<std::vector<QueueInfo>> queues) mutable {
                     static_cast<void>(context);  // of the betas
                     if (!queues) return done(refuse(failure_of(queues.error(), Subject::queue)));
                     typename V::ListQueuesResponse response;
                     if (queues->size() > size) {
                       queues->resize(size);
                       response.set_next_page_token(make_page_token(list, queues->back().name.queue,
                                                                    service.clock.now().wall));
                     }
                     std::vector<QueueName> shown;
                     for (QueueInfo& info : *queues) {
                       Queue queue;
                       write_queue<V>(info, queue);
                       if (!filter.matches(queue)) continue;
                       shown.push_back(std::move(info.name));
                       *response.add_queues() = std::move(queue);
                     }
                     if constexpr (has_stats) {
                       if (mask.wants_stats) {
                         return list_with_stats(service, context, shown, std::move(mask),
                                                std::move(response), std::move(done));
                       }
                     }
                     for (Queue& queue : *response.mutable_queues()) show_only(mask, queue);
                     done(std::move(response));
                   });
  }

  static void get_queue(Service& service, const typename V::GetQueueRequest& request,
                        const Context& context, Done<Queue> done) {
    auto name = queue_of(request.name());
    if (!name) return done(refuse(name.error()));
    auto mask = read_mask_of(request);
    if (!mask) return done(refuse(mask.error()));
    GetQueue command;
    command.queue = *name;
    service.submit(context, std::move(command),
                   [&service, context, mask = std::move(*mask),
                    done = std::move(done)](Result<QueueInfo> info) mutable {
                     static_cast<void>(service), static_cast<void>(context);  // of the betas
                     if (!info) return done(refuse(failure_of(info.error(), Subject::queue)));
                     Queue queue;
                     write_queue<V>(*info, queue);
                     if constexpr (has_stats) {
                       if (mask.wants_stats) {
                         return get_with_stats(service, context, info->name, std::move(mask),
                                               std::move(queue), std::move(done));
                       }
                     }
                     show_only(mask, queue);
                     done(std::move(queue));
                   });
  }

  static void create_queue(Service& service, const typename V::CreateQueueRequest& request,
                           const Context& context, Done<Queue> done) {
    auto parent = location_of(request.parent());
    if (!parent) return done(refuse(parent.error()));
    auto name = new_queue_of(*parent, request.queue().name());
    if (!name) return done(refuse(name.error()));
    const auto settings = settings_of<V>(request.queue(), Mask(), nullptr);
    if (!settings) return done(refuse(settings.error()));
    ConfigureQueue command;
    command.queue = std::move(*name);
    command.change = [settings = *settings](const QueueSettings* there) -> Result<QueueSettings> {
      return there != nullptr ? *there : settings;
    };
    service.submit(context, std::move(command),
                   [done = std::move(done)](const Result<ConfigureQueue::Answer>& answer) mutable {
                     if (!answer)
                       return done(refuse(failure_of(answer.error(), Subject::made_queue)));
                     if (!answer->made) {
                       return done(refuse(google::rpc::ALREADY_EXISTS, "Queue already exists"));
                     }
                     done(message_of(answer->queue));
                   });
  }

  // Makes the queue when there is none (CT-spec 9.15).
  static void update_queue(Service& service, const typename V::UpdateQueueRequest& request,
                           const Context& context, Done<Queue> done) {
    auto name = queue_of(request.queue().name());
    if (!name) return done(refuse(name.error()));
    auto mask = Mask::parse(request.update_mask(), *Queue::descriptor());
    if (!mask) return done(refuse(mask.error()));
    const auto there_refused = std::make_shared<std::optional<Failure>>();
    ConfigureQueue command;
    command.queue = std::move(*name);
    command.change = [given = request.queue(), mask = std::move(*mask),
                      there_refused](const QueueSettings* there) -> Result<QueueSettings> {
      auto settings = settings_of<V>(given, mask, there);
      if (settings) return std::move(*settings);
      *there_refused = settings.error();
      return fail(Reason::invalid, settings.error().message());
    };
    service.submit(context, std::move(command),
                   [done = std::move(done),
                    there_refused](const Result<ConfigureQueue::Answer>& answer) mutable {
                     if (*there_refused) return done(refuse(**there_refused));
                     if (!answer)
                       return done(refuse(failure_of(answer.error(), Subject::made_queue)));
                     done(message_of(answer->queue));
                   });
  }

  static void delete_queue(Service& service, const typename V::DeleteQueueRequest& request,
                           const Context& context, Done<Empty> done) {
    auto name = queue_of(request.name());
    if (!name) return done(refuse(name.error()));
    DeleteQueue command;
    command.queue = std::move(*name);
    command.tombstone = service.options.queue_tombstone;
    service.submit(context, std::move(command),
                   [done = std::move(done)](const Result<void>& ok) mutable {
                     if (!ok) return done(refuse(failure_of(ok.error(), Subject::deleted_queue)));
                     done(Empty());
                   });
  }

  static void purge_queue(Service& service, const typename V::PurgeQueueRequest& request,
                          const Context& context, Done<Queue> done) {
    change<PurgeQueue>(service, request.name(), context, std::move(done), [](PurgeQueue&) {});
  }
  static void pause_queue(Service& service, const typename V::PauseQueueRequest& request,
                          const Context& context, Done<Queue> done) {
    change<SetQueueState>(service, request.name(), context, std::move(done),
                          [](SetQueueState& command) { command.state = QueueState::paused; });
  }
  static void resume_queue(Service& service, const typename V::ResumeQueueRequest& request,
                           const Context& context, Done<Queue> done) {
    change<SetQueueState>(service, request.name(), context, std::move(done),
                          [](SetQueueState& command) { command.state = QueueState::running; });
  }

 private:
  static constexpr bool has_stats = requires(const Queue& queue) { queue.stats(); };

  // Which fields a caller wants to see; statistics only when it says so.
  struct ReadMask {
    google::protobuf::FieldMask shown;  // empty: all
    bool wants_stats = false;
  };
  template <class Request>
  static Outcome<ReadMask> read_mask_of(const Request& request) {
    ReadMask read;
    if constexpr (requires { request.read_mask(); }) {
      if (request.read_mask().paths_size() == 0) return read;
      const auto mask = Mask::parse(request.read_mask(), *Queue::descriptor());
      if (!mask) return refuse(mask.error());
      read.wants_stats = mask->touches("stats");
      read.shown = mask->paths();
      if (!mask->is_all()) read.shown.add_paths("name");
    }
    return read;
  }
  static void show_only(const ReadMask& mask, Queue& queue) {
    if (mask.shown.paths_size() == 0) return;
    google::protobuf::util::FieldMaskUtil::TrimMessage(mask.shown, &queue);
  }

  static Queue message_of(const QueueInfo& info) {
    Queue queue;
    write_queue<V>(info, queue);
    return queue;
  }

  // The statistics of `queues`, each in its place; `then` runs once, when all have answered.
  template <class Then>
  static void ask_stats(Service& service, const Context& context,
                        const std::vector<QueueName>& queues, Then then) {
    using Answers = std::vector<Result<QueueStats>>;
    if (queues.empty()) return then(Answers());
    struct Asked {
      Asked(std::size_t count, Then next) : answers(count), missing(count), then(std::move(next)) {}
      Answers answers;
      std::atomic<std::size_t> missing;
      Then then;
    };
    const auto asked = std::make_shared<Asked>(queues.size(), std::move(then));
    for (std::size_t i = 0; i < queues.size(); ++i) {
      GetQueueStats command;
      command.queue = queues[i];
      service.submit(context, std::move(command), [asked, i](Result<QueueStats> stats) {
        asked->answers[i] = std::move(stats);
        if (asked->missing.fetch_sub(1) == 1) asked->then(std::move(asked->answers));
      });
    }
  }

  static void get_with_stats(Service& service, const Context& context, const QueueName& name,
                             ReadMask mask, Queue queue, Done<Queue> done) {
    ask_stats(service, context, {name},
              [mask = std::move(mask), queue = std::move(queue),
               done = std::move(done)](std::vector<Result<QueueStats>> stats) mutable {
                const Result<QueueStats>& found = stats.front();
                if (!found) return done(refuse(failure_of(found.error(), Subject::queue)));
                write_stats(*found, *queue.mutable_stats());
                show_only(mask, queue);
                done(std::move(queue));
              });
  }

  // `response` has the queues that `names` names, in that order. One that is deleted meanwhile is
  // left out.
  static void list_with_stats(Service& service, const Context& context,
                              const std::vector<QueueName>& names, ReadMask mask,
                              typename V::ListQueuesResponse response,
                              Done<typename V::ListQueuesResponse> done) {
    ask_stats(service, context, names,
              [mask = std::move(mask), response = std::move(response),
               done = std::move(done)](std::vector<Result<QueueStats>> stats) mutable {
                auto queues = std::exchange(*response.mutable_queues(), {});
                for (std::size_t i = 0; i < stats.size(); ++i) {
                  const Result<QueueStats>& found = stats[i];
                  if (!found && found.error().reason == Reason::queue_missing) continue;
                  if (!found) return done(refuse(failure_of(found.error(), Subject::queue)));
                  Queue& queue = queues[static_cast<int>(i)];
                  write_stats(*found, *queue.mutable_stats());
                  show_only(mask, queue);
                  *response.add_queues() = std::move(queue);
                }
                done(std::move(response));
              });
  }

  template <class Stats>
  static void write_stats(const QueueStats& stats, Stats& out) {
    out.set_tasks_count(static_cast<std::int64_t>(stats.tasks));
    if (stats.oldest_eta)
      write_time(*stats.oldest_eta, *out.mutable_oldest_estimated_arrival_time());
    out.set_executed_last_minute_count(static_cast<std::int64_t>(stats.executed_minute));
    out.set_concurrent_dispatches_count(static_cast<std::int64_t>(stats.in_flight));
    out.set_effective_execution_rate(
        std::min(stats.enforced_rate, static_cast<double>(rate_per_second_max)));
  }

  template <class Command, class Fill>
  static void change(Service& service, const std::string& path, const Context& context,
                     Done<Queue> done, Fill fill) {
    auto name = queue_of(path);
    if (!name) return done(refuse(name.error()));
    Command command;
    command.queue = std::move(*name);
    fill(command);
    service.submit(context, std::move(command),
                   [done = std::move(done)](const Result<QueueInfo>& info) mutable {
                     if (!info) return done(refuse(failure_of(info.error(), Subject::queue)));
                     done(message_of(*info));
                   });
  }
};

}  // namespace deferd::cloudtasks
