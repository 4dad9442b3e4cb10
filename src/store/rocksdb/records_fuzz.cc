// Any bytes as a record: an error or a record that writes and reads back as itself; never a crash,
// never an allocation beyond what the bytes can hold. The first byte chooses the kind of record.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "store/rocksdb/records.h"

using namespace deferd;
using namespace deferd::runs;

namespace {

const RunKey key{{QueueNumber{1}, 2}, 5, wall_from_micros(1'800'000'000'000'000), 1000};

const std::string end = end_key(QueueNumber{1}, key.eta, TaskId{1});

// What decodes must encode to something that decodes to the same: compared as bytes, the second
// time around.
template <class Decode, class Encode>
void check(std::string_view value, Decode decode, Encode encode) {
  const auto record = decode(value);
  if (!record) return;
  const std::string once = encode(*record);
  const auto again = decode(once);
  DEFERD_ASSERT(again.has_value());
  DEFERD_ASSERT(encode(*again) == once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 10) {
    case 0:
      check(
          value, [](std::string_view v) { return decode_home(key, v); },
          [](const HomeRun& run) { return encode_rewritten(key, run); });
      break;
    case 1:
      check(
          value, [](std::string_view v) { return decode_marks(key, v); },
          [](const Marks& marks) {
            for (std::uint32_t slot = 0; slot < marks.slots; ++slot) {
              (void)marks.is_finished(slot);
              (void)marks.moved_to(slot);
            }
            return encode_marks(key, marks);
          });
      break;
    case 2:
      check(
          value, [](std::string_view v) { return decode_moved(key, v); },
          [](const MovedRun& run) { return encode_moved(key, run); });
      break;
    case 3:
      check(
          value, [](std::string_view v) { return decode_index(TaskId{5000}, v); },
          [](const IndexEntry& entry) { return encode_index(TaskId{5000}, entry); });
      break;
    case 4:
      check(value, decode_key_entry, encode_key_entry);
      break;
    case 5:
      check(value, decode_name, encode_name);
      break;
    case 6:
      check(value, [](std::string_view v) { return decode_end(end, v); }, encode_end);
      check(value, decode_counters, encode_counters);
      check(value, decode_project, encode_project);
      check(value, decode_gone, encode_gone);
      check(
          value, [](std::string_view v) { return decode_document("Dp/l/q/key", v); },
          encode_document);
      break;
    case 7:
      check(
          value, [](std::string_view v) { return decode_queue(QueueNumber{1}, v); }, encode_queue);
      break;
    case 8:
      if (const auto parsed = parse_run_key(value)) {
        DEFERD_ASSERT(run_key(parsed->run, parsed->kind) == value);
      }
      break;
    default:
      if (const auto parsed = parse_tombstone_key(value)) {
        DEFERD_ASSERT(tombstone_key(parsed->free_at, parsed->queue, parsed->name) == value);
      }
      (void)parse_id_key(value);
      break;
  }
  return 0;
}
