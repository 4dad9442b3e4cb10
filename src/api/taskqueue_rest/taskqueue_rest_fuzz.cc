// Any bytes as a path, a query, a partial response or a Task. The first byte chooses. None may
// crash; what is taken must be within the bounds that the engine relies on; what is refused must
// have an answer that is valid JSON.
#include <boost/json/parse.hpp>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/taskqueue_rest/bodies.h"
#include "api/taskqueue_rest/door.h"
#include "api/taskqueue_rest/errors.h"
#include "api/taskqueue_rest/fields.h"
#include "api/taskqueue_rest/query.h"
#include "api/taskqueue_rest/route.h"
#include "model/push_request.h"

namespace {

using namespace deferd;
using namespace deferd::taskqueue_rest;

constexpr std::uint64_t task_bytes_max = 100'000;

void require(bool condition) {
  if (!condition) std::abort();
}

void require_json(std::string_view text) {
  boost::system::error_code error;
  boost::json::parse(text, error);
  require(!error);
}

template <class T>
bool check(const Result<T>& result) {
  if (result) return true;
  require(!result.error().message.empty());
  require(result.error().reason != Reason::internal);
  require_json(error_response(result.error(), QueueName{"p", "l", "q"}).body);
  return false;
}

void check_query(std::string_view bytes) {
  const auto query = Query::parse(bytes);
  if (!check(query)) return;
  if (const auto count = query->integer("numTasks", 1, 1000); check(count)) {
    require(*count >= 1 && *count <= 1000);
  }
  check(query->flag("groupByTag", false));
}

void check_fields(std::string_view bytes) {
  constexpr std::string_view tasks =
      R"({"kind":"k","items":[{"id":"a","tag":"t","retry_count":1},{"id":"b"}]})";
  if (const auto fields = Selection::parse(bytes, tasks_shape); check(fields)) {
    require_json(fields->apply(std::string(tasks)));
  }
  check(Selection::parse(bytes, task_shape));
  check(Selection::parse(bytes, queue_shape));
}

void check_insert(std::string_view bytes, const Route& route) {
  const auto task = parse_insert(bytes, route, task_bytes_max);
  if (!check(task)) return;
  require(task->payload->size() <= task_bytes_max);
  require(decode_push_request(*task->payload).has_value());
  if (task->options != nullptr) {
    require(task->options->key.size() <= task_key_bytes_max);
    require(task->options->name.empty() || parse_task_name(task->options->name));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const Route route =
      *parse_route("/taskqueue/v1beta2/projects/s~app/taskqueues/q/tasks/t", "local");
  switch (data[0] % 7) {
    case 0:
      check(parse_route(bytes, "local"));
      break;
    case 1:
      check_query(bytes);
      break;
    case 2:
      check_fields(bytes);
      break;
    case 3:
      check_insert(bytes, route);
      break;
    case 4:
      check(parse_update(bytes, route));
      break;
    case 5:
      check(parse_patch(bytes, route));
      break;
    default:
      require_json(discovery_json(bytes));
  }
  return 0;
}
