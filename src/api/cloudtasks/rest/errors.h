// Failures as HTTP carries them (CT-spec 1.3).
#pragma once

#include <string_view>

#include "api/cloudtasks/outcome.h"
#include "api/http/http.h"

namespace deferd::cloudtasks::rest {

constexpr std::string_view json_type = "application/json; charset=UTF-8";

// Of a google.rpc.Code.
int http_status_of(int code);

// {"error":{"code":404,"message":"...","status":"NOT_FOUND","details":[...]}}
HttpResponse error_response(const Failure& failure);
HttpResponse error_response(google::rpc::Code code, std::string_view message);

}  // namespace deferd::cloudtasks::rest
