// The remote API's envelope (GAE-spec 1.2): a request as views, and answers as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/appengine/remote_api.pb.h"
#include "proto/appengine/taskqueue_service.pb.h"

namespace deferd::appengine {

using ErrorCode = wire::TaskQueueServiceError::ErrorCode;
using Service = wire::TaskQueueServiceError;  // Service::UNKNOWN_QUEUE
using Rpc = wire::RpcError;                   // Rpc::PARSE_ERROR

// An error of the whole call, as an SDK gets it.
struct RpcFailure {
  bool application = true;  // the service refuses; else the platform failed
  int code = 0;             // of ErrorCode, or of RpcError
  std::string detail;       // helps whoever reads it in a traceback; may be empty
};
RpcFailure refusal(ErrorCode code, std::string detail);
RpcFailure rpc_failure(wire::RpcError::Code code, std::string detail);

// Views into the body that was read.
struct EnvelopeView {
  std::string_view service;
  std::string_view method;
  std::string_view request;
  std::string_view request_id;  // empty when there is none
};

// Nothing when the bytes are no envelope: they do not decode, or a required field is missing. Of a
// field that is there twice the last counts, as for every protocol buffer.
std::optional<EnvelopeView> read_envelope(std::string_view body);

// Bytes of a Response. `answer` has all its required fields.
std::string envelope_of(const google::protobuf::MessageLite& answer);
std::string envelope_of(const RpcFailure& failure);
// The same for clients that look at `java_exception` alone.
std::string java_envelope_of(const RpcFailure& failure);

}  // namespace deferd::appengine
