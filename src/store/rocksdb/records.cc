#include "store/rocksdb/records.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace deferd::runs {
namespace {

constexpr std::uint8_t format_1 = 1;
constexpr std::uint8_t format_2 =
    2;  // of a queue that has AppEngineSettings; of counters of kept things
constexpr std::uint8_t format_3 = 3;  // of a queue that has a note; also has the former
constexpr std::uint8_t format_4 = 4;  // of a queue with tagged parts; also has the former

// Damaged records may hold any number, so sums go around instead of overflowing.
Wall later(Wall wall, std::int64_t micros) {
  return wall_from_micros(static_cast<std::int64_t>(static_cast<std::uint64_t>(to_micros(wall)) +
                                                    static_cast<std::uint64_t>(micros)));
}
std::int64_t distance(Wall from, Wall to) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(to_micros(to)) -
                                   static_cast<std::uint64_t>(to_micros(from)));
}
std::int64_t distance(std::uint64_t from, std::uint64_t to) {
  return static_cast<std::int64_t>(to - from);
}

// Times order as unsigned numbers once their sign bit is turned over.
constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;
std::uint64_t ordered(Wall wall) { return static_cast<std::uint64_t>(to_micros(wall)) ^ sign_bit; }
Wall from_ordered(std::uint64_t number) {
  return wall_from_micros(static_cast<std::int64_t>(number ^ sign_bit));
}

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(Reason::store_failed, "damaged record: " + std::string(what) + " does not decode");
}

void write_generation(ByteWriter& out, const Generation& generation) {
  out.be64(generation.queue.value);
  out.be32(generation.number);
}

}  // namespace

// ---- Keys ----

std::string queue_prefix(QueueNumber queue) {
  std::string key;
  ByteWriter(key).be64(queue.value);
  return key;
}

std::string generation_prefix(const Generation& generation) {
  std::string key;
  ByteWriter out(key);
  write_generation(out, generation);
  return key;
}

std::string lane_prefix(const Generation& generation, std::uint8_t priority) {
  std::string key;
  key.reserve(30);
  ByteWriter out(key);
  write_generation(out, generation);
  out.u8(priority);
  return key;
}

std::string place_key(const Generation& generation, std::uint8_t priority, Wall eta,
                      std::uint64_t order) {
  std::string key = lane_prefix(generation, priority);
  ByteWriter out(key);
  out.be64(ordered(eta));
  out.be64(order);
  return key;
}

std::string run_key(const RunKey& run, Kind kind) {
  std::string key = place_key(run.generation, run.priority, run.eta, run.first_order);
  key.push_back(static_cast<char>(kind));
  return key;
}

std::optional<ParsedRunKey> parse_run_key(std::string_view key) {
  ByteReader in(key);
  ParsedRunKey parsed;
  parsed.run.generation.queue = QueueNumber{in.be64()};
  parsed.run.generation.number = in.be32();
  parsed.run.priority = in.u8();
  parsed.run.eta = from_ordered(in.be64());
  parsed.run.first_order = in.be64();
  const std::uint8_t kind = in.u8();
  if (!in.ok() || !in.at_end() || kind > 2) return std::nullopt;
  parsed.kind = static_cast<Kind>(kind);
  return parsed;
}

std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::string meta_key(char kind, QueueNumber queue) { return kind + queue_prefix(queue); }

std::string project_key(std::string_view project) { return "P" + std::string(project); }

namespace {
// Neither part of a name holds a slash.
std::string slashed(const QueueName& name) {
  return name.project + "/" + name.location + "/" + name.queue;
}
// Takes a name off the front of `key`, with the slash behind it if there is one.
std::optional<QueueName> take_slashed(std::string_view& key) {
  const std::size_t first = key.find('/');
  const std::size_t second = first == std::string_view::npos ? first : key.find('/', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::size_t third = std::min(key.find('/', second + 1), key.size());
  auto name = QueueName::parse(key.substr(0, first), key.substr(first + 1, second - first - 1),
                               key.substr(second + 1, third - second - 1));
  if (!name) return std::nullopt;
  key.remove_prefix(std::min(third + 1, key.size()));
  return std::move(*name);
}
}  // namespace

std::string gone_key(const QueueName& name) { return "G" + slashed(name); }

std::optional<QueueName> parse_gone_key(std::string_view key) {
  if (key.empty() || key.front() != 'G') return std::nullopt;
  key.remove_prefix(1);
  auto name = take_slashed(key);
  return key.empty() ? std::move(name) : std::nullopt;
}

std::string document_key(const QueueName& queue, std::string_view key) {
  return "D" + slashed(queue) + "/" + std::string(key);
}

std::string id_key(const Generation& generation, TaskId id) {
  std::string key = generation_prefix(generation);
  ByteWriter(key).be64(id.value);
  return key;
}

std::optional<TaskId> parse_id_key(std::string_view key) {
  ByteReader in(key);
  in.raw(12);
  const TaskId id{in.be64()};
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return id;
}

std::string key_prefix(const Generation& generation, std::string_view key) {
  std::string prefix = generation_prefix(generation);
  ByteWriter out(prefix);
  out.be32(static_cast<std::uint32_t>(key.size()));
  out.raw(key);
  return prefix;
}

std::string key_place_key(const Generation& generation, std::string_view key, Wall eta,
                          std::uint64_t order) {
  std::string whole = key_prefix(generation, key);
  ByteWriter out(whole);
  out.be64(ordered(eta));
  out.be64(order);
  return whole;
}

std::optional<std::string_view> parse_key_place_key(std::string_view whole) {
  ByteReader in(whole);
  in.raw(12);
  const std::string_view key = in.raw(in.be32());
  in.raw(16);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return key;
}

std::optional<std::string> lowest_above(std::string_view key, std::size_t size) {
  std::string above(key.substr(0, size));
  if (size > key.size()) {
    above.resize(size, '\0');  // longer, so above by that alone
    return above;
  }
  for (std::size_t i = size; i > 0; --i) {
    if (static_cast<unsigned char>(above[i - 1]) == 0xff) {
      above[i - 1] = '\0';
      continue;
    }
    above[i - 1] = static_cast<char>(static_cast<unsigned char>(above[i - 1]) + 1);
    return above;
  }
  return std::nullopt;
}

std::string name_key(QueueNumber queue, std::string_view name) {
  std::string key = queue_prefix(queue);
  key.append(name);
  return key;
}

std::string tombstone_start(Wall free_at) {
  std::string key;
  ByteWriter(key).be64(ordered(free_at));
  return key;
}

std::string tombstone_key(Wall free_at, QueueNumber queue, std::string_view name) {
  std::string key = tombstone_start(free_at);
  ByteWriter out(key);
  out.be64(queue.value);
  out.raw(name);
  return key;
}

std::optional<ParsedTombstone> parse_tombstone_key(std::string_view key) {
  ByteReader in(key);
  ParsedTombstone parsed{from_ordered(in.be64()), QueueNumber{in.be64()}, {}};
  if (!in.ok()) return std::nullopt;
  parsed.name = in.raw(in.left());
  return parsed;
}

std::string outcome_key(QueueNumber queue, TaskId id) {
  std::string key = queue_prefix(queue);
  ByteWriter(key).be64(id.value);
  return key;
}

std::string end_key(QueueNumber queue, Wall kept_until, TaskId id) {
  std::string key = queue_prefix(queue);
  ByteWriter out(key);
  out.be64(ordered(kept_until));
  out.be64(id.value);
  return key;
}

std::string attempt_key(const Generation& generation, TaskId id, std::uint32_t number) {
  std::string key = id_key(generation, id);
  ByteWriter(key).be32(number);
  return key;
}

// ---- Options and progress ----

namespace {

void write_options(ByteWriter& out, const TaskOptions& options) {
  const RetryOverride& retry = options.retry;
  std::uint8_t there = 0;
  there |= options.name.empty() ? 0 : 1;
  there |= options.key.empty() ? 0 : 2;
  there |= options.timeout == Micros(0) ? 0 : 4;
  there |= retry.max_attempts ? 8 : 0;
  there |= retry.max_age ? 16 : 0;
  there |= retry.min_backoff ? 32 : 0;
  there |= retry.max_backoff ? 64 : 0;
  there |= retry.max_doublings ? 128 : 0;
  out.u8(there);
  if (!options.name.empty()) out.bytes(options.name);
  if (!options.key.empty()) out.bytes(options.key);
  if (options.timeout != Micros(0)) out.signed_varint(options.timeout.count());
  if (retry.max_attempts) out.signed_varint(*retry.max_attempts);
  if (retry.max_age) out.signed_varint(retry.max_age->count());
  if (retry.min_backoff) out.signed_varint(retry.min_backoff->count());
  if (retry.max_backoff) out.signed_varint(retry.max_backoff->count());
  if (retry.max_doublings) out.signed_varint(*retry.max_doublings);
}

TaskOptions read_options(ByteReader& in) {
  TaskOptions options;
  const std::uint8_t there = in.u8();
  if (there & 1) options.name = in.bytes();
  if (there & 2) options.key = in.bytes();
  if (there & 4) options.timeout = Micros(in.signed_varint());
  if (there & 8) options.retry.max_attempts = static_cast<std::int32_t>(in.signed_varint());
  if (there & 16) options.retry.max_age = Micros(in.signed_varint());
  if (there & 32) options.retry.min_backoff = Micros(in.signed_varint());
  if (there & 64) options.retry.max_backoff = Micros(in.signed_varint());
  if (there & 128) options.retry.max_doublings = static_cast<std::int32_t>(in.signed_varint());
  return options;
}

// What asks for more than that the task runs: few have any of it.
bool wants_outcome(const TaskOptions& options) {
  return options.keep_result != Micros(0) || !options.result_headers.empty() ||
         !options.callback_url.empty() || !options.callback_queue.empty();
}

void write_outcome_options(ByteWriter& out, const TaskOptions& options) {
  out.signed_varint(options.keep_result.count());
  out.varint(options.result_headers.size());
  for (const std::string& name : options.result_headers) out.bytes(name);
  out.bytes(options.callback_url);
  out.bytes(options.callback_queue);
}

void read_outcome_options(ByteReader& in, TaskOptions& options) {
  options.keep_result = Micros(in.signed_varint());
  const std::uint64_t headers = in.varint();
  for (std::uint64_t i = 0; i < headers && in.ok(); ++i)
    options.result_headers.emplace_back(in.bytes());
  options.callback_url = in.bytes();
  options.callback_queue = in.bytes();
}

// Members that are not at their default; each time as the distance from the one before it in the
// record (at first the run's ETA): those of tasks that were leased together are mostly the same.
void write_progress(ByteWriter& out, const Progress& p, Wall& before) {
  const auto time = [&](Wall wall) {
    out.signed_varint(distance(before, wall));
    before = wall;
  };
  const auto set = [](bool is, std::uint32_t bit) { return is ? bit : 0u; };
  const std::uint32_t there =
      set(p.attempts != 0, 1) | set(p.responses != 0, 2) | set(p.executions != 0, 4) |
      set(p.last_status != status_none, 8) | set(p.first_attempt != Wall{}, 16) |
      set(p.last_attempt != Wall{}, 32) | set(p.last_eta != Wall{}, 64) |
      set(p.lease_token != 0, 128) | set(p.last_response != Wall{}, 256) |
      set(p.run_due != Wall{}, 512) | set(p.lease_is_named, 1024) | set(p.deaths != 0, 2048) |
      set(p.history_first != 0 || p.history_end != 0, 4096) |
      set(p.death != DeathReason::none, 8192) | set(p.own_priority != 0, 16384);
  out.varint(there);
  if (there & 1) out.varint(p.attempts);
  if (there & 2) out.varint(p.responses);
  if (there & 4) out.varint(p.executions);
  if (there & 8) out.signed_varint(p.last_status);
  if (there & 16) time(p.first_attempt);
  if (there & 32) time(p.last_attempt);
  if (there & 64) time(p.last_eta);
  if (there & 128) out.be64(p.lease_token);
  if (there & 256) time(p.last_response);
  if (there & 512) time(p.run_due);
  if (there & 2048) out.varint(p.deaths);
  if (there & 4096) {
    out.varint(p.history_first);
    out.varint(p.history_end);
  }
  if (there & 8192) out.u8(static_cast<std::uint8_t>(p.death));
  if (there & 16384) out.u8(p.own_priority);
}

// What a damaged or later record may exceed.
constexpr auto death_reason_last = static_cast<std::uint8_t>(death_reason_count - 1);

Progress read_progress(ByteReader& in, Wall& before) {
  Progress p;
  const std::uint64_t there = in.varint();
  if (there & 1) p.attempts = static_cast<std::uint32_t>(in.varint());
  if (there & 2) p.responses = static_cast<std::uint32_t>(in.varint());
  if (there & 4) p.executions = static_cast<std::uint32_t>(in.varint());
  if (there & 8) p.last_status = static_cast<std::int16_t>(in.signed_varint());
  if (there & 16) p.first_attempt = before = later(before, in.signed_varint());
  if (there & 32) p.last_attempt = before = later(before, in.signed_varint());
  if (there & 64) p.last_eta = before = later(before, in.signed_varint());
  if (there & 128) p.lease_token = in.be64();
  if (there & 256) p.last_response = before = later(before, in.signed_varint());
  if (there & 512) p.run_due = before = later(before, in.signed_varint());
  p.lease_is_named = (there & 1024) != 0;
  if (there & 2048) p.deaths = static_cast<std::uint16_t>(in.varint());
  if (there & 4096) {
    p.history_first = static_cast<std::uint32_t>(in.varint());
    p.history_end = static_cast<std::uint32_t>(in.varint());
  }
  if (there & 8192) p.death = static_cast<DeathReason>(std::min(in.u8(), death_reason_last));
  if (there & 16384) p.own_priority = in.u8();
  return p;
}

// ---- Home runs ----
//
//   format u8 | rewritten u8 | slots | tasks | head of each task | payloads that are not apart
//   head: id - the one before | created - the one before | bytes - payload - overhead | flags u8 |
//   payload bytes
//         [slots left out] [options] [recurrence] [outcome options] [progress]

constexpr std::uint8_t flag_options = 1;
constexpr std::uint8_t flag_progress = 2;
constexpr std::uint8_t flag_apart = 4;
constexpr std::uint8_t flag_gap = 8;  // slots before this one are empty
constexpr std::uint8_t flag_recurrence = 16;
constexpr std::uint8_t flag_outcome = 32;
constexpr std::uint8_t flags_all = 63;

class HeadWriter {
 public:
  HeadWriter(std::string& out, const RunKey& key)
      : out_(out), id_(key.first_order), created_(key.eta), progress_time_(key.eta) {}

  void write(std::uint32_t slot, TaskId id, Wall created, std::uint32_t bytes,
             std::uint64_t payload_bytes, bool apart, const TaskOptions* options,
             const Progress* progress) {
    out_.varint(id.value - id_);
    out_.signed_varint(distance(created_, created));
    out_.signed_varint(static_cast<std::int64_t>(bytes) -
                       static_cast<std::int64_t>(payload_bytes + task_overhead_bytes));
    std::uint8_t flags = 0;
    if (options != nullptr) flags |= flag_options;
    const bool recurs = options != nullptr && !options->recurrence.empty();
    if (recurs) flags |= flag_recurrence;
    const bool outcome = options != nullptr && wants_outcome(*options);
    if (outcome) flags |= flag_outcome;
    if (progress != nullptr) flags |= flag_progress;
    if (apart) flags |= flag_apart;
    if (slot != next_slot_) flags |= flag_gap;
    out_.u8(flags);
    out_.varint(payload_bytes);
    if (slot != next_slot_) out_.varint(slot - next_slot_);
    if (options != nullptr) write_options(out_, *options);
    if (recurs) out_.bytes(options->recurrence);
    if (outcome) write_outcome_options(out_, *options);
    if (progress != nullptr) write_progress(out_, *progress, progress_time_);
    id_ = id.value;
    created_ = created;
    next_slot_ = slot + 1;
  }

 private:
  ByteWriter out_;
  std::uint64_t id_;
  Wall created_;
  Wall progress_time_;
  std::uint32_t next_slot_ = 0;
};

}  // namespace

std::string encode_home(const RunKey& key, const std::vector<const Task*>& tasks) {
  std::string value;
  std::uint64_t payload_bytes = 0;
  for (const Task* task : tasks) {
    if (task->payload->size() <= inline_payload_bytes_max) payload_bytes += task->payload->size();
  }
  value.reserve(payload_bytes + tasks.size() * 12 + 16);
  ByteWriter out(value);
  out.u8(format_1);
  out.u8(0);
  out.varint(tasks.size());
  out.varint(tasks.size());
  HeadWriter heads(value, key);
  for (std::uint32_t slot = 0; slot < tasks.size(); ++slot) {
    const Task& task = *tasks[slot];
    const TaskOptions* options =
        task.options != nullptr && !task.options->empty() ? task.options.get() : nullptr;
    heads.write(slot, task.id, task.created, task.bytes, task.payload->size(),
                task.payload->size() > inline_payload_bytes_max, options,
                task.progress == Progress{} ? nullptr : &task.progress);
  }
  for (const Task* task : tasks) {
    if (task->payload->size() <= inline_payload_bytes_max) out.raw(*task->payload);
  }
  return value;
}

std::string encode_rewritten(const RunKey& key, const HomeRun& run) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.u8(1);
  out.varint(run.slots);
  out.varint(run.tasks.size());
  HeadWriter heads(value, key);
  for (const HomeTask& task : run.tasks) {
    heads.write(task.slot, task.id, task.created, task.bytes, task.payload_bytes, task.apart,
                task.options.get(),
                task.progress_index == HomeTask::no_progress ? nullptr
                                                             : &run.progress[task.progress_index]);
  }
  for (const HomeTask& task : run.tasks) out.raw(task.payload);
  return value;
}

Result<HomeRun> decode_home(const RunKey& key, std::string_view value) {
  constexpr std::size_t head_bytes_min = 5;
  ByteReader in(value);
  HomeRun run;
  if (in.u8() != format_1) return damaged("a home run's format");
  const std::uint8_t rewritten = in.u8();
  const std::uint64_t slots = in.varint();
  const std::uint64_t tasks = in.varint();
  if (!in.ok() || rewritten > 1 || slots > run_orders_max || tasks > slots ||
      tasks > in.left() / head_bytes_min) {
    return damaged("a home run's head");
  }
  run.rewritten = rewritten != 0;
  run.slots = static_cast<std::uint32_t>(slots);
  run.tasks.resize(tasks);
  std::uint64_t id = key.first_order;
  Wall created = key.eta;
  Wall progress_time = key.eta;
  std::uint64_t next_slot = 0;
  bool is_first = true;
  for (HomeTask& task : run.tasks) {
    const std::uint64_t step = in.varint();
    if ((step == 0 && !is_first) || step >= run_orders_max) return damaged("a home run's ids");
    is_first = false;
    id += step;
    created = later(created, in.signed_varint());
    const std::int64_t more_bytes = in.signed_varint();
    const std::uint8_t flags = in.u8();
    task.payload_bytes = in.varint();
    if (flags & flag_gap) {
      const std::uint64_t gap = in.varint();
      if (gap > slots) return damaged("a home run's slots");
      next_slot += gap;
    }
    if (flags > flags_all || next_slot >= slots) return damaged("a home run's slots");
    task.slot = static_cast<std::uint32_t>(next_slot++);
    task.id = TaskId{id};
    task.created = created;
    task.bytes = static_cast<std::uint32_t>(task.payload_bytes + task_overhead_bytes +
                                            static_cast<std::uint64_t>(more_bytes));
    task.apart = (flags & flag_apart) != 0;
    if (flags & flag_options) {
      TaskOptions options = read_options(in);
      if (flags & flag_recurrence) options.recurrence = in.bytes();
      if (flags & flag_outcome) read_outcome_options(in, options);
      task.options = std::make_shared<const TaskOptions>(std::move(options));
    } else if (flags & (flag_recurrence | flag_outcome)) {
      return damaged("a home run's flags");
    }
    if (flags & flag_progress) {
      task.progress_index = static_cast<std::uint32_t>(run.progress.size());
      run.progress.push_back(read_progress(in, progress_time));
    }
    if (!in.ok()) return damaged("a home run's task");
  }
  for (HomeTask& task : run.tasks) {
    if (!task.apart) task.payload = in.raw(task.payload_bytes);
  }
  if (!in.ok() || !in.at_end()) return damaged("a home run's payload");
  return run;
}

const HomeTask* HomeRun::find(TaskId id) const {
  const auto found = std::ranges::lower_bound(tasks, id, {}, &HomeTask::id);
  return found != tasks.end() && found->id == id ? &*found : nullptr;
}

const HomeTask* HomeRun::at_slot(std::uint32_t slot) const {
  if (slot < tasks.size() && tasks[slot].slot == slot) return &tasks[slot];  // never rewritten
  const auto found = std::ranges::lower_bound(tasks, slot, {}, &HomeTask::slot);
  return found != tasks.end() && found->slot == slot ? &*found : nullptr;
}

// ---- Marks ----

std::optional<Place> Marks::moved_to(std::uint32_t slot) const {
  auto range = std::ranges::upper_bound(moved, slot, {}, &Moved::slot);
  if (range == moved.begin()) return std::nullopt;
  --range;
  if (slot - range->slot >= range->tasks) return std::nullopt;
  Place place = range->place;
  place.order += slot - range->slot;
  return place;
}

std::string encode_marks(const RunKey& key, const Marks& marks) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.varint(marks.slots);
  out.raw(marks.finished);
  out.varint(marks.moved.size());
  std::uint32_t slot = 0;
  std::uint64_t order = key.first_order;
  for (const Marks::Moved& range : marks.moved) {
    out.varint(range.slot - slot);
    out.varint(range.tasks);
    out.u8(range.place.priority);
    out.signed_varint(distance(key.eta, range.place.eta));
    out.signed_varint(distance(order, range.place.order));
    slot = range.slot + range.tasks;
    order = range.place.order;
  }
  return value;
}

Result<Marks> decode_marks(const RunKey& key, std::string_view value) {
  constexpr std::size_t range_bytes_min = 5;
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("marks' format");
  Marks marks;
  const std::uint64_t slots = in.varint();
  if (!in.ok() || slots > run_orders_max) return damaged("marks' slots");
  marks.slots = static_cast<std::uint32_t>(slots);
  marks.finished = std::string(in.raw((slots + 7) / 8));
  const std::uint64_t ranges = in.varint();
  if (!in.ok() || ranges > slots || ranges > in.left() / range_bytes_min) {
    return damaged("marks' places");
  }
  marks.moved.reserve(ranges);
  std::uint64_t slot = 0;
  std::uint64_t order = key.first_order;
  for (std::uint64_t i = 0; i < ranges; ++i) {
    const std::uint64_t gap = in.varint();
    const std::uint64_t tasks = in.varint();
    Marks::Moved range;
    range.place.priority = in.u8();
    range.place.eta = later(key.eta, in.signed_varint());
    order += static_cast<std::uint64_t>(in.signed_varint());
    range.place.order = order;
    if (!in.ok() || gap > slots || tasks == 0 || tasks > slots || slot + gap + tasks > slots) {
      return damaged("marks' places");
    }
    slot += gap;
    range.slot = static_cast<std::uint32_t>(slot);
    range.tasks = static_cast<std::uint32_t>(tasks);
    slot += tasks;
    marks.moved.push_back(range);
  }
  if (!in.at_end()) return damaged("marks");
  return marks;
}

// ---- Moved runs ----

std::string encode_moved(const RunKey& key, const MovedRun& run) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.varint(run.homes.size());
  for (const RunKey& home : run.homes) {
    out.u8(home.priority);
    out.signed_varint(distance(key.eta, home.eta));
    out.varint(home.first_order);
  }
  out.varint(run.tasks.size());
  std::uint64_t order = key.first_order;
  std::uint64_t id = 0;
  Wall progress_time = key.eta;
  for (const MovedTask& task : run.tasks) {
    out.varint(task.order - order);
    out.signed_varint(distance(id, task.id.value));
    out.varint(task.home);
    out.varint(task.slot);
    write_progress(out, task.progress, progress_time);
    order = task.order;
    id = task.id.value;
  }
  return value;
}

Result<MovedRun> decode_moved(const RunKey& key, std::string_view value) {
  constexpr std::size_t home_bytes_min = 3;
  constexpr std::size_t task_bytes_min = 5;
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("a moved run's format");
  MovedRun run;
  const std::uint64_t homes = in.varint();
  if (!in.ok() || homes > run_orders_max || homes > in.left() / home_bytes_min) {
    return damaged("a moved run's homes");
  }
  run.homes.resize(homes);
  for (RunKey& home : run.homes) {
    home.generation = key.generation;
    home.priority = in.u8();
    home.eta = later(key.eta, in.signed_varint());
    home.first_order = in.varint();
  }
  const std::uint64_t tasks = in.varint();
  if (!in.ok() || tasks > run_orders_max || tasks > in.left() / task_bytes_min) {
    return damaged("a moved run's tasks");
  }
  run.tasks.resize(tasks);
  std::uint64_t order = key.first_order;
  std::uint64_t id = 0;
  Wall progress_time = key.eta;
  bool is_first = true;
  for (MovedTask& task : run.tasks) {
    const std::uint64_t step = in.varint();
    if ((step == 0 && !is_first) || step >= run_orders_max) return damaged("a moved run's orders");
    is_first = false;
    order += step;
    id += static_cast<std::uint64_t>(in.signed_varint());
    task.order = order;
    task.id = TaskId{id};
    const std::uint64_t home = in.varint();
    const std::uint64_t slot = in.varint();
    task.progress = read_progress(in, progress_time);
    if (!in.ok() || home >= homes || slot >= run_orders_max) return damaged("a moved run's task");
    task.home = static_cast<std::uint32_t>(home);
    task.slot = static_cast<std::uint32_t>(slot);
  }
  if (!in.at_end()) return damaged("a moved run");
  return run;
}

const MovedTask* MovedRun::find(std::uint64_t order) const {
  const auto found = std::ranges::lower_bound(tasks, order, {}, &MovedTask::order);
  return found != tasks.end() && found->order == order ? &*found : nullptr;
}

// ---- The rest ----

std::string encode_index(TaskId first, const IndexEntry& entry) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.u8(entry.priority);
  out.signed_varint(to_micros(entry.eta));
  out.varint(entry.last.value - first.value);
  out.varint(first.value - entry.lowest.value);
  return value;
}

Result<IndexEntry> decode_index(TaskId first, std::string_view value) {
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("an index entry's format");
  IndexEntry entry;
  entry.priority = in.u8();
  entry.eta = wall_from_micros(in.signed_varint());
  const std::uint64_t span = in.varint();
  const std::uint64_t back = in.varint();
  if (!in.ok() || !in.at_end() || span >= run_orders_max || back > first.value) {
    return damaged("an index entry");
  }
  entry.last = TaskId{first.value + span};
  entry.lowest = TaskId{first.value - back};
  return entry;
}

std::string encode_key_entry(const KeyEntry& entry) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.u8(entry.priority);
  out.varint(entry.id.value);
  return value;
}

Result<KeyEntry> decode_key_entry(std::string_view value) {
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("a key entry's format");
  KeyEntry entry;
  entry.priority = in.u8();
  entry.id = TaskId{in.varint()};
  if (!in.ok() || !in.at_end()) return damaged("a key entry");
  return entry;
}

std::string encode_name(const NameEntry& entry) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.varint(entry.id.value);
  out.varint(entry.generation);
  out.signed_varint(to_micros(entry.free_at));
  return value;
}

Result<NameEntry> decode_name(std::string_view value) {
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("a name's format");
  NameEntry entry;
  entry.id = TaskId{in.varint()};
  const std::uint64_t generation = in.varint();
  entry.free_at = wall_from_micros(in.signed_varint());
  if (!in.ok() || !in.at_end() || generation > UINT32_MAX) return damaged("a name");
  entry.generation = static_cast<std::uint32_t>(generation);
  return entry;
}

std::string encode_project(std::uint64_t bytes_max) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.varint(bytes_max);
  return value;
}

Result<std::uint64_t> decode_project(std::string_view value) {
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("a project's format");
  const std::uint64_t bytes_max = in.varint();
  if (!in.ok() || !in.at_end()) return damaged("a project");
  return bytes_max;
}

std::string encode_gone(Wall free_at) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.signed_varint(to_micros(free_at));
  return value;
}

Result<Wall> decode_gone(std::string_view value) {
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("a deleted queue's format");
  const Wall free_at = wall_from_micros(in.signed_varint());
  if (!in.ok() || !in.at_end()) return damaged("a deleted queue");
  return free_at;
}

std::string encode_document(const Document& document) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.signed_varint(to_micros(document.expires));
  out.bytes(document.bytes);
  return value;
}

Result<Document> decode_document(std::string_view key, std::string_view value) {
  if (key.empty() || key.front() != 'D') return damaged("the key of a document");
  key.remove_prefix(1);
  auto queue = take_slashed(key);
  if (!queue) return damaged("the key of a document");
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("a document's format");
  Document document{std::move(*queue), std::string(key), {}, {}};
  document.expires = wall_from_micros(in.signed_varint());
  document.bytes = in.bytes();
  if (!in.ok() || !in.at_end()) return damaged("a document");
  return document;
}

std::string encode_end(const ScanOutcomesAnswer::Item& item) {
  std::string value;
  ByteWriter out(value);
  out.u8(format_1);
  out.varint(item.bytes);
  out.varint(item.generation);
  out.varint(item.history_first);
  out.varint(item.history_end);
  return value;
}

Result<ScanOutcomesAnswer::Item> decode_end(std::string_view key, std::string_view value) {
  ByteReader in_key(key);
  in_key.be64();  // the queue
  ScanOutcomesAnswer::Item item;
  item.kept_until = from_ordered(in_key.be64());
  item.id = TaskId{in_key.be64()};
  ByteReader in(value);
  if (in.u8() != format_1) return damaged("the format of an outcome's end");
  item.bytes = in.varint();
  const std::uint64_t generation = in.varint();
  const std::uint64_t first = in.varint();
  const std::uint64_t end = in.varint();
  if (!in_key.ok() || !in_key.at_end() || !in.ok() || !in.at_end() || generation > UINT32_MAX ||
      first > end || end > UINT32_MAX) {
    return damaged("an outcome's end");
  }
  item.generation = static_cast<std::uint32_t>(generation);
  item.history_first = static_cast<std::uint32_t>(first);
  item.history_end = static_cast<std::uint32_t>(end);
  return item;
}

std::string encode_counters(const QueueCounters& counters) {
  std::string value;
  ByteWriter out(value);
  const std::array kept{&counters.dead, &counters.outgoing, &counters.outcomes};
  const bool keeps =
      std::ranges::any_of(kept, [](const auto* of) { return *of != QueueCounters::Kept{}; });
  out.u8(keeps ? format_2 : format_1);
  out.varint(counters.tasks);
  out.varint(counters.bytes);
  for (const std::uint64_t tasks : counters.lane_tasks) out.varint(tasks);
  out.varint(counters.last_order);
  out.signed_varint(to_micros(counters.due_from));
  if (!keeps) return value;
  for (const QueueCounters::Kept* of : kept) {
    out.varint(of->count);
    out.varint(of->bytes);
  }
  return value;
}

Result<QueueCounters> decode_counters(std::string_view value) {
  ByteReader in(value);
  const std::uint8_t format = in.u8();
  if (format < format_1 || format > format_2) return damaged("a queue's counters' format");
  QueueCounters counters;
  counters.tasks = in.varint();
  counters.bytes = in.varint();
  for (std::uint64_t& tasks : counters.lane_tasks) tasks = in.varint();
  counters.last_order = in.varint();
  counters.due_from = wall_from_micros(in.signed_varint());
  if (format >= format_2) {
    for (QueueCounters::Kept* of : {&counters.dead, &counters.outgoing, &counters.outcomes}) {
      of->count = in.varint();
      of->bytes = in.varint();
    }
  }
  if (!in.ok() || !in.at_end()) return damaged("a queue's counters");
  return counters;
}

namespace {

void write_emails(ByteWriter& out, const std::vector<std::string>& emails) {
  out.varint(emails.size());
  for (const std::string& email : emails) out.bytes(email);
}

bool read_emails(ByteReader& in, std::vector<std::string>& emails) {
  const std::uint64_t count = in.varint();
  if (!in.ok() || count > in.left()) return false;
  for (std::uint64_t i = 0; i < count; ++i) emails.emplace_back(in.bytes());
  return in.ok();
}

// What most queues do not have. Each part is its tag and its bytes; tags stay what they are, and a
// new one needs no new format.
enum class QueuePart : std::uint8_t {
  task_ttl = 1,
  http_target = 2,
  log_sampling = 3,
  dead = 4,
  poison_after = 5,
  history = 6,
  result_bytes_max = 7,
};

std::vector<std::pair<QueuePart, std::string>> parts_of(const QueueSettings& s) {
  std::vector<std::pair<QueuePart, std::string>> parts;
  if (s.task_ttl > Micros(0)) {
    std::string bytes;
    ByteWriter(bytes).signed_varint(s.task_ttl.count());
    parts.emplace_back(QueuePart::task_ttl, std::move(bytes));
  }
  if (s.http_target) parts.emplace_back(QueuePart::http_target, encode(*s.http_target));
  if (s.log_sampling) {
    std::string bytes;
    ByteWriter(bytes).be64(std::bit_cast<std::uint64_t>(*s.log_sampling));
    parts.emplace_back(QueuePart::log_sampling, std::move(bytes));
  }
  const QueueSettings usual;
  if (s.dead != usual.dead) {
    std::string bytes;
    ByteWriter out(bytes);
    out.signed_varint(s.dead.keep.count());
    out.varint(s.dead.bytes_max);
    out.bytes(s.dead.queue);
    parts.emplace_back(QueuePart::dead, std::move(bytes));
  }
  const auto number = [&](QueuePart part, std::uint64_t value, std::uint64_t usually) {
    if (value == usually) return;
    std::string bytes;
    ByteWriter(bytes).varint(value);
    parts.emplace_back(part, std::move(bytes));
  };
  number(QueuePart::poison_after, static_cast<std::uint64_t>(s.poison_after),
         static_cast<std::uint64_t>(usual.poison_after));
  number(QueuePart::history, static_cast<std::uint64_t>(s.history),
         static_cast<std::uint64_t>(usual.history));
  number(QueuePart::result_bytes_max, s.result_bytes_max, usual.result_bytes_max);
  return parts;
}

bool read_queue_part(std::uint8_t tag, std::string_view bytes, QueueSettings& s) {
  ByteReader in(bytes);
  switch (static_cast<QueuePart>(tag)) {
    case QueuePart::task_ttl:
      s.task_ttl = Micros(in.signed_varint());
      break;
    case QueuePart::http_target: {
      auto target = decode_http_target(in.raw(in.left()));
      if (!target) return false;
      s.http_target = std::move(*target);
      break;
    }
    case QueuePart::log_sampling:
      s.log_sampling = std::bit_cast<double>(in.be64());
      break;
    case QueuePart::dead:
      s.dead.keep = Micros(in.signed_varint());
      s.dead.bytes_max = in.varint();
      s.dead.queue = in.bytes();
      break;
    case QueuePart::poison_after:
      s.poison_after = static_cast<std::int32_t>(in.varint());
      break;
    case QueuePart::history:
      s.history = static_cast<std::int32_t>(in.varint());
      break;
    case QueuePart::result_bytes_max:
      s.result_bytes_max = in.varint();
      break;
    default:
      return false;  // of a later deferd
  }
  return in.ok() && in.at_end();
}

}  // namespace

std::string encode_queue(const QueueRecord& record) {
  std::string value;
  ByteWriter out(value);
  const AppEngineSettings& appengine = record.settings.appengine;
  const auto parts = parts_of(record.settings);
  const bool has_note = !parts.empty() || !record.settings.note.empty();
  const bool has_appengine = has_note || appengine != AppEngineSettings{};
  out.u8(!parts.empty() ? format_4 : has_note ? format_3 : has_appengine ? format_2 : format_1);
  out.bytes(record.name.project);
  out.bytes(record.name.location);
  out.bytes(record.name.queue);
  out.u8(static_cast<std::uint8_t>(record.state));
  out.varint(record.generation);
  out.signed_varint(to_micros(record.created));
  const QueueSettings& s = record.settings;
  out.u8(static_cast<std::uint8_t>(s.mode));
  out.u8(s.rate.unlimited ? 1 : 0);
  out.varint(static_cast<std::uint64_t>(s.rate.count));
  out.signed_varint(s.rate.period.count());
  out.signed_varint(s.burst);
  out.signed_varint(s.concurrency);
  out.signed_varint(s.timeout.count());
  out.u8(s.priority);
  out.signed_varint(s.retry.max_attempts);
  out.signed_varint(s.retry.max_age.count());
  out.signed_varint(s.retry.min_backoff.count());
  out.signed_varint(s.retry.max_backoff.count());
  out.signed_varint(s.retry.max_doublings);
  out.varint(s.max_tasks);
  out.varint(s.max_bytes);
  out.signed_varint(s.tombstone.count());
  out.varint(record.purges.size());
  for (const Purge& purge : record.purges) {
    out.varint(purge.generation);
    out.signed_varint(to_micros(purge.at));
  }
  if (has_appengine) {
    out.bytes(appengine.target);
    out.bytes(appengine.rate_text);
    write_emails(out, appengine.user_emails);
    write_emails(out, appengine.writer_emails);
  }
  if (has_note) out.bytes(record.settings.note);
  if (!parts.empty()) out.u8(static_cast<std::uint8_t>(parts.size()));
  for (const auto& [tag, bytes] : parts) {
    out.u8(static_cast<std::uint8_t>(tag));
    out.bytes(bytes);
  }
  return value;
}

Result<QueueRecord> decode_queue(QueueNumber number, std::string_view value) {
  ByteReader in(value);
  const std::uint8_t format = in.u8();
  if (format < format_1 || format > format_4) return damaged("a queue's format");
  QueueRecord record;
  record.number = number;
  const std::string_view project = in.bytes();
  const std::string_view location = in.bytes();
  const std::string_view queue = in.bytes();
  auto name = QueueName::parse(project, location, queue);
  if (!in.ok() || !name) return damaged("a queue's name");
  record.name = std::move(*name);
  const std::uint8_t state = in.u8();
  if (state > static_cast<std::uint8_t>(QueueState::disabled)) return damaged("a queue's state");
  record.state = static_cast<QueueState>(state);
  record.generation = static_cast<std::uint32_t>(in.varint());
  record.created = wall_from_micros(in.signed_varint());
  QueueSettings& s = record.settings;
  const std::uint8_t mode = in.u8();
  if (mode > static_cast<std::uint8_t>(QueueMode::pull)) return damaged("a queue's mode");
  s.mode = static_cast<QueueMode>(mode);
  s.rate.unlimited = in.u8() != 0;
  s.rate.count = static_cast<decltype(s.rate.count)>(in.varint());
  s.rate.period = Micros(in.signed_varint());
  s.burst = static_cast<std::int32_t>(in.signed_varint());
  s.concurrency = static_cast<std::int32_t>(in.signed_varint());
  s.timeout = Micros(in.signed_varint());
  s.priority = in.u8();
  s.retry.max_attempts = static_cast<std::int32_t>(in.signed_varint());
  s.retry.max_age = Micros(in.signed_varint());
  s.retry.min_backoff = Micros(in.signed_varint());
  s.retry.max_backoff = Micros(in.signed_varint());
  s.retry.max_doublings = static_cast<std::int32_t>(in.signed_varint());
  s.max_tasks = in.varint();
  s.max_bytes = in.varint();
  s.tombstone = Micros(in.signed_varint());
  const std::uint64_t purges = in.varint();
  if (!in.ok() || purges > in.left() / 2) return damaged("a queue's settings");
  for (std::uint64_t i = 0; i < purges; ++i) {
    Purge purge;
    purge.generation = static_cast<std::uint32_t>(in.varint());
    purge.at = wall_from_micros(in.signed_varint());
    record.purges.push_back(purge);
  }
  if (format >= format_2) {
    s.appengine.target = in.bytes();
    s.appengine.rate_text = in.bytes();
    if (!read_emails(in, s.appengine.user_emails) || !read_emails(in, s.appengine.writer_emails))
      return damaged("a queue's emails");
  }
  if (format >= format_3) s.note = in.bytes();
  const std::uint8_t parts = format >= format_4 ? in.u8() : 0;
  for (std::uint8_t i = 0; i < parts && in.ok(); ++i) {
    const std::uint8_t tag = in.u8();
    if (!read_queue_part(tag, in.bytes(), s)) return damaged("a part of a queue's settings");
  }
  if (!in.ok() || !in.at_end() || s.priority >= priority_count)
    return damaged("a queue's settings");
  return record;
}

}  // namespace deferd::runs
