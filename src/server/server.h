// The whole server, wired: store, dispatcher, runtime, doors, HTTP. main() starts one, waits for a
// signal, and stops it; tests start as many as they like.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "config/server_config.h"
#include "store/rocksdb/store.h"

namespace deferd {

class Server {
 public:
  // Opens the data folder of a server that does not keep its tasks in memory.
  using OpenStore = std::function<Result<std::unique_ptr<Store>>(const RocksOptions&)>;

  // Opens the store, makes the queue `default`, and listens. When this returns, tasks are taken.
  static Result<std::unique_ptr<Server>> start(const ServerConfig& config);
  // With another store than deferd's own (bench/plain).
  static Result<std::unique_ptr<Server>> start(const ServerConfig& config, OpenStore open_store);

  virtual ~Server() = default;

  // Where it listens, with the port that the system chose.
  virtual std::string address() const = 0;

  // To be called about once a second: refreshes what /metrics shows.
  virtual void refresh_metrics() = 0;

  // Reads anew the files that may change while the server runs (server/reload.h); what is wrong in
  // one is told in the log and changes nothing. On the thread that calls stop().
  virtual void reload() = 0;

  // Takes nothing new, lets running attempts and requests end until the configuration's
  // drain_timeout, commits what is pending, closes the store. Returns when all is done. A task
  // whose attempt was cut off runs again after the next start.
  virtual void stop() = 0;
};

}  // namespace deferd
