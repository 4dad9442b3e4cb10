#include "bench/plain/plain.h"

#include <utility>

#include "bench/plain/reader.h"
#include "bench/plain/writer.h"

namespace deferd {

Layout plain_layout() {
  return {[](Database& database) -> std::unique_ptr<LayoutWriter> {
            return std::make_unique<plain::Writer>(database);
          },
          &plain::answer_read};
}

Result<std::unique_ptr<Store>> open_plain(const RocksOptions& options) {
  return open_rocksdb(options, Seams{}, plain_layout());
}

}  // namespace deferd
