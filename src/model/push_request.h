// The payload of a task, decoded: what is sent to a target, or handed to a worker. Doors encode it
// when a task is added, the dispatcher and doors decode it; engine and stores carry the bytes and
// do not look inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/push_token.h"

namespace deferd {

enum class HttpMethod : std::uint8_t { post, get, head, put, del, patch, options };

std::string_view to_string(HttpMethod method);
// Accepts upper-case names ("POST"). Fails with Reason::invalid.
Result<HttpMethod> parse_http_method(std::string_view text);

// Through which door a task came: it decides the names of the headers that tell a target about its
// task.
enum class Door : std::uint8_t { native, appengine, cloudtasks };

struct PushRequest {
  Door door = Door::native;
  HttpMethod method = HttpMethod::post;
  // Absolute, http or https; or a path that begins with '/': where that goes is decided when it is
  // pushed, by the routes of the application (dispatch/routes.h). Empty: a pull task.
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // as given; checked at the door
  std::string body;
  std::string note;  // what the door wants to find again and nobody else reads; mostly empty
  std::optional<PushToken> token;  // sent as Authorization, in place of the task's own header

  friend bool operator==(const PushRequest&, const PushRequest&) = default;
};

// The same without copies: views into the encoded bytes (or into what is to be encoded), which must
// outlive it.
struct PushRequestView {
  Door door = Door::native;
  HttpMethod method = HttpMethod::post;
  std::string_view url;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view body;
  std::string_view note;
  std::optional<PushToken> token;
};

std::string encode(const PushRequest& request);
std::string encode(const PushRequestView& request);

// Any bytes: damaged ones fail with Reason::internal, and what does not fit was never allocated.
Result<PushRequest> decode_push_request(std::string_view bytes);
Result<PushRequestView> decode_push_request_view(std::string_view bytes);

}  // namespace deferd
