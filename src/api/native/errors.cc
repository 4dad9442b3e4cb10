#include "api/native/errors.h"

#include "api/http/text.h"

namespace deferd::native {

Voice voice_of(Reason reason) {
  switch (reason) {
    case Reason::invalid:
      return {400, "INVALID_ARGUMENT"};
    case Reason::too_large:
      return {413, "INVALID_ARGUMENT"};
    case Reason::queue_missing:
      return {404, "NOT_FOUND"};
    case Reason::queue_gone:
      return {409, "FAILED_PRECONDITION"};
    case Reason::queue_paused:
      return {409, "FAILED_PRECONDITION"};
    case Reason::queue_mode:
    case Reason::outcome_not_kept:
      return {400, "FAILED_PRECONDITION"};
    case Reason::task_missing:
      return {404, "NOT_FOUND"};
    case Reason::task_gone:
      return {404, "NOT_FOUND"};
    case Reason::task_name_taken:
      return {409, "ALREADY_EXISTS"};
    case Reason::task_name_recent:
      return {409, "ALREADY_EXISTS"};
    case Reason::queue_full_tasks:
      return {429, "RESOURCE_EXHAUSTED"};
    case Reason::queue_full_bytes:
      return {429, "RESOURCE_EXHAUSTED"};
    case Reason::project_full:
      return {429, "RESOURCE_EXHAUSTED"};
    case Reason::lease_lost:
      return {409, "FAILED_PRECONDITION"};
    case Reason::overloaded:
      return {429, "RESOURCE_EXHAUSTED"};
    case Reason::store_failed:
      return {503, "UNAVAILABLE"};
    case Reason::stopping:
      return {503, "UNAVAILABLE"};
    case Reason::not_found:
      return {404, "NOT_FOUND"};
    case Reason::unsupported:
      return {405, "UNIMPLEMENTED"};
    case Reason::unauthenticated:
      return {401, "UNAUTHENTICATED"};
    case Reason::forbidden:
      return {403, "PERMISSION_DENIED"};
    case Reason::unavailable:
      return {503, "UNAVAILABLE"};
    case Reason::timeout:
      return {504, "DEADLINE_EXCEEDED"};
    case Reason::internal:
      return {500, "INTERNAL"};
  }
  return {500, "INTERNAL"};
}

void write_error(JsonWriter& json, const Error& error) {
  const Voice voice = voice_of(error.reason);
  json.begin_object()
      .member("code", voice.code)
      .member("status", voice.status)
      .member("message", valid_utf8(error.message));
  if (!error.field.empty()) json.member("field", valid_utf8(error.field));
  json.end_object();
}

HttpResponse error_response(const Error& error) {
  HttpResponse response;
  response.status = voice_of(error.reason).code;
  JsonWriter json(response.body);
  json.begin_object().key("error");
  write_error(json, error);
  json.end_object();
  response.headers = retry_after_line(error);
  if (error.reason == Reason::unauthenticated) response.headers += "WWW-Authenticate: Bearer\r\n";
  return response;
}

}  // namespace deferd::native
