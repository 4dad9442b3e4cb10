// Any bytes as queue.yaml or queue.xml: they are refused with a place, or give queues that hold
// what the header promises.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "base/assert.h"
#include "config/queue_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto file = deferd::parse_queue_yaml({"f", text});
  if (!file) {
    DEFERD_ASSERT(file.error().reason == deferd::Reason::invalid);
    DEFERD_ASSERT(file.error().message.starts_with("f:"), "message", file.error().message);
    return 0;
  }
  DEFERD_ASSERT(!file->total_storage_limit || *file->total_storage_limit > 0);
  std::set<std::string> names;
  for (const deferd::DeclaredQueue& queue : file->queues) {
    DEFERD_ASSERT(names.insert(queue.name).second, "twice", queue.name);
    DEFERD_ASSERT(deferd::QueueName::parse("p", "l", queue.name).has_value(), "name", queue.name);
    DEFERD_ASSERT(queue.settings.check().has_value(), "queue", queue.name);
  }
  return 0;
}
