#include "api/cloudtasks/version_methods.h"

namespace deferd::cloudtasks {

void add_v2(std::vector<Method>& all) {
  add_usual<V2>(all);
  add_batches<V2>(all);
}

}  // namespace deferd::cloudtasks
