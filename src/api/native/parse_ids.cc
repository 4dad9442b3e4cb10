#include <boost/json/array.hpp>

#include "api/native/json_fields.h"
#include "api/native/requests.h"

namespace deferd::native {

Result<IdsRequest> parse_ids(std::string_view body) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  Fields fields(document.root(), "");
  IdsRequest request;
  const json::array* ids = fields.array("ids");
  if (ids == nullptr) {
    fields.refuse("ids", "ids is missing; give an array of ids or names of tasks");
  } else if (ids->empty() || ids->size() > batch_tasks_max) {
    fields.refuse("ids", "ids has " + std::to_string(ids->size()) + " elements; give 1 to " +
                             std::to_string(batch_tasks_max));
  }
  request.wait = fields.duration("wait", Micros(0), outcome_wait_max).value_or(Micros(0));
  if (auto ok = fields.finish(); !ok) return fail(ok.error());
  request.given.reserve(ids->size());
  request.tasks.reserve(ids->size());
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const std::string field = "ids[" + std::to_string(i) + "]";
    const json::value& id = (*ids)[i];
    const json::string* text = id.if_string();
    if (text == nullptr)
      return fail(Reason::invalid, field + " is " + std::string(kind_of(id)) + "; give a string",
                  field);
    auto ref = parse_task_ref(std::string_view(text->data(), text->size()));
    if (!ref) return fail(Reason::invalid, ref.error().message, field);
    request.given.emplace_back(text->data(), text->size());
    request.tasks.push_back(std::move(*ref));
  }
  return request;
}

}  // namespace deferd::native
