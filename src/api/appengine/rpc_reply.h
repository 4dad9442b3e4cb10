// The duty to answer one API call: an HttpReply that speaks in envelopes, in the face of the path
// that was called. Moves, and is fulfilled once.
#pragma once

#include <memory>
#include <utility>

#include "api/appengine/envelope.h"
#include "api/http/http.h"

namespace deferd::appengine {

// Who reads the answer.
enum class Face : std::uint8_t {
  sdk,          // /rpc_http
  java_remote,  // /remote_api
};

class RpcReply {
 public:
  RpcReply(HttpReply reply, Face face) : reply_(std::move(reply)), face_(face) {}

  void send(const google::protobuf::MessageLite& answer) { send_bytes(envelope_of(answer)); }
  void send(const RpcFailure& failure) {
    send_bytes(face_ == Face::sdk ? envelope_of(failure) : java_envelope_of(failure));
  }

  const std::shared_ptr<HttpThread>& thread() const { return reply_.thread(); }
  HttpReply& http() { return reply_; }

 private:
  void send_bytes(std::string bytes) {
    HttpResponse response;
    response.content_type = "application/octet-stream";
    response.body = std::move(bytes);
    reply_.send(std::move(response));
  }

  HttpReply reply_;
  Face face_;
};

}  // namespace deferd::appengine
