#include "store/conformance/suite.h"

#include <future>
#include <sstream>

namespace deferd {
namespace {

std::string to_text(const Place& place) {
  return "(" + std::to_string(place.priority) + ", " + std::to_string(to_micros(place.eta)) + ", " +
         std::to_string(place.order) + ")";
}

// Payloads may be large: their size and a hash say enough.
std::string to_text(const SharedBytes& payload) {
  if (payload == nullptr) return "null";
  return std::to_string(payload->size()) + " bytes #" +
         std::to_string(std::hash<std::string>{}(*payload));
}

template <class T>
std::string optional_text(const std::optional<T>& value) {
  if (!value) return "-";
  if constexpr (std::is_same_v<T, Micros>) {
    return std::to_string(value->count());
  } else {
    return std::to_string(*value);
  }
}

}  // namespace

std::string to_text(const Task& task) {
  std::ostringstream out;
  const Progress& p = task.progress;
  out << task.id << " at " << to_text(task.place) << " created " << to_micros(task.created)
      << " bytes " << task.bytes << " payload " << to_text(task.payload) << " progress "
      << p.attempts << ' ' << p.responses << ' ' << p.executions << ' ' << p.last_status << ' '
      << to_micros(p.first_attempt) << ' ' << to_micros(p.last_attempt) << ' '
      << to_micros(p.last_eta) << ' ' << to_micros(p.last_response) << ' ' << p.lease_token << ' '
      << to_micros(p.run_due) << (p.lease_is_named ? " named" : "") << " deaths " << p.deaths
      << " history " << p.history_first << ".." << p.history_end << " death "
      << static_cast<int>(p.death) << " own priority " << static_cast<int>(p.own_priority);
  if (task.options && !task.options->empty()) {  // a store may give null for empty ones
    const TaskOptions& o = *task.options;
    out << " name '" << o.name << "' key '" << o.key << "' timeout " << o.timeout.count()
        << " retry " << optional_text(o.retry.max_attempts) << ' ' << optional_text(o.retry.max_age)
        << ' ' << optional_text(o.retry.min_backoff) << ' ' << optional_text(o.retry.max_backoff)
        << ' ' << optional_text(o.retry.max_doublings) << " recurrence '" << o.recurrence
        << "' keep result " << o.keep_result.count() << " headers";
    for (const std::string& header : o.result_headers) out << " '" << header << "'";
    out << " callback '" << o.callback_url << "' by '" << o.callback_queue << "'";
  }
  return std::move(out).str();
}

std::string to_text(const ReadAnswer& answer) {
  std::ostringstream out;
  if (const auto* scan = std::get_if<ScanAnswer>(&answer)) {
    for (const Task& task : scan->tasks) out << to_text(task) << '\n';
    out << (scan->end ? "end" : "more");
    if (scan->reached != Place{}) out << " reached " << to_text(scan->reached);
    out << '\n';
  } else if (const auto* found = std::get_if<FindTasksAnswer>(&answer)) {
    for (const auto& task : found->tasks) out << (task ? to_text(*task) : "none") << '\n';
  } else if (const auto* names = std::get_if<FindNamesAnswer>(&answer)) {
    for (const auto& entry : names->entries) {
      if (!entry) {
        out << "none\n";
      } else {
        out << entry->id << " generation " << entry->generation << " free at "
            << to_micros(entry->free_at) << '\n';
      }
    }
  } else if (const auto* places = std::get_if<ScanPlacesAnswer>(&answer)) {
    for (const auto& item : places->items) {
      out << to_micros(item.eta) << ' ' << item.order << (item.leased ? " leased" : "")
          << " attempts " << item.attempts << " of " << item.id << '\n';
    }
    out << (places->end ? "end\n" : "more\n");
  } else if (const auto* outcomes = std::get_if<FindOutcomesAnswer>(&answer)) {
    for (const auto& bytes : outcomes->outcomes)
      out << (bytes ? to_text(share(std::string(*bytes))) : "none") << '\n';
  } else if (const auto* kept = std::get_if<ScanOutcomesAnswer>(&answer)) {
    for (const auto& item : kept->items) {
      out << item.id << " until " << to_micros(item.kept_until) << " bytes " << item.bytes
          << " generation " << item.generation << " history " << item.history_first << ".."
          << item.history_end << '\n';
    }
    out << (kept->end ? "end\n" : "more\n");
  } else if (const auto* history = std::get_if<ScanHistoryAnswer>(&answer)) {
    for (const std::string& bytes : history->attempts)
      out << to_text(share(std::string(bytes))) << '\n';
  }
  return std::move(out).str();
}

std::string to_text(const Store::Loaded& loaded) {
  std::ostringstream out;
  out << "next number " << loaded.next_number << '\n';
  for (const StoredQueue& queue : loaded.queues) {
    const QueueRecord& r = queue.record;
    const QueueSettings& s = r.settings;
    const QueueCounters& c = queue.counters;
    out << r.number << ' ' << r.name.path() << " generation " << r.generation << " state "
        << static_cast<int>(r.state) << " created " << to_micros(r.created) << " mode "
        << static_cast<int>(s.mode) << " rate " << s.rate.count << '/' << s.rate.period.count()
        << (s.rate.unlimited ? "u" : "") << " burst " << s.burst << " concurrency " << s.concurrency
        << " timeout " << s.timeout.count() << " priority " << static_cast<int>(s.priority)
        << " retry " << s.retry.max_attempts << ' ' << s.retry.max_age.count() << ' '
        << s.retry.min_backoff.count() << ' ' << s.retry.max_backoff.count() << ' '
        << s.retry.max_doublings << " max " << s.max_tasks << ' ' << s.max_bytes << " tombstone "
        << s.tombstone.count() << " dead " << s.dead.keep.count() << ' ' << s.dead.bytes_max << " '"
        << s.dead.queue << "' poison after " << s.poison_after << " history " << s.history
        << " results " << s.result_bytes_max << " purges";
    for (const Purge& purge : r.purges)
      out << ' ' << purge.generation << '@' << to_micros(purge.at);
    out << "\n  counters " << c.tasks << ' ' << c.bytes << " last order " << c.last_order
        << " due from " << to_micros(c.due_from) << " lanes";
    for (const std::uint64_t tasks : c.lane_tasks) out << ' ' << tasks;
    for (const QueueCounters::Kept* kept : {&c.dead, &c.outgoing, &c.outcomes})
      out << " kept " << kept->count << ' ' << kept->bytes;
    const AppEngineSettings& a = s.appengine;
    out << "\n  target '" << a.target << "' rate '" << a.rate_text << "' users";
    for (const std::string& email : a.user_emails) out << ' ' << email;
    out << " writers";
    for (const std::string& email : a.writer_emails) out << ' ' << email;
    out << " note " << s.note.size();
    for (const char byte : s.note) out << ' ' << static_cast<int>(byte);
    out << '\n';
  }
  for (const ProjectRecord& project : loaded.projects)
    out << "project " << project.project << " at most " << project.bytes_max << '\n';
  for (const GoneQueue& gone : loaded.gone)
    out << "gone " << gone.name.path() << " until " << to_micros(gone.free_at) << '\n';
  for (const Document& document : loaded.documents)
    out << "document " << document.key << " of " << document.queue.path() << " until "
        << to_micros(document.expires) << ": " << document.bytes << '\n';
  return std::move(out).str();
}

Result<void> commit_and_wait(Store& store, Batch batch) {
  std::promise<Result<void>> promise;
  auto future = promise.get_future();
  store.commit(std::move(batch),
               [&promise](Result<void> done) { promise.set_value(std::move(done)); });
  return future.get();
}

Result<ReadAnswer> read_and_wait(Store& store, Read read) {
  std::promise<Result<ReadAnswer>> promise;
  auto future = promise.get_future();
  store.read(std::move(read),
             [&promise](Result<ReadAnswer> answer) { promise.set_value(std::move(answer)); });
  return future.get();
}

namespace {

template <class Scan>
Ids walk(Store& store, Scan scan) {
  Ids ids;
  while (true) {
    Result<ReadAnswer> answer = read_and_wait(store, scan);
    if (!answer) {
      ADD_FAILURE() << answer.error().message;
      return ids;
    }
    const ScanAnswer& page = std::get<ScanAnswer>(*answer);
    for (const Task& task : page.tasks) ids.push_back(task.id.value);
    if (page.end) return ids;
    if (page.tasks.empty()) {
      ADD_FAILURE() << "an empty page that is not the end";
      return ids;
    }
    if constexpr (std::is_same_v<Scan, ScanIds>) {
      scan.after = page.tasks.back().id;
    } else {
      scan.after = page.tasks.back().place;
    }
  }
}

constexpr std::uint64_t no_limit = std::uint64_t{1} << 40;

}  // namespace

Ids StoreConformance::lane_ids(Generation generation, int priority, std::uint32_t page) {
  const auto lane = static_cast<std::uint8_t>(priority);
  return walk(store(), ScanLane{generation, lane, Place{lane, Wall::min(), 0}, page, no_limit});
}

Ids StoreConformance::key_ids(Generation generation, const std::string& key, std::uint32_t page) {
  return walk(store(), ScanKey{generation, key, Place{0, Wall::min(), 0}, page, no_limit});
}

Ids StoreConformance::all_ids(Generation generation, std::uint32_t page) {
  return walk(store(), ScanIds{generation, TaskId{0}, page, no_limit});
}

std::optional<Task> StoreConformance::find(Generation generation, std::uint64_t id) {
  auto answer = read<FindTasksAnswer>(FindTasks{generation, {TaskId{id}}});
  return answer.tasks.empty() ? std::nullopt : std::move(answer.tasks.front());
}

Task StoreConformance::task(std::uint64_t id, Wall eta, int priority, std::string payload) {
  Task task;
  task.id = TaskId{id};
  task.place = Place{static_cast<std::uint8_t>(priority), eta, id};
  task.created = at(0);
  task.bytes = static_cast<std::uint32_t>(payload.size()) + task_overhead_bytes;
  task.payload = share(std::move(payload));
  return task;
}

Task StoreConformance::with_key(Task task, std::string key) {
  TaskOptions options;
  options.key = std::move(key);
  task.options = std::make_shared<const TaskOptions>(std::move(options));
  return task;
}

QueueRecord StoreConformance::record(std::uint64_t number, std::uint32_t generation) {
  return {.number = QueueNumber{number},
          .name = QueueName{"p", "l", "q" + std::to_string(number)},
          .settings = QueueSettings::defaults(QueueMode::pull),
          .generation = generation,
          .created = at(0)};
}

Batch StoreConformance::puts(const std::vector<Task>& tasks, Generation generation) {
  Batch batch;
  for (const Task& task : tasks) batch.puts.push_back({generation, task});
  return batch;
}

Batch::Move StoreConformance::move(const Task& task, Wall eta, std::uint64_t order,
                                   Generation generation) {
  Batch::Move move{generation, task.place, task};
  move.task.place.eta = eta;
  move.task.place.order = order;
  move.task.payload = nullptr;
  return move;
}

Batch::Finish StoreConformance::finish(const Task& task, Generation generation) {
  return {generation, task.id, task.place, std::string(task.key())};
}

}  // namespace deferd
