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
  static HttpResponse response_of(const RpcFailure& failure, Face face) {
    return octets(face == Face::sdk ? envelope_of(failure) : java_envelope_of(failure));
  }

  RpcReply(HttpReply reply, Face face, Mono good_until)
      : reply_(std::move(reply)), face_(face), good_until_(good_until) {}

  void send(const google::protobuf::MessageLite& answer) {
    reply_.send(octets(envelope_of(answer)));
  }
  void send(const RpcFailure& failure) { reply_.send(response_of(failure, face_)); }

  const std::shared_ptr<HttpThread>& thread() const { return reply_.thread(); }
  // When the caller will have been told that it waited in vain: nothing is begun for it from then
  // on.
  Mono good_until() const { return good_until_; }

 private:
  static HttpResponse octets(std::string bytes) {
    HttpResponse response;
    response.content_type = "application/octet-stream";
    response.body = std::move(bytes);
    return response;
  }

  HttpReply reply_;
  Face face_;
  Mono good_until_;
};

}  // namespace deferd::appengine
