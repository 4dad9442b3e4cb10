// The scripts behind make_script(), one file a protocol.
#pragma once

#include "bench/client/script.h"

namespace deferd::bench {

// POST of a payload to any server, such as nginx or the sink.
std::unique_ptr<Script> http_post(const ScriptOptions& options);

// One task a call (batch 1) or tasks:batch; consumers lease `batch` tasks and ack them.
std::unique_ptr<Script> deferd_producer(const ScriptOptions& options);
std::unique_ptr<Script> deferd_consumer(const ScriptOptions& options);

// BulkAdd of `batch` push tasks over /rpc_http, as App Engine's SDKs add them.
std::unique_ptr<Script> appengine_producer(const ScriptOptions& options);

// CreateTask of Cloud Tasks, over gRPC and over REST; the queue by its full name.
std::unique_ptr<Script> grpc_create(const ScriptOptions& options);
std::unique_ptr<Script> rest_create(const ScriptOptions& options);

// List: LPUSH of all values in one command; consumers move `batch` values to a list of their own
// (so that a dead worker loses nothing) and then drop that list. Stream: XADD for each task;
// consumers XREADGROUP, then XACK and XDEL.
std::unique_ptr<Script> redis_producer(const ScriptOptions& options);
std::unique_ptr<Script> redis_consumer(const ScriptOptions& options, std::uint32_t caller);

// put for each task, pipelined; consumers reserve `batch` times, then delete as often.
std::unique_ptr<Script> beanstalkd_producer(const ScriptOptions& options);
std::unique_ptr<Script> beanstalkd_consumer(const ScriptOptions& options);

}  // namespace deferd::bench
