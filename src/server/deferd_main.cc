// deferd: the server (run.h) with its own store.
#include "server/run.h"

int main(int argc, char** argv) {
  return deferd::run_server(argc, argv, [](const deferd::RocksOptions& options) {
    return deferd::open_rocksdb(options);
  });
}
