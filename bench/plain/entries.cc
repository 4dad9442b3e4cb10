#include "bench/plain/entries.h"

#include <utility>

namespace deferd::plain {
namespace {

constexpr std::size_t id_bytes = 8;

// A task is coded as against its id, which stays, and its ETA.
runs::RunKey run_of(const Generation& generation, const Place& place, TaskId id) {
  return {generation, place.priority, place.eta, id.value};
}

tl::unexpected<Error> damaged() {
  return fail(Reason::store_failed, "damaged record: a task's entry does not decode");
}

}  // namespace

std::string lane_key(const Generation& generation, const Place& place) {
  return runs::run_key({generation, place.priority, place.eta, place.order}, runs::Kind::home);
}

std::optional<Place> parse_lane_key(std::string_view key) {
  const auto parsed = runs::parse_run_key(key);
  if (!parsed) return std::nullopt;
  return Place{parsed->run.priority, parsed->run.eta, parsed->run.first_order};
}

std::string encode(const Generation& generation, const Task& task) {
  std::string value = runs::encode_home(run_of(generation, task.place, task.id), {&task});
  ByteWriter(value).be64(task.id.value);
  return value;
}

Result<Entry> decode(const Generation& generation, const Place& place, std::string_view value) {
  if (value.size() < id_bytes) return damaged();
  Entry entry;
  entry.id = TaskId{ByteReader(value.substr(value.size() - id_bytes)).be64()};
  value.remove_suffix(id_bytes);
  auto run = runs::decode_home(run_of(generation, place, entry.id), value);
  if (!run) return fail(run.error());
  if (run->tasks.size() != 1 || run->tasks[0].id != entry.id) return damaged();
  entry.run = std::move(*run);
  return entry;
}

std::string encode_moved(const Generation& generation, Entry entry, const Place& place,
                         const Progress& progress) {
  entry.run.progress = {progress};
  entry.run.tasks[0].progress_index = 0;
  std::string value = runs::encode_rewritten(run_of(generation, place, entry.id), entry.run);
  ByteWriter(value).be64(entry.id.value);
  return value;
}

}  // namespace deferd::plain
