// What all calls share: the way to the engine, and what the door itself keeps. Any thread.
#pragma once

#include <memory>
#include <utility>

#include "api/cloudtasks/call.h"
#include "api/cloudtasks/call_counts.h"
#include "api/cloudtasks/cloudtasks.h"
#include "api/cloudtasks/cmek_configs.h"
#include "api/cloudtasks/operations.h"
#include "api/http/call.h"

namespace deferd::cloudtasks {

class Service {
 public:
  Service(CloudTasksOptions given, Runtime& runtime, const Clock& system_clock)
      : options(std::move(given)),
        clock(system_clock),
        operations(runtime.take_documents(), system_clock.now()),
        runtime_(runtime) {}

  // `then(Result<T>)` runs on the call's thread, once.
  template <class Command, class Then>
  void submit(const Context& context, Command command, Then then) {
    using Answer = typename ReplyType<decltype(command.reply)>::Answer;
    command.reply = [thread = context.thread,
                     then = std::move(then)](Result<Answer> result) mutable {
      CallThread& home = *thread;
      home.post([thread = std::move(thread), then = std::move(then),
                 result = std::move(result)]() mutable { then(std::move(result)); });
    };
    runtime_.enqueue_until(std::move(command), context.good_until);
    context.thread->after_round(&runtime_, [&runtime = runtime_] { runtime.flush(); });
  }

  const CloudTasksOptions options;
  const Clock& clock;
  Operations operations;
  CallCounts call_counts;
  CmekConfigs cmek_configs;

 private:
  Runtime& runtime_;
};

}  // namespace deferd::cloudtasks
