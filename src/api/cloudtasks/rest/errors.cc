#include "api/cloudtasks/rest/errors.h"

#include <google/rpc/error_details.pb.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "api/cloudtasks/rest/json_output.h"
#include "api/http/json_writer.h"
#include "api/http/text.h"

namespace deferd::cloudtasks::rest {
namespace {

// For those who know HTTP alone; what the details say of it is the same.
std::string retry_after_of(const Failure& failure) {
  if (failure.code() != google::rpc::RESOURCE_EXHAUSTED &&
      failure.code() != google::rpc::UNAVAILABLE)
    return {};
  std::int64_t seconds = 1;
  google::rpc::RetryInfo retry;
  for (const google::protobuf::Any& detail : failure.details()) {
    if (!detail.UnpackTo(&retry)) continue;
    seconds = retry.retry_delay().seconds() + (retry.retry_delay().nanos() > 0 ? 1 : 0);
  }
  return "Retry-After: " + std::to_string(std::max<std::int64_t>(seconds, 1)) + "\r\n";
}

}  // namespace

int http_status_of(int code) {
  switch (code) {
    case google::rpc::OK:
      return 200;
    case google::rpc::CANCELLED:
      return 499;
    case google::rpc::INVALID_ARGUMENT:
    case google::rpc::FAILED_PRECONDITION:
    case google::rpc::OUT_OF_RANGE:
      return 400;
    case google::rpc::DEADLINE_EXCEEDED:
      return 504;
    case google::rpc::NOT_FOUND:
      return 404;
    case google::rpc::ALREADY_EXISTS:
    case google::rpc::ABORTED:
      return 409;
    case google::rpc::PERMISSION_DENIED:
      return 403;
    case google::rpc::UNAUTHENTICATED:
      return 401;
    case google::rpc::RESOURCE_EXHAUSTED:
      return 429;
    case google::rpc::UNIMPLEMENTED:
      return 501;
    case google::rpc::UNAVAILABLE:
      return 503;
    default:
      return 500;
  }
}

HttpResponse error_response(const Failure& failure) {
  HttpResponse response;
  response.status = http_status_of(failure.code());
  response.content_type = json_type;
  JsonWriter json(response.body);
  json.begin_object().key("error").begin_object();
  json.member("code", response.status).member("message", valid_utf8(failure.message()));
  json.member("status", code_name(failure.code()));
  if (failure.details_size() > 0) {
    static const Shape& any = shape_of(*google::protobuf::Any::descriptor());
    json.key("details").begin_array();
    for (const google::protobuf::Any& detail : failure.details()) {
      std::string text;
      append_json(detail, any, {}, text);
      json.raw(text);
    }
    json.end_array();
  }
  json.end_object().end_object();
  response.headers = retry_after_of(failure);
  if (failure.code() == google::rpc::UNAUTHENTICATED)
    response.headers = "WWW-Authenticate: Bearer\r\n";
  return response;
}

HttpResponse error_response(google::rpc::Code code, std::string_view message) {
  Failure failure;
  failure.set_code(code);
  failure.set_message(std::string(message));
  return error_response(failure);
}

}  // namespace deferd::cloudtasks::rest
