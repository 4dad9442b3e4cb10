#include "api/cloudtasks/version_methods.h"

namespace deferd::cloudtasks {

void add_v2beta3(std::vector<Method>& all) {
  add_usual<V2Beta3>(all);
  add_batches<V2Beta3>(all);
}

}  // namespace deferd::cloudtasks
