// How /v1 spells a failure: the one table from reasons to HTTP status and word.
#pragma once

#include <string>
#include <string_view>

#include "api/http/http.h"
#include "api/http/json_writer.h"
#include "base/result.h"

namespace deferd::native {

struct Voice {
  int code;
  std::string_view status;
};

Voice voice_of(Reason reason);

// {"error":{...}} with its status, and Retry-After where trying again makes sense.
HttpResponse error_response(const Error& error);

// The object that is the value of "error": in a batch it stands beside results that went well.
void write_error(JsonWriter& json, const Error& error);

}  // namespace deferd::native
