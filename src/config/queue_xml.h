// queue.xml as the tree that queue.yaml has (GAE-spec 8.4): hyphens become underscores, the queues
// one list. Which elements there may be is checked where the keys of queue.yaml are.
#pragma once

#include <vector>

#include "base/result.h"
#include "config/config_tree.h"

namespace deferd {

// One document. Errors are complete complaints. Entities other than XML's own five and document
// types are refused: they let a short file stand for a huge one.
Result<std::vector<ConfigNode>> parse_queue_xml(const SourceText& source);

}  // namespace deferd
