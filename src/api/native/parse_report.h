// What a worker tells of its attempt, as members of an item of :ack, :release and :fail.
#pragma once

#include <memory>
#include <string_view>

#include "api/native/json_fields.h"
#include "api/native/requests.h"

namespace deferd::native {

// Takes the members that `call` knows of; `raw` is the item as it was written. Null: there are
// none, and no worker either.
std::shared_ptr<AttemptReport> parse_report(Fields& item, std::string_view raw, LeaseCall call,
                                            std::string_view worker);

// "worker" of a lease call: who holds or held the leases.
std::string parse_worker(Fields& fields);

}  // namespace deferd::native
