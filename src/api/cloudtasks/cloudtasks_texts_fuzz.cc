// Any bytes as the texts that callers of Cloud Tasks choose: filters, masks, names, page tokens,
// URLs. None may crash; what is let through holds what it promises.
#include <cstdlib>

#include "api/cloudtasks/filter.h"
#include "api/cloudtasks/mask.h"
#include "api/cloudtasks/names.h"
#include "api/cloudtasks/page_token.h"
#include "api/cloudtasks/urls.h"
#include "api/cloudtasks/versions.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  using namespace deferd::cloudtasks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto& descriptor = *V2::Queue::descriptor();

  V2::Queue queue;
  queue.set_name("projects/p/locations/l/queues/q");
  queue.mutable_rate_limits()->set_max_dispatches_per_second(1);
  if (const auto filter = Filter::parse(text, descriptor)) {
    static_cast<void>(filter->matches(queue));
  } else {
    DEFERD_ASSERT(filter.error().code() == google::rpc::INVALID_ARGUMENT);
  }

  google::protobuf::FieldMask mask;
  mask.add_paths(std::string(text));
  if (const auto parsed = Mask::parse(mask, descriptor)) {
    const google::protobuf::FieldMask paths = parsed->paths();
    for (const std::string& path : paths.paths())
      DEFERD_ASSERT(parsed->take(path) == Mask::Take::set);
  }

  if (const auto name = queue_of(text)) DEFERD_ASSERT(name->path() == text);
  if (const auto name = task_of(text)) DEFERD_ASSERT(text.starts_with(name->queue.path()));
  if (const auto name = new_task_name(text); name && !text.empty())
    DEFERD_ASSERT(name->queue + "/tasks/" + name->id == text);

  const Wall now = wall_from_micros(1'800'000'000'000'000);
  DEFERD_ASSERT(*read_page_token("list", make_page_token("list", text, now), now) == text);
  static_cast<void>(read_page_token("list", text, now));

  if (const auto url = checked_url(text)) {
    for (const char c : *url) DEFERD_ASSERT(c > 0x20 && c < 0x7f);
  }
  if (const auto uri = checked_relative_uri(text)) DEFERD_ASSERT(uri->starts_with('/'));
  return 0;
}
