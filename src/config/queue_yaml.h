// queue.yaml and queue.xml: the queues of an App Engine application as a file declares them
// (GAE-spec 8). Parsing knows nothing of the queues that exist; what a file changes is worked out
// in src/apply.
//
// The rules are those of App Engine's SDKs, and so are the texts of complaints, word by word;
// around them stand file, line, column and queue. Where the SDKs differ the stricter one is
// followed: what one of them would silently ignore is refused here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config_tree.h"
#include "model/queue_settings.h"

namespace deferd {

struct DeclaredQueue {
  std::string name;  // 1..100 of [A-Za-z0-9-]
  TextPlace place;   // of its name
  // What the file says, and App Engine's default where it says nothing. Members that queue.yaml has
  // no word for (timeout, priority, max_tasks, max_bytes, tombstone, task_ttl) have deferd's.
  QueueSettings settings;

  // The settings after an upload: all that queue.yaml speaks of replaced, the rest as it was.
  QueueSettings over(const QueueSettings& existing) const;
};

struct QueueYaml {
  SourceText source;                  // for complaints that only the state of a queue gives rise to
  std::vector<DeclaredQueue> queues;  // in the file's order, each name once
  std::optional<std::uint64_t> total_storage_limit;  // in bytes, never 0; absent: none
  bool resume_paused_queues = false;
};

// How large the numbers may be. A file that App Engine took is taken by both.
enum class QueueYamlLimits : std::uint8_t {
  deferd,      // 1,000,000 tasks a second, bucket_size 1,000,000, max_concurrent_requests 100,000
  app_engine,  // 500, 500, 5,000, and 100 queues a file
};

// By its first character: "<" is queue.xml, anything else queue.yaml. Errors have Reason::invalid,
// a complete complaint as message and "QUEUE.KEY" as field.
Result<QueueYaml> parse_queue_yaml(SourceText source,
                                   QueueYamlLimits limits = QueueYamlLimits::deferd);

// Whether queue.yaml can name the queue at all. One that it cannot is never left out of a file.
bool queue_yaml_can_name(std::string_view queue);

// ---- Values of single keys, as the SDKs' functions of these names read them.

// "5/s", "0.5/m", "0". Fails with ParseRate's texts.
Result<Rate> parse_queue_rate(std::string_view text);
// "120M", "1.5G", "1024": bytes, factor 1024. Fails with ParseTotalStorageLimit's texts.
Result<std::uint64_t> parse_storage_limit(std::string_view text);
// "2d", "1.5h": whole seconds, at least one. Fails with ParseTaskAgeLimit's texts.
Result<Micros> parse_task_age_limit(std::string_view text);

// The shortest text that parse_storage_limit() reads as the same: "1.5G", "1000".
std::string format_storage_limit(std::uint64_t bytes);

}  // namespace deferd
