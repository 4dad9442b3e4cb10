// Finding tasks by id or name, whatever the commits and reads that are under way.
#include <algorithm>

#include "engine/queue.h"

namespace deferd {

// One call's search. What the store answered is kept until all is known; before it is used, it is
// checked against what changed in memory since.
struct Queue::Sought {
  TaskRef ref;
  std::optional<std::optional<NameEntry>> name_answer;
  std::optional<std::optional<Task>> task_answer;
  TaskId id{};
  Found found;
};

struct Queue::Finding {
  std::vector<Sought> sought;
  Seek seek = Seek::headers;
  std::uint32_t generation = 0;
  std::optional<std::uint64_t> name_read;
  std::optional<std::uint64_t> task_read;
  // What was settled since the last read began, of what that one looks for; null: nothing was. Not
  // of a first read: what changed during that is read again. Without this a task that changes
  // during each read would be read for ever.
  boost::unordered_flat_map<TaskId, std::optional<std::optional<Task>>> task_news;
  boost::unordered_flat_map<std::string, std::optional<NameEntry>> name_news;
  FoundAll then;
};

void Queue::find(std::vector<TaskRef> refs, Seek seek, const Now& now, FoundAll then) {
  auto finding = std::make_shared<Finding>();
  finding->sought.resize(refs.size());
  for (std::size_t i = 0; i < refs.size(); ++i) finding->sought[i].ref = std::move(refs[i]);
  finding->seek = seek;
  finding->generation = record_.generation;
  finding->then = std::move(then);
  continue_find(finding, now);
}

void Queue::recheck(std::vector<Task> scanned, std::uint64_t read, std::uint32_t generation,
                    const Now& now, FoundAll then) {
  auto finding = std::make_shared<Finding>();
  finding->seek = Seek::listed;
  finding->generation = generation;
  finding->task_read = read;
  for (Task& task : scanned) {
    if (unsettled(task.id)) continue;
    Sought sought;
    sought.ref = task.id;
    sought.id = task.id;
    sought.task_answer = std::move(task);
    finding->sought.push_back(std::move(sought));
  }
  finding->then = std::move(then);
  continue_find(finding, now);
}

bool Queue::name_is_gone(const NameEntry& entry, const Now& now) const {
  const Wall free = free_at(entry);
  return free != Wall{} && free > now.wall;
}

// Ids are orders, and orders are given out from the queue's making on. Some went to tasks that
// moved, so that a number that nobody was told may count as gone too.
bool Queue::id_is_gone(TaskId id) const {
  if (!pending_.puts.empty() && id >= pending_.puts.front()->id) return false;  // still to come
  const QueueCounters& counters = core_.failed ? stored_counters_ : counters_;
  return id.value <= counters.last_order &&
         id.value >=
             static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_micros(record_.created)));
}

// What the store said of it, as of now; nothing: it must be asked again.
void Queue::bring_up_to_date(const Finding& finding, TaskId id,
                             std::optional<std::optional<Task>>& answer) const {
  if (!answer) return;
  const auto followed = finding.task_news.find(id);
  if (followed == finding.task_news.end()) {
    if (task_changes_.changed_since(id, *finding.task_read)) answer.reset();
    return;
  }
  const std::optional<std::optional<Task>>& news = followed->second;
  if (!news) return;
  SharedBytes payload = *answer ? (*answer)->payload : nullptr;
  answer = news;
  if (!*answer) return;
  (*answer)->payload = std::move(payload);  // it never changes
  if ((*answer)->payload == nullptr) answer.reset();
}

void Queue::bring_up_to_date(const Finding& finding, const std::string& name,
                             std::optional<std::optional<NameEntry>>& answer) const {
  if (!answer) return;
  const auto followed = finding.name_news.find(name);
  if (followed == finding.name_news.end()) {
    if (name_changes_.changed_since(name, *finding.name_read)) answer.reset();
  } else if (followed->second) {
    answer = followed->second;
  }
}

// What is settled now, for those that follow it.
void Queue::tell_followers(const Changes& changes, bool of_tasks) {
  for (const std::shared_ptr<Finding>& finding : followers_) {
    auto& names = finding->name_news;
    for (const auto& [name, entry] : changes.names) {
      if (const auto at = names.find(name); at != names.end()) at->second = entry;
    }
    auto& tasks = finding->task_news;
    if (!of_tasks || tasks.empty()) continue;
    for (const auto& end : changes.ends) {
      if (const auto at = tasks.find(end.id); at != tasks.end()) at->second.emplace(std::nullopt);
    }
    for (const auto& move : changes.moves) {
      if (const auto at = tasks.find(move.task->id); at != tasks.end())
        at->second.emplace(*move.task);
    }
  }
}

void Queue::follow(const std::shared_ptr<Finding>& finding) {
  if (std::ranges::find(followers_, finding) == followers_.end()) followers_.push_back(finding);
}

// What is known of one task now: from memory if it is there, else from the store's answer if that
// still holds.
Queue::Look Queue::look(Finding& finding, std::size_t index, const Now& now) {
  Sought& sought = finding.sought[index];
  sought.found = Found{};
  if (finding.seek == Seek::dead) return look_dead(finding, sought);
  if (core_.failed) return look_after_failure(finding, sought, now);
  if (const auto* name = std::get_if<std::string>(&sought.ref)) {
    std::optional<NameEntry> entry;
    if (const auto in_hand = names_in_hand_.find(*name); in_hand != names_in_hand_.end()) {
      entry = in_hand->second.entry;
      // Just added and not acknowledged yet, or just ended: either way there is no such task. But a
      // dead one that is to live again is on its way.
      const bool lives_again = free_at(*entry) == Wall{} && held_.contains(entry->id);
      if (!lives_again) {
        sought.found.gone = name_is_gone(*entry, now);
        if (free_at(*entry) != Wall{}) sought.found.id = entry->id;
        return Look::known;
      }
    } else {
      bring_up_to_date(finding, *name, sought.name_answer);
      if (!sought.name_answer) return Look::needs_name;
      entry = *sought.name_answer;
      if (!entry || free_at(*entry) != Wall{}) {
        sought.found.gone = entry && name_is_gone(*entry, now);
        if (entry) sought.found.id = entry->id;
        return Look::known;
      }
    }
    if (sought.id != entry->id) sought.task_answer.reset();  // the name is another task's by now
    sought.id = entry->id;
  } else {
    sought.id = std::get<TaskId>(sought.ref);
  }

  const TaskId id = sought.id;
  sought.found.id = id;
  const Task* in_memory = nullptr;
  if (const auto held = held_.find(id); held != held_.end()) {
    if (held->second.hold == Hold::ending) {
      sought.found.gone = true;
      return Look::known;
    }
    if (held->second.hold == Hold::moving) {
      if (finding.seek != Seek::lives && finding.seek != Seek::listed) return Look::needs_settle;
      sought.found.kind = Found::Kind::moving;
      in_memory = held->second.moved;
    } else {
      sought.found.kind = Found::Kind::pushing;
      in_memory = held->second.task.get();
    }
  } else if (unsettled(id)) {
    return Look::needs_settle;
  } else if (const auto lease = leases_.find(id); lease != leases_.end()) {
    sought.found.kind = Found::Kind::free;
    in_memory = &lease->second;
  }
  if (in_memory != nullptr) {
    sought.found.task = *in_memory;
    const bool with_payload = finding.seek == Seek::payloads || finding.seek == Seek::listed;
    if (!with_payload || in_memory->payload) return Look::known;
    if (!sought.task_answer) return Look::needs_task;
    if (!*sought.task_answer) {
      sought.found.kind = Found::Kind::missing;
    } else {
      sought.found.task.payload = (*sought.task_answer)->payload;  // a payload never changes
    }
    return Look::known;
  }
  bring_up_to_date(finding, id, sought.task_answer);
  if (!sought.task_answer) return Look::needs_task;
  if (!*sought.task_answer || is_aside((*sought.task_answer)->place)) {
    sought.found.gone = id_is_gone(id);
    return Look::known;
  }
  sought.found.kind = Found::Kind::free;
  sought.found.task = **sought.task_answer;
  const Place& place = sought.found.task.place;
  const Lane& home = lane(place.priority);
  // Lane's invariant 1: what is stored, settled and in nobody's hand is in the window unless it
  // lies beyond the mark.
  DEFERD_ASSERT(home.beyond_mark(place) || home.find(place) != nullptr, "queue", name_->queue,
                "task", id);
  return Look::known;
}

// Memory is ahead of a store that failed; what is in the store is what a restart will find, so that
// is told.
Queue::Look Queue::look_after_failure(const Finding& finding, Sought& sought,
                                      const Now& now) const {
  if (std::holds_alternative<std::string>(sought.ref)) {
    if (!sought.name_answer) return Look::needs_name;
    const std::optional<NameEntry>& entry = *sought.name_answer;
    if (!entry || entry->free_at != Wall{} || entry->generation != finding.generation) {
      sought.found.gone = entry && name_is_gone(*entry, now);
      if (entry) sought.found.id = entry->id;
      return Look::known;
    }
    if (sought.id != entry->id) sought.task_answer.reset();  // the name is another task's by now
    sought.id = entry->id;
  } else {
    sought.id = std::get<TaskId>(sought.ref);
  }
  sought.found.id = sought.id;
  if (!sought.task_answer) return Look::needs_task;
  if (!*sought.task_answer || is_aside((*sought.task_answer)->place)) {
    sought.found.gone = id_is_gone(sought.id);
    return Look::known;
  }
  sought.found.kind = Found::Kind::free;
  sought.found.task = **sought.task_answer;
  return Look::known;
}

// By name as long as the name's tombstone is the task's own.
Queue::Look Queue::look_dead(const Finding& finding, Sought& sought) const {
  if (const auto* name = std::get_if<std::string>(&sought.ref)) {
    std::optional<NameEntry> entry;
    const auto in_hand = names_in_hand_.find(*name);
    if (in_hand != names_in_hand_.end() && !core_.failed) {
      entry = in_hand->second.entry;
    } else {
      bring_up_to_date(finding, *name, sought.name_answer);
      if (!sought.name_answer) return Look::needs_name;
      entry = *sought.name_answer;
    }
    if (!entry || entry->generation != record_.generation || entry->free_at == Wall{})
      return Look::known;
    if (sought.id != entry->id) sought.task_answer.reset();
    sought.id = entry->id;
  } else {
    sought.id = std::get<TaskId>(sought.ref);
  }
  if (const auto held = held_.find(sought.id); held != held_.end() && !core_.failed)
    return held->second.hold == Hold::pushing ? Look::known : Look::needs_settle;
  bring_up_to_date(finding, sought.id, sought.task_answer);
  if (!sought.task_answer) return Look::needs_task;
  const std::optional<Task>& found = *sought.task_answer;
  if (!found || found->place.priority != dead_lane) return Look::known;
  sought.found.kind = Found::Kind::dead;
  sought.found.task = *found;
  return Look::known;
}

void Queue::continue_find(const std::shared_ptr<Finding>& finding, const Now& now) {
  Finding& search = *finding;
  if (dropped_) {
    end_find(search, fail(Reason::queue_missing, "queue " + name_->queue + " was deleted"), now);
    return;
  }
  if (search.generation !=
      record_.generation) {  // purged: what the store said is about tasks that are gone
    search.generation = record_.generation;
    for (auto& sought : search.sought) {
      sought.name_answer.reset();
      sought.task_answer.reset();
    }
  }
  bool needs_settle = false;
  bool needs_names = false;
  bool needs_tasks = false;
  std::vector<std::size_t> tasks_to_read;
  for (std::size_t i = 0; i < search.sought.size(); ++i) {
    const Look answer = look(search, i, now);
    needs_settle = needs_settle || answer == Look::needs_settle;
    needs_names = needs_names || answer == Look::needs_name;
    needs_tasks = needs_tasks || answer == Look::needs_task;
    // With one that must be read, all that were read are read anew: an answer holds from the start
    // of the one open read.
    if (answer == Look::needs_task || search.sought[i].task_answer) tasks_to_read.push_back(i);
  }
  if (needs_settle) {
    if (core_.failed) {
      end_find(search, fail(store_error()), now);
      return;
    }
    core_.hurry = true;  // somebody waits: completions need not linger
    on_settle_.push_back([self = shared_from_this(), finding](const Now& later) {
      self->continue_find(finding, later);
    });
    return;
  }
  if (needs_names) {
    const bool is_again = search.name_read.has_value();
    if (is_again) name_changes_.end_read(*search.name_read);
    search.name_read = name_changes_.begin_read();
    search.name_news.clear();
    if (is_again) follow(finding);
    // All names anew: an answer holds from the beginning of the one read that is open.
    FindNames read{record_.number, {}};
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < search.sought.size(); ++i) {
      if (const auto* name = std::get_if<std::string>(&search.sought[i].ref)) {
        if (is_again) search.name_news.try_emplace(*name);
        read.names.push_back(*name);
        asked.push_back(i);
      }
    }
    core_.read(std::move(read), [self = shared_from_this(), finding, asked = std::move(asked)](
                                    Result<ReadAnswer> answer, const Now& later) {
      if (!answer) {
        self->end_find(*finding, fail(answer.error()), later);
        return;
      }
      auto& entries = std::get<FindNamesAnswer>(*answer).entries;
      DEFERD_ASSERT(entries.size() == asked.size());
      for (std::size_t i = 0; i < asked.size(); ++i)
        finding->sought[asked[i]].name_answer = std::move(entries[i]);
      self->continue_find(finding, later);
    });
    return;
  }
  if (needs_tasks) {
    const bool is_again = search.task_read.has_value();
    if (is_again) task_changes_.end_read(*search.task_read);
    search.task_read = task_changes_.begin_read();
    search.task_news.clear();
    if (is_again) follow(finding);
    FindTasks read{{record_.number, record_.generation}, {}};
    for (const std::size_t i : tasks_to_read) {
      const TaskId id = search.sought[i].id;
      read.ids.push_back(id);
      if (is_again) search.task_news.try_emplace(id);
    }
    core_.read(std::move(read),
               [self = shared_from_this(), finding, asked = std::move(tasks_to_read),
                generation = record_.generation](Result<ReadAnswer> answer, const Now& later) {
                 if (!answer) {
                   self->end_find(*finding, fail(answer.error()), later);
                   return;
                 }
                 auto& tasks = std::get<FindTasksAnswer>(*answer).tasks;
                 DEFERD_ASSERT(tasks.size() == asked.size());
                 if (generation == self->record_.generation) {
                   for (std::size_t i = 0; i < asked.size(); ++i)
                     finding->sought[asked[i]].task_answer = std::move(tasks[i]);
                 }
                 self->continue_find(finding, later);
               });
    return;
  }
  std::vector<Found> found;
  found.reserve(search.sought.size());
  for (auto& sought : search.sought) found.push_back(std::move(sought.found));
  end_find(search, std::move(found), now);
}

void Queue::end_find(Finding& finding, Result<std::vector<Found>> result, const Now& now) {
  if (finding.name_read) name_changes_.end_read(*finding.name_read);
  if (finding.task_read) task_changes_.end_read(*finding.task_read);
  finding.name_read.reset();
  finding.task_read.reset();
  if (!followers_.empty())
    std::erase_if(followers_, [&](const auto& one) { return one.get() == &finding; });
  FoundAll then = std::move(finding.then);
  then(std::move(result), now);
}

Error Queue::missing_error(const Found& found, const TaskRef& ref, const char* field) const {
  const auto* name = std::get_if<std::string>(&ref);
  const std::string task = name != nullptr ? *name : to_string(std::get<TaskId>(ref));
  if (found.gone || ending(found.task.id)) {
    return Error{Reason::task_gone, "task " + task + " of queue " + name_->queue + " has ended",
                 field, std::nullopt};
  }
  return Error{Reason::task_missing,
               "no task " + task + " in queue " + name_->queue + " (or it has ended)", field,
               std::nullopt};
}

void Queue::get_task(GetTask command, const Now& now) {
  find({command.task}, Seek::payloads, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         Result<TaskInfo> answer = fail(Reason::internal, "");
         if (!found) {
           answer = fail(found.error());
         } else if (found->front().kind == Found::Kind::missing) {
           answer = fail(self->missing_error(found->front(), command.task, ""));
         } else {
           answer = self->info_of(found->front().task, found->front().kind == Found::Kind::pushing,
                                  later);
           if (command.story) {
             self->tell_story(std::move(*answer), std::move(command.reply));
             return;
           }
         }
         self->core_.reply(std::move(command.reply), std::move(answer));
       });
}

}  // namespace deferd
