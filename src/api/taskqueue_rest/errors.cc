#include "api/taskqueue_rest/errors.h"

#include "api/http/json_writer.h"
#include "api/http/text.h"

namespace deferd::taskqueue_rest {
namespace {

struct Voice {
  int code;
  std::string_view word;
};

Voice voice_of(Reason reason) {
  switch (reason) {
    case Reason::invalid:
    case Reason::queue_mode:
    case Reason::outcome_not_kept:
      return {400, "invalid"};
    case Reason::queue_paused:
      return {400, "conditionNotMet"};
    case Reason::lease_lost:
      return {400, "conditionNotMet"};
    case Reason::too_large:
      return {413, "uploadTooLarge"};
    case Reason::queue_missing:
    case Reason::queue_gone:
    case Reason::task_missing:
    case Reason::task_gone:
    case Reason::not_found:
      return {404, "notFound"};
    case Reason::task_name_taken:
    case Reason::task_name_recent:
      return {409, "duplicate"};
    case Reason::queue_full_tasks:
    case Reason::queue_full_bytes:
    case Reason::project_full:
      return {429, "quotaExceeded"};
    case Reason::overloaded:
      return {429, "rateLimitExceeded"};
    case Reason::unsupported:
      return {405, "httpMethodNotAllowed"};
    case Reason::unauthenticated:
      return {401, "authError"};
    case Reason::forbidden:
      return {403, "forbidden"};
    case Reason::unavailable:
    case Reason::store_failed:
    case Reason::stopping:
      return {503, "backendError"};
    case Reason::timeout:
      return {504, "backendError"};
    case Reason::internal:
      return {500, "internalError"};
  }
  return {500, "internalError"};
}

}  // namespace

HttpResponse error_response(int code, std::string_view word, std::string_view message) {
  HttpResponse response;
  response.status = code;
  const std::string text = valid_utf8(message);
  JsonWriter json(response.body);
  json.begin_object().key("error").begin_object();
  json.member("code", code).member("message", text);
  json.key("errors").begin_array().begin_object();
  json.member("domain", "global").member("reason", word).member("message", text);
  json.end_object().end_array().end_object().end_object();
  return response;
}

HttpResponse error_response(const Error& error, const QueueName& queue) {
  std::string message = error.message;
  switch (error.reason) {
    case Reason::queue_missing:
    case Reason::queue_gone:
      message = "queue \"" + queue.queue + "\" of project \"" + queue.project + "\" does not exist";
      break;
    case Reason::queue_mode:
      message = pull_only_text;
      break;
    case Reason::queue_paused:
      message = "queue \"" + queue.queue + "\" is paused: nothing is leased until it is resumed";
      break;
    case Reason::lease_lost:
      message = lease_expired_text;
      break;
    default:
      break;
  }
  const Voice voice = voice_of(error.reason);
  HttpResponse response = error_response(voice.code, voice.word, message);
  response.headers = retry_after_line(error);
  if (error.reason == Reason::unauthenticated) response.headers += "WWW-Authenticate: Bearer\r\n";
  return response;
}

}  // namespace deferd::taskqueue_rest
