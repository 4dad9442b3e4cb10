// Lists: by id, and by (ETA, order) or (key, ETA, order), whatever is under way. What the store
// gives is checked against what changed meanwhile, by the same search that finds single tasks
// (queue_find.cc).
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/queue.h"

namespace deferd {

void Queue::list_tasks(ListTasks command, const Now&) {
  constexpr std::uint64_t page_bytes_max = 8 << 20;
  const std::uint64_t read = task_changes_.begin_read();
  ScanIds scan{
      {record_.number, record_.generation}, command.after, command.tasks_max, page_bytes_max};
  core_.read(std::move(scan), [self = shared_from_this(), read, generation = record_.generation,
                               command = std::move(command)](Result<ReadAnswer> answer,
                                                             const Now& later) mutable {
    if (!answer) {
      self->task_changes_.end_read(read);
      self->core_.reply(std::move(command.reply), Result<ListTasks::Answer>(fail(answer.error())));
      return;
    }
    auto& page = std::get<ScanAnswer>(*answer);
    std::optional<TaskId> next;
    if (!page.end && !page.tasks.empty()) next = page.tasks.back().id;
    self->recheck(
        std::move(page.tasks), read, generation, later,
        [self, command = std::move(command), next](Result<std::vector<Found>> found,
                                                   const Now& latest) mutable {
          if (!found) {
            self->core_.reply(std::move(command.reply),
                              Result<ListTasks::Answer>(fail(found.error())));
            return;
          }
          ListTasks::Answer list{{}, next};
          for (const Found& one : *found) {
            if (one.kind == Found::Kind::missing) continue;
            TaskInfo info = self->info_of(one.task, one.kind == Found::Kind::pushing, latest);
            if (!command.state || info.state == *command.state)
              list.tasks.push_back(std::move(info));
          }
          self->core_.reply(std::move(command.reply), Result<ListTasks::Answer>(std::move(list)));
        });
  });
}

// ---- By ETA

// A list that is being made: pages of every lane (or of all keys), merged up to the first lane
// whose page is used up, checked, and so on until there are enough.
struct Queue::EtaList {
  // Where a task stands in the list; without `key`, keys are left empty.
  struct At {
    std::string key;
    Wall eta = Wall::min();
    std::uint64_t order = 0;

    friend auto operator<=>(const At&, const At&) = default;
  };
  // One of the sorted streams that are merged: a lane, or the only one by key.
  struct Stream {
    std::uint8_t priority = 0;
    At after;
    std::vector<Task> page;  // what is left of it, last first
    bool ended = false;      // nothing follows the page
  };

  ListTasksByEta command;
  At after;  // all before and at this is listed
  std::vector<Stream> streams;
  std::vector<TaskInfo> listed;
  boost::unordered_flat_set<TaskId> listed_ids;
  std::uint64_t bytes = 0;
  std::uint32_t generation = 0;
  std::uint64_t read = 0;
  std::size_t reads_open = 0;
  std::optional<Error> error;

  At at(const Task& task) const {
    return {command.key ? std::string(task.key()) : std::string(), task.place.eta,
            task.place.order};
  }
  bool full() const { return listed.size() >= command.tasks_max; }
  bool ended() const {
    return std::ranges::all_of(streams, [](const Stream& s) { return s.ended && s.page.empty(); });
  }
};

void Queue::list_by_eta(ListTasksByEta command, const Now& now) {
  auto list = std::make_shared<EtaList>();
  list->generation = record_.generation;
  // What is given is included, so the list begins after the place just before it.
  list->after = {command.key.value_or(""), command.eta, command.order};
  if (command.order > 0) {
    --list->after.order;
  } else if (command.eta > Wall::min()) {
    list->after.eta -= Micros(1);
    list->after.order = std::numeric_limits<std::uint64_t>::max();
  }
  list->command = std::move(command);
  if (list->command.key) {
    list->streams.push_back({0, list->after, {}, false});
  } else {
    for (std::uint8_t p = 0; p < priority_count; ++p) {
      if (lanes_[p] != nullptr) list->streams.push_back({p, list->after, {}, false});
    }
  }
  continue_list(list, now);
}

void Queue::continue_list(const std::shared_ptr<EtaList>& list, const Now&) {
  if (dropped_) {
    end_list(*list, Error{Reason::queue_missing, "queue " + name_->queue + " was deleted", "",
                          std::nullopt});
  } else if (list->bytes > list_bytes_max) {
    end_list(*list,
             Error{Reason::too_large,
                   "the first " + std::to_string(list->listed.size()) + " tasks hold more than " +
                       std::to_string(list_bytes_max) + " bytes; ask for fewer than " +
                       std::to_string(list->command.tasks_max),
                   "tasks_max", std::nullopt});
  } else if (list->generation != record_.generation) {
    list->listed.clear();  // as of the purge
    end_list(*list, std::nullopt);
  } else if (list->full() || list->ended()) {
    end_list(*list, std::nullopt);
  } else {
    read_list(list);
  }
}

void Queue::read_list(const std::shared_ptr<EtaList>& list) {
  constexpr std::uint64_t page_bytes_max = 8 << 20;
  list->read = task_changes_.begin_read();
  const Generation generation{record_.number, record_.generation};
  const auto tasks_max = static_cast<std::uint32_t>(list->command.tasks_max - list->listed.size());
  for (std::size_t i = 0; i < list->streams.size(); ++i) {
    EtaList::Stream& stream = list->streams[i];
    // A page from before is read again from its beginning: it may have changed since.
    stream.page.clear();
    stream.ended = false;
    stream.after = list->after;
    const Place after{stream.priority, stream.after.eta, stream.after.order};
    Read read = ScanLane{generation, stream.priority, after, tasks_max, page_bytes_max};
    if (list->command.key)
      read = ScanKeys{generation, stream.after.key, after, tasks_max, page_bytes_max};
    ++list->reads_open;
    core_.read(std::move(read),
               [self = shared_from_this(), list, i](Result<ReadAnswer> answer, const Now& later) {
                 EtaList::Stream& read_stream = list->streams[i];
                 if (answer) {
                   auto& found = std::get<ScanAnswer>(*answer);
                   read_stream.ended = found.end;
                   read_stream.page = std::move(found.tasks);
                   std::ranges::reverse(read_stream.page);
                 } else {
                   list->error = answer.error();
                 }
                 if (--list->reads_open == 0) self->merge_list(list, later);
               });
  }
}

void Queue::merge_list(const std::shared_ptr<EtaList>& list, const Now& now) {
  if (list->error) {
    task_changes_.end_read(list->read);
    end_list(*list, std::exchange(list->error, std::nullopt));
    return;
  }
  const std::size_t wanted = list->command.tasks_max - list->listed.size();
  std::vector<Task> merged;
  std::optional<EtaList::At> reached;  // none: to the end
  while (true) {
    EtaList::Stream* first = nullptr;
    bool used_up = false;
    for (EtaList::Stream& stream : list->streams) {
      if (stream.page.empty()) {
        used_up = used_up || !stream.ended;
        continue;
      }
      if (first == nullptr || list->at(stream.page.back()) < list->at(first->page.back()))
        first = &stream;
    }
    if (first == nullptr && !used_up) break;
    if (used_up || merged.size() == wanted) {
      DEFERD_ASSERT(!merged.empty());
      reached = list->at(merged.back());
      break;
    }
    merged.push_back(std::move(first->page.back()));
    first->page.pop_back();
  }
  if (!reached) {
    for (EtaList::Stream& stream : list->streams) stream.ended = true;
  }
  recheck(
      std::move(merged), list->read, list->generation, now,
      [self = shared_from_this(), list, reached](Result<std::vector<Found>> found,
                                                 const Now& later) {
        if (!found) {
          self->end_list(*list, found.error());
          return;
        }
        std::erase_if(*found, [&](const Found& one) {
          if (one.kind == Found::Kind::missing) return true;
          // One that moved meanwhile is listed where it is now, if that is in this part.
          const EtaList::At at = list->at(one.task);
          return at <= list->after || (reached && at > *reached) ||
                 list->listed_ids.contains(one.task.id);
        });
        std::ranges::sort(*found, {}, [&](const Found& one) { return list->at(one.task); });
        for (const Found& one : *found) {
          list->listed_ids.insert(one.task.id);
          list->bytes += one.task.payload->size();
          list->listed.push_back(self->info_of(one.task, one.kind == Found::Kind::pushing, later));
        }
        if (reached) list->after = *reached;
        self->continue_list(list, later);
      });
}

void Queue::end_list(EtaList& list, std::optional<Error> error) {
  using Answer = Result<std::vector<TaskInfo>>;
  core_.reply(std::move(list.command.reply),
              error ? Answer(fail(std::move(*error))) : Answer(std::move(list.listed)));
}

}  // namespace deferd
