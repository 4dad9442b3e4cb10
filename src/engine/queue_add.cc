// Adding tasks: names first (they may need a read of the store), then limits and places.
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "engine/queue.h"

namespace deferd {

void Queue::set_name(const std::string& name, const NameEntry& entry) {
  NameInHand& in_hand = names_in_hand_[name];
  in_hand.entry = entry;
  ++in_hand.changes;
  pending_.names.emplace_back(name, entry);
}

Wall Queue::free_at(const NameEntry& entry) const {
  if (entry.free_at != Wall{} || entry.generation == record_.generation) return entry.free_at;
  // It lived in a generation that was purged: the purge is when it ended.
  for (const Purge& purge : record_.purges) {
    if (purge.generation >= entry.generation) return purge.at + record_.settings.tombstone;
  }
  return Wall::min();  // so long ago that the purge is forgotten
}

std::optional<Error> Queue::name_error(const std::string& name,
                                       const std::optional<NameEntry>& stored,
                                       const Now& now) const {
  std::optional<NameEntry> entry = stored;
  if (const auto in_hand = names_in_hand_.find(name); in_hand != names_in_hand_.end())
    entry = in_hand->second.entry;
  if (!entry) return std::nullopt;
  const Wall free_at = this->free_at(*entry);
  if (free_at == Wall{}) {
    return Error{Reason::task_name_taken,
                 "task name " + name + " is in use in queue " + name_->queue +
                     "; choose another, or delete that task",
                 "name", std::nullopt};
  }
  if (free_at <= now.wall) return std::nullopt;
  return Error{Reason::task_name_recent,
               "a task named " + name + " ended lately in queue " + name_->queue +
                   "; its name is free again in " + format_duration(free_at - now.wall) +
                   " (the queue's tombstone is " + format_duration(record_.settings.tombstone) +
                   ")",
               "name", std::nullopt};
}

void Queue::add_tasks(AddTasks command, const Now& now) {
  // All of them are read when one must be: another that is in hand now may be settled by the time
  // the answer comes.
  std::vector<std::string> names;
  bool all_in_hand = true;
  for (const NewTask& task : command.tasks) {
    if (!task.options || task.options->name.empty()) continue;
    names.push_back(task.options->name);
    all_in_hand = all_in_hand && names_in_hand_.contains(task.options->name);
  }
  if (all_in_hand) {
    add_checked(std::move(command), {}, now);
    return;
  }
  const std::uint64_t read = name_changes_.begin_read();
  auto read_names = names;
  core_.read(
      FindNames{record_.number, std::move(read_names)},
      [self = shared_from_this(), command = std::move(command), names = std::move(names), read](
          Result<ReadAnswer> answer, const Now& later) mutable {
        const auto changed = [&](const std::string& name) {
          return self->name_changes_.changed_since(name, read) &&
                 !self->names_in_hand_.contains(name);
        };
        const bool stale = std::ranges::any_of(names, changed);
        self->name_changes_.end_read(read);
        using Added = Result<std::vector<Result<Task>>>;
        if (self->dropped_) {
          self->core_.reply(
              std::move(command.reply),
              Added(fail(Reason::queue_missing, "queue " + self->name_->queue + " was deleted")));
          return;
        }
        if (!answer || self->core_.failed) {
          self->core_.reply(std::move(command.reply),
                            Added(fail(answer ? self->store_error() : answer.error())));
          return;
        }
        if (stale) {  // a name came or went while the read was under way: ask again
          self->add_tasks(std::move(command), later);
          return;
        }
        const auto& entries = std::get<FindNamesAnswer>(*answer).entries;
        DEFERD_ASSERT(entries.size() == names.size());
        std::unordered_map<std::string_view, const std::optional<NameEntry>*> stored;
        for (std::size_t i = 0; i < names.size(); ++i) stored.emplace(names[i], &entries[i]);
        std::vector<std::optional<Error>> errors(command.tasks.size());
        for (std::size_t i = 0; i < command.tasks.size(); ++i) {
          const auto& options = command.tasks[i].options;
          if (!options || options->name.empty()) continue;
          const auto at = stored.find(options->name);
          errors[i] = self->name_error(
              options->name, at == stored.end() ? std::optional<NameEntry>() : *at->second, later);
        }
        self->add_checked(std::move(command), errors, later);
      });
}

namespace {
std::uint32_t bytes_of(const NewTask& task) {
  const std::uint64_t bytes = std::uint64_t{task_overhead_bytes} + task.payload->size() +
                              (task.options ? task.options->name.size() + task.options->key.size() +
                                                  task.options->recurrence.size()
                                            : 0);
  DEFERD_ASSERT(bytes <= std::numeric_limits<std::uint32_t>::max());
  return static_cast<std::uint32_t>(bytes);
}
}  // namespace

std::unique_ptr<Task> Queue::make_task(NewTask given, const Now& now) {
  auto task = std::make_unique<Task>();
  Wall eta = given.eta.value_or(now.wall);
  if (given.delay) eta = now.wall + *given.delay;
  if (eta <= now.wall) eta = due_now_stamp(now);
  task->bytes = bytes_of(given);
  task->id = TaskId{next_order(now)};
  task->place = {given.priority.value_or(record_.settings.priority), eta, task->id.value};
  task->created = now.wall;
  task->options = std::move(given.options);
  task->payload = std::move(given.payload);
  return task;
}

void Queue::put_live(std::unique_ptr<Task> task, const Now& now) {
  if (counters_.tasks == 0) expiry_.created = now.wall;
  ++counters_.tasks;
  ++counters_.lane_tasks[task->place.priority];
  counters_.bytes += task->bytes;
  count_free(*task);
  if (!task->name().empty()) set_name(task->options->name, {task->id, record_.generation, Wall{}});
  if (auto entry = sample(TaskLogEntry::What::created, *task, now))
    pending_.logged.push_back(std::move(*entry));
  pending_.puts.push_back(std::move(task));
}

std::optional<Error> Queue::callback_error(const NewTask& given) const {
  if (!given.options || given.options->callback_url.empty()) return std::nullopt;
  if (core_.options.callbacks == nullptr) {
    return Error{Reason::unsupported, "callbacks are not offered by this server", "callback_url",
                 std::nullopt};
  }
  if (record_.settings.mode == QueueMode::pull && given.options->callback_queue == name_->queue) {
    return Error{Reason::invalid,
                 "queue " + name_->queue +
                     " is a pull queue: name a push queue, which calls the callback_url",
                 "callback_queue", std::nullopt};
  }
  return std::nullopt;
}

std::optional<Error> Queue::limit_error(std::uint64_t bytes) const {
  const QueueSettings& settings = record_.settings;
  if (settings.max_tasks != 0 && counters_.tasks >= settings.max_tasks) {
    return Error{Reason::queue_full_tasks,
                 "queue " + name_->queue + " is full: max_tasks is " +
                     std::to_string(settings.max_tasks) + "; try again later or raise it",
                 "max_tasks", Seconds(1)};
  }
  if (settings.max_bytes != 0 && counters_.bytes + bytes > settings.max_bytes) {
    return Error{Reason::queue_full_bytes,
                 "queue " + name_->queue + " is full: it holds " + std::to_string(counters_.bytes) +
                     " bytes, this task counts " + std::to_string(bytes) + " and max_bytes is " +
                     std::to_string(settings.max_bytes) + "; try again later or raise it",
                 "max_bytes", Seconds(1)};
  }
  return std::nullopt;
}

Error Queue::project_error(std::uint64_t bytes) const {
  return Error{Reason::project_full,
               "project " + name_->project + " is full: it holds " +
                   std::to_string(project_->bytes()) + " bytes, this task counts " +
                   std::to_string(bytes) + " and its limit is " +
                   std::to_string(project_->bytes_max()) + "; try again later or raise it",
               "", Seconds(1)};
}

// `name_errors`: empty when all names that there are stand in names_in_hand_.
void Queue::add_checked(AddTasks command, const std::vector<std::optional<Error>>& name_errors,
                        const Now& now) {
  due_counts_.fold(now.wall);
  std::vector<Result<Task>> results;
  results.reserve(command.tasks.size());
  const bool push = record_.settings.mode == QueueMode::push;
  std::size_t added = 0;
  const bool limited = project_->bytes_max() != 0;
  std::uint64_t bytes_taken = 0;
  for (std::size_t i = 0; i < command.tasks.size(); ++i) {
    NewTask& given = command.tasks[i];
    DEFERD_ASSERT(given.payload != nullptr);
    if (given.has_target != push) {
      results.emplace_back(
          fail(Reason::invalid,
               push ? "queue " + name_->queue + " is a push queue: its tasks need a url"
                    : "queue " + name_->queue + " is a pull queue: its tasks take no url",
               "url"));
      continue;
    }
    const bool named = given.options && !given.options->name.empty();
    if (named) {
      // Also against names that tasks of this very call took.
      std::optional<Error> error = name_errors.empty() ? std::nullopt : name_errors[i];
      if (names_in_hand_.contains(given.options->name))
        error = name_error(given.options->name, std::nullopt, now);
      if (error) {
        results.emplace_back(fail(std::move(*error)));
        continue;
      }
    }
    if (given.options && !given.options->recurrence.empty() &&
        (!push || core_.options.recurrences == nullptr)) {
      results.emplace_back(
          fail(Reason::unsupported,
               push ? "recurring tasks are not offered by this server"
                    : "queue " + name_->queue + " is a pull queue: its tasks do not recur",
               "recurrence"));
      continue;
    }
    if (std::optional<Error> error = callback_error(given)) {
      results.emplace_back(fail(std::move(*error)));
      continue;
    }
    const std::uint32_t bytes = bytes_of(given);
    if (std::optional<Error> error = limit_error(bytes)) {
      results.emplace_back(fail(std::move(*error)));
      continue;
    }
    if (limited && !project_->reserve(bytes)) {
      results.emplace_back(fail(project_error(bytes)));
      continue;
    }
    bytes_taken += bytes;

    std::unique_ptr<Task> task = make_task(std::move(given), now);
    results.emplace_back(*task);
    put_live(std::move(task), now);
    ++added;
  }
  const bool keeps = static_cast<bool>(command.document);
  if (keeps) keep(command.document(results));
  if (added == 0 && !keeps) {
    core_.reply(std::move(command.reply), Result<std::vector<Result<Task>>>(std::move(results)));
    return;
  }
  if (!limited) project_->take(bytes_taken);
  activity().added_total += added;
  pending_.done.push_back(
      [reply = std::move(command.reply), results = std::move(results)](const Error* error) mutable {
        using Added = Result<std::vector<Result<Task>>>;
        reply(error == nullptr ? Added(std::move(results)) : Added(fail(*error)));
      });
  mark_changed(now, true, added);
}

}  // namespace deferd
