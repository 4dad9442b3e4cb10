// The gRPC transport of the Cloud Tasks door: every method of the table (methods.h), the health and
// reflection services. It listens nowhere: it takes connections that the HTTP server found to be
// HTTP/2.
//
// gRPC's threads read and parse; answers are made and serialized on threads of this server, so that
// a shard only hands its result over.
#pragma once

#include <cstdint>
#include <memory>

#include "api/cloudtasks/cloudtasks.h"
#include "base/time.h"

namespace deferd {

struct GrpcOptions {
  std::uint32_t threads = 1;
  std::uint64_t message_bytes_max = 32 << 20;
  // Of all connections and calls together, as far as gRPC counts: it collects a message whole
  // before it looks how long it is. Past this it ends calls.
  std::uint64_t memory_bytes_max = 256 << 20;
  // Of one connection, at once; a client waits with further ones.
  std::uint32_t calls_max = 1000;
  // A connection without a call is ended after this. A peer with one that does not answer a ping,
  // sent as often, within `ping_timeout` is gone.
  Millis idle_timeout = std::chrono::minutes(5);
  Millis ping_timeout = Seconds(20);
};

class GrpcServer {
 public:
  static std::unique_ptr<GrpcServer> start(const GrpcOptions& options,
                                           std::shared_ptr<cloudtasks::Service> service,
                                           const Clock& clock);
  virtual ~GrpcServer() = default;

  // A connection that has sent nothing but perhaps HTTP/2's preface, unread. Owns `fd` from now on.
  // Any thread.
  virtual void take(int fd) = 0;

  // Ends connections; calls that run have `grace` to be answered, then they are cancelled. Returns
  // when no call is left.
  virtual void stop(Millis grace) = 0;
};

}  // namespace deferd
