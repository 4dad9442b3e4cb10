// How this door spells a failure: {"error":{"code":404,"message":"...","errors":[...]}}, as
// Google's JSON APIs of its time did.
#pragma once

#include <string_view>

#include "api/http/http.h"
#include "base/result.h"
#include "model/names.h"

namespace deferd::taskqueue_rest {

// Texts that clients may know by heart (GAE-spec 11).
constexpr std::string_view lease_expired_text = "The task lease has expired";
constexpr std::string_view pull_only_text = "The REST API is only applicable to pull queues.";
constexpr std::string_view payload_missing_text = "payloadBase64 must be specified.";
constexpr std::string_view queue_name_invalid_text = "queueName is invalid.";
constexpr std::string_view queue_name_fixed_text = "queueName cannot be updated.";
constexpr std::string_view task_id_fixed_text = "Task ID cannot be updated.";

// `word` is what programs read ("notFound"), of Google's list.
HttpResponse error_response(int code, std::string_view word, std::string_view message);

// `queue` says which in the texts about it.
HttpResponse error_response(const Error& error, const QueueName& queue);

}  // namespace deferd::taskqueue_rest
