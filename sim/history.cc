#include "sim/history.h"

#include <charconv>
#include <type_traits>

#include "model/duration_text.h"
#include "sim/callbacks.h"

namespace deferd::sim {

SharedBytes payload_of(Tag tag, std::size_t bytes) {
  std::string text = std::to_string(tag) + ":";
  if (text.size() < bytes) text.resize(bytes, '.');
  return share(std::move(text));
}

std::optional<Tag> tag_of(const SharedBytes& payload) {
  if (payload == nullptr) return std::nullopt;
  Tag tag = 0;
  const char* const end = payload->data() + payload->size();
  const auto [at, error] = std::from_chars(payload->data(), end, tag);
  if (error != std::errc() || at == end || *at != ':') return std::nullopt;
  return tag;
}

Command without_reply(const Command& command) {
  struct Visit {
    Command operator()(const ConfigureQueue& c) const { return ConfigureQueue{c.queue, {}, {}}; }
    Command operator()(const DeleteQueue& c) const { return DeleteQueue{c.queue, {}, c.tombstone}; }
    Command operator()(const GetQueue& c) const { return GetQueue{c.queue, {}}; }
    Command operator()(const ListQueues& c) const {
      return ListQueues{c.project, c.location, c.after, c.queues_max, {}};
    }
    Command operator()(const SetQueueState& c) const { return SetQueueState{c.queue, c.state, {}}; }
    Command operator()(const PurgeQueue& c) const { return PurgeQueue{c.queue, {}}; }
    Command operator()(const GetQueueStats& c) const { return GetQueueStats{c.queue, {}}; }
    Command operator()(const SetProjectLimit& c) const {
      return SetProjectLimit{c.project, c.bytes_max, {}};
    }
    Command operator()(const GetProjectUse& c) const { return GetProjectUse{c.project, {}}; }
    Command operator()(const AddTasks& c) const { return AddTasks{c.queue, c.tasks, {}}; }
    Command operator()(const GetTask& c) const { return GetTask{c.queue, c.task, c.story, {}}; }
    Command operator()(const ListTasks& c) const {
      return ListTasks{c.queue, c.state, c.after, c.tasks_max, {}};
    }
    Command operator()(const ListTasksByEta& c) const {
      return ListTasksByEta{c.queue, c.eta, c.order, c.key, c.tasks_max, {}};
    }
    Command operator()(const DeleteTasks& c) const { return DeleteTasks{c.queue, c.tasks, {}}; }
    Command operator()(const RunTask& c) const { return RunTask{c.queue, c.task, {}}; }
    Command operator()(const CancelTasks& c) const { return CancelTasks{c.queue, c.tasks, {}}; }
    Command operator()(const GetOutcomes& c) const {
      return GetOutcomes{c.queue, c.tasks, c.history, c.wait, c.gone, {}};
    }
    Command operator()(const WatchTasks& c) const {
      return WatchTasks{c.queue, c.tasks, c.wait, c.gone, {}};
    }
    Command operator()(const ListDead& c) const {
      return ListDead{c.queue, c.filter, c.after, c.tasks_max, {}};
    }
    Command operator()(const GetDead& c) const { return GetDead{c.queue, c.task, {}}; }
    Command operator()(const RetryDead& c) const { return RetryDead{c.queue, c.tasks, {}}; }
    Command operator()(const DeleteDead& c) const { return DeleteDead{c.queue, c.tasks, {}}; }
    Command operator()(const LeaseTasks& c) const {
      return LeaseTasks{c.queue, c.tasks_max, c.duration,      c.by, c.key, c.wait,
                        c.gone,  c.worker,    c.refuse_paused, {}};
    }
    Command operator()(const AckTasks& c) const {
      return AckTasks{c.queue, c.leases, c.failed, {}};
    }
    Command operator()(const RenewLeases& c) const {
      return RenewLeases{c.queue, c.leases, c.duration, {}};
    }
    Command operator()(const ModifyLease& c) const {
      return ModifyLease{c.queue, c.task, c.eta, c.duration, {}};
    }
    Command operator()(const ReleaseTasks& c) const {
      return ReleaseTasks{c.queue, c.leases, c.delay, {}};
    }
  };
  return std::visit(Visit{}, command);
}

std::string to_text(const TaskRef& ref) {
  if (const auto* name = std::get_if<std::string>(&ref)) return *name;
  return "#" + std::to_string(std::get<TaskId>(ref).value);
}

namespace {

std::string text(Wall wall) { return std::to_string(to_micros(wall)); }
std::string text(const Error& error) {
  return std::string(to_string(error.reason)) + " (" + error.message + ")";
}

std::string text(const Task& task) {
  const std::optional<Tag> tag = tag_of(task.payload);
  const std::optional<ToldEnd> end = ToldEnd::of(task.payload);
  std::string out = (end ? "callback (" + end->words() + ") " : "") + "task " +
                    (tag ? std::to_string(*tag) : std::string("?")) + " #" +
                    std::to_string(task.id.value) + " priority " +
                    std::to_string(task.place.priority) + " eta " + text(task.place.eta) +
                    " order " + std::to_string(task.place.order) + " attempts " +
                    std::to_string(task.progress.attempts);
  if (!task.name().empty()) out += " name " + std::string(task.name());
  if (!task.key().empty()) out += " key " + std::string(task.key());
  if (task.options && !task.options->recurrence.empty())
    out += " recurs '" + task.options->recurrence + "'";
  if (task.progress.deaths != 0) out += " deaths " + std::to_string(task.progress.deaths);
  if (task.progress.lease_token != 0) out += " token " + std::to_string(task.progress.lease_token);
  return out;
}
std::string text(const TaskInfo& info) {
  static constexpr const char* states[] = {"scheduled", "ready", "in_flight", "leased"};
  return text(info.task) + " " + states[static_cast<int>(info.state)];
}
std::string text(const QueueSettings& s) {
  std::string out = s.mode == QueueMode::push ? "push" : "pull";
  out += " rate " + format_rate(s.rate) + " burst " + std::to_string(s.burst) + " concurrency " +
         std::to_string(s.concurrency) + " attempts " + std::to_string(s.retry.max_attempts) +
         " age " + format_duration(s.retry.max_age) + " backoff " +
         format_duration(s.retry.min_backoff) + ".." + format_duration(s.retry.max_backoff) +
         " tasks " + std::to_string(s.max_tasks) + " bytes " + std::to_string(s.max_bytes) +
         " tombstone " + format_duration(s.tombstone);
  if (!s.dead.queue.empty()) out += " dead go to " + s.dead.queue;
  return out;
}
std::string text(QueueState state) {
  return state == QueueState::running  ? "running"
         : state == QueueState::paused ? "paused"
                                       : "disabled";
}
std::string text(const QueueInfo& info) {
  return info.name.queue + " " + text(info.state) + " " + text(info.settings);
}
std::string text(const QueueStats& s) {
  return "tasks " + std::to_string(s.tasks) + " bytes " + std::to_string(s.bytes) + " scheduled " +
         std::to_string(s.scheduled) + " ready " + std::to_string(s.ready) + " in_flight " +
         std::to_string(s.in_flight) + " leased " + std::to_string(s.leased) +
         (s.counted ? "" : " (being counted)");
}
std::string text(const GetProjectUse::Answer& use) {
  return std::to_string(use.bytes) + " bytes of " + std::to_string(use.bytes_max);
}
std::string text(const ConfigureQueue::Answer& answer) {
  return (answer.made ? "made " : "changed ") + text(answer.queue);
}
std::string text(const ListTasks::Answer& answer) {
  std::string out;
  for (const TaskInfo& info : answer.tasks) out += "\n      " + text(info);
  return out +
         (answer.next ? "\n      next #" + std::to_string(answer.next->value) : "\n      end");
}
std::string text_of_dead(const Task& task) {
  return "\n      dead " + text(task) + " of " + std::string(to_string(task.progress.death));
}
std::string text(const ListDead::Answer& answer) {
  std::string out;
  for (const Task& task : answer.tasks) out += text_of_dead(task);
  return out + (answer.next ? "\n      next eta " + text(answer.next->eta) : "\n      end");
}
std::string text(const TaskRef& ref) { return to_text(ref); }
std::string text(const GetOutcomes::Item& item) {
  if (item.pending) return "pending: " + text(*item.pending);
  const Outcome& outcome = *item.outcome;
  return "#" + std::to_string(outcome.id.value) + " " + std::string(to_string(outcome.state)) +
         " (" + std::string(to_string(outcome.reason)) + ") at " + text(outcome.ended) +
         " attempts " + std::to_string(outcome.attempts) + " history " +
         std::to_string(item.history.size());
}
template <class T>
std::string text(const std::vector<T>& items);
template <class T>
std::string text(const Result<T>& result) {
  if (!result) return text(result.error());
  if constexpr (std::is_void_v<T>) {
    return "ok";
  } else {
    return text(*result);
  }
}
template <class T>
std::string text(const std::vector<T>& items) {
  std::string out = std::to_string(items.size()) + " items";
  for (const T& item : items) out += "\n      " + text(item);
  return out;
}
std::string refs_text(const std::vector<TaskRef>& refs) {
  std::string out;
  for (const TaskRef& ref : refs) out += " " + to_text(ref);
  return out;
}
std::string leases_text(const std::vector<Lease>& leases) {
  std::string out;
  for (const Lease& lease : leases) {
    out += " " + to_text(lease.task) + "/" + std::to_string(lease.token);
    if (lease.report && lease.report->usage)
      out += " " + std::string(to_string(lease.report->usage->cause));
  }
  return out;
}

struct CommandText {
  std::string operator()(const ConfigureQueue& c) const { return "configure " + c.queue.queue; }
  std::string operator()(const DeleteQueue& c) const { return "delete queue " + c.queue.queue; }
  std::string operator()(const GetQueue& c) const { return "get queue " + c.queue.queue; }
  std::string operator()(const ListQueues& c) const {
    return "list queues after '" + c.after + "'";
  }
  std::string operator()(const SetQueueState& c) const {
    return "set " + c.queue.queue + " " + text(c.state);
  }
  std::string operator()(const PurgeQueue& c) const { return "purge " + c.queue.queue; }
  std::string operator()(const GetQueueStats& c) const { return "stats " + c.queue.queue; }
  std::string operator()(const SetProjectLimit& c) const {
    return "limit project " + c.project + " to " + std::to_string(c.bytes_max) + " bytes";
  }
  std::string operator()(const GetProjectUse& c) const { return "use of project " + c.project; }
  std::string operator()(const AddTasks& c) const {
    std::string out = "add to " + c.queue.queue;
    for (const NewTask& task : c.tasks) {
      out += "\n      task " + std::to_string(tag_of(task.payload).value_or(0));
      if (task.eta) out += " eta " + text(*task.eta);
      if (task.delay) out += " delay " + format_duration(*task.delay);
      if (task.priority) out += " priority " + std::to_string(*task.priority);
      if (task.options && !task.options->name.empty()) out += " name " + task.options->name;
      if (task.options && !task.options->key.empty()) out += " key " + task.options->key;
      if (task.options && !task.options->recurrence.empty())
        out += " recurs '" + task.options->recurrence + "'";
      if (task.options && task.options->keep_result > Micros(0))
        out += " keeps its outcome " + format_duration(task.options->keep_result);
      if (task.options && !task.options->callback_url.empty())
        out += " calls back by '" + task.options->callback_queue + "'";
    }
    return out;
  }
  std::string operator()(const GetTask& c) const {
    return "get " + c.queue.queue + " " + to_text(c.task);
  }
  std::string operator()(const ListTasks& c) const {
    return "list " + c.queue.queue + " after #" + std::to_string(c.after.value) + " max " +
           std::to_string(c.tasks_max);
  }
  std::string operator()(const ListTasksByEta& c) const {
    return "list " + c.queue.queue + " from " + (c.key ? "key " + *c.key + " " : "") + "eta " +
           text(c.eta) + " order " + std::to_string(c.order) + " max " +
           std::to_string(c.tasks_max);
  }
  std::string operator()(const DeleteTasks& c) const {
    return "delete " + c.queue.queue + refs_text(c.tasks);
  }
  std::string operator()(const RunTask& c) const {
    return "run " + c.queue.queue + " " + to_text(c.task);
  }
  std::string operator()(const CancelTasks& c) const {
    return "cancel " + c.queue.queue + refs_text(c.tasks);
  }
  std::string operator()(const GetOutcomes& c) const {
    return "outcomes of " + c.queue.queue + " wait " + format_duration(c.wait) + refs_text(c.tasks);
  }
  std::string operator()(const WatchTasks& c) const {
    return "watch " + c.queue.queue + " wait " + format_duration(c.wait) + refs_text(c.tasks);
  }
  std::string operator()(const ListDead& c) const {
    return "list dead of " + c.queue.queue + " after eta " + text(c.after.eta) + " max " +
           std::to_string(c.tasks_max);
  }
  std::string operator()(const GetDead& c) const {
    return "get dead " + c.queue.queue + " " + to_text(c.task);
  }
  std::string operator()(const RetryDead& c) const {
    return "retry dead " + c.queue.queue + refs_text(c.tasks);
  }
  std::string operator()(const DeleteDead& c) const {
    return "delete dead " + c.queue.queue + refs_text(c.tasks);
  }
  std::string operator()(const LeaseTasks& c) const {
    static constexpr const char* by[] = {"any", "key", "oldest key"};
    return "lease " + c.queue.queue + " max " + std::to_string(c.tasks_max) + " for " +
           format_duration(c.duration) + " by " + by[static_cast<int>(c.by)] + " '" + c.key +
           "' wait " + format_duration(c.wait) + (c.worker.empty() ? "" : " as " + c.worker);
  }
  std::string operator()(const AckTasks& c) const {
    return (c.failed ? "fail " : "ack ") + c.queue.queue + leases_text(c.leases);
  }
  std::string operator()(const RenewLeases& c) const {
    return "renew " + c.queue.queue + " for " + format_duration(c.duration) + leases_text(c.leases);
  }
  std::string operator()(const ModifyLease& c) const {
    return "modify " + c.queue.queue + " " + to_text(c.task) + " eta " + text(c.eta) + " for " +
           format_duration(c.duration);
  }
  std::string operator()(const ReleaseTasks& c) const {
    return "release " + c.queue.queue + (c.delay ? " delay " + format_duration(*c.delay) : "") +
           leases_text(c.leases);
  }
};

struct EventText {
  std::string operator()(const Called& e) const {
    std::string out =
        "call " + std::to_string(e.call.value) + ": " + std::visit(CommandText{}, e.command);
    if (std::holds_alternative<ConfigureQueue>(e.command)) out += " " + text(e.wanted);
    return out;
  }
  std::string operator()(const AttemptEnded& e) const {
    return "attempt " + std::to_string(e.attempt.value) + " ended with " +
           std::to_string(e.result.status) +
           (e.result.retry_after > Micros(0)
                ? " retry after " + format_duration(e.result.retry_after)
                : "");
  }
  std::string operator()(const CommitFailed&) const { return "COMMIT FAILED"; }
  std::string operator()(const Stopping&) const { return "STOP"; }
  std::string operator()(const RunBegan& e) const {
    return "-- run: wall " + text(e.now.wall) + " mono " +
           std::to_string(e.now.mono.time_since_epoch().count());
  }
  std::string operator()(const Configured& e) const {
    return "   change of call " + std::to_string(e.call.value) + " sees " +
           (e.before ? text(*e.before) : std::string("no queue"));
  }
  std::string operator()(const Started& e) const {
    return "   attempt " + std::to_string(e.attempt.value) + " at " + e.what.queue->queue + ": " +
           text(e.what.task);
  }
  std::string operator()(const Answered& e) const {
    return "   answer " + std::to_string(e.call.value) + ": " +
           std::visit([](const auto& answer) { return text(answer); }, e.answer);
  }
  std::string operator()(const RunEnded& e) const {
    std::string out = e.store_busy ? "   (store busy)" : "   (store idle)";
    if (e.wake_at != Mono::max())
      out += " wake at mono " + std::to_string(e.wake_at.time_since_epoch().count());
    return out;
  }
  std::string operator()(const Died& e) const {
    return e.how == Death::stopped ? "STOPPED" : e.how == Death::killed ? "KILLED" : "POWER CUT";
  }
  std::string operator()(const Opened& e) const {
    std::string out = "OPENED at wall " + text(e.now.wall);
    for (const StoredQueue& queue : e.queues) {
      out += "\n    queue " + std::to_string(queue.record.number.value) + " " +
             queue.record.name.queue + " " + text(queue.record.state) + " generation " +
             std::to_string(queue.record.generation) + " tasks " +
             std::to_string(queue.counters.tasks);
      if (const auto tasks = e.tasks.find(queue.record.number); tasks != e.tasks.end()) {
        for (const Task& task : tasks->second) out += "\n      " + text(task);
      }
      if (const auto dead = e.dead.find(queue.record.number); dead != e.dead.end()) {
        for (const Task& task : dead->second) out += text_of_dead(task);
      }
    }
    return out;
  }
  std::string operator()(const Ended& e) const { return e.drained ? "END" : "END, not drained"; }
};
}  // namespace

std::string to_text(const Read& read) {
  struct Visit {
    std::string of(const Generation& generation) const {
      return " of queue " + std::to_string(generation.queue.value);
    }
    std::string operator()(const ScanLane& r) const {
      return "scan lane " + std::to_string(r.priority) + of(r.generation) + " after eta " +
             text(r.after.eta) + " order " + std::to_string(r.after.order) + " max " +
             std::to_string(r.tasks_max);
    }
    std::string operator()(const ScanKey& r) const {
      return "scan key " + r.key + of(r.generation) + " after eta " + text(r.after.eta) + " max " +
             std::to_string(r.tasks_max);
    }
    std::string operator()(const ScanKeys& r) const {
      return "scan keys from " + r.key + of(r.generation) + " after eta " + text(r.after.eta) +
             " max " + std::to_string(r.tasks_max);
    }
    std::string operator()(const ScanIds& r) const {
      return "scan ids" + of(r.generation) + " after #" + std::to_string(r.after.value);
    }
    std::string operator()(const FindTasks& r) const {
      std::string out = "find" + of(r.generation);
      for (const TaskId id : r.ids) out += " #" + std::to_string(id.value);
      return out;
    }
    std::string operator()(const FindNames& r) const {
      std::string out = "find names";
      for (const std::string& name : r.names) out += " " + name;
      return out;
    }
    std::string operator()(const ScanPlaces& r) const {
      return "scan places of lane " + std::to_string(r.priority) + of(r.generation);
    }
    std::string operator()(const FindOutcomes& r) const {
      std::string out = "find outcomes";
      for (const TaskId id : r.ids) out += " #" + std::to_string(id.value);
      return out;
    }
    std::string operator()(const ScanOutcomes& r) const {
      return "scan outcomes of queue " + std::to_string(r.queue.value);
    }
    std::string operator()(const ScanHistory& r) const {
      return "scan history" + of(r.generation) + " #" + std::to_string(r.id.value);
    }
  };
  return std::visit(Visit{}, read);
}

std::string to_text(const Event& event) { return std::visit(EventText{}, event); }

}  // namespace deferd::sim
