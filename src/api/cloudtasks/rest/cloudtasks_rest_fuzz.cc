// Any bytes as a call over HTTP ("POST /v2/...?query", a line break, the body), or as a message
// that is shown. None may crash; what is taken says the same when it is written and read again;
// what is refused has an answer that is valid JSON. The first byte chooses.
#include <boost/json/parse.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/cloudtasks/rest/bindings.h"
#include "api/cloudtasks/rest/errors.h"
#include "api/cloudtasks/rest/json_output.h"
#include "api/cloudtasks/rest/json_reader.h"
#include "api/cloudtasks/versions.h"
#include "api/http/request_head.h"

namespace {

using namespace deferd;
using namespace deferd::cloudtasks;

void require(bool condition) {
  if (!condition) std::abort();
}

void require_json(std::string_view text) {
  boost::system::error_code error;
  boost::json::parse(text, error);
  require(!error);
}

template <class T>
bool taken(const cloudtasks::Outcome<T>& outcome) {
  if (outcome) return true;
  require(outcome.error().code() == google::rpc::INVALID_ARGUMENT);
  require(!outcome.error().message().empty());
  require_json(rest::error_response(outcome.error()).body);
  return false;
}

void check_call(std::string_view bytes) {
  static cloudtasks::CallCounts counts;
  static const rest::Bindings bindings(counts);
  const std::size_t line = bytes.find('\n');
  if (line == bytes.npos) return;
  const std::string_view head = bytes.substr(0, line);
  const std::size_t space = head.find(' ');
  if (space == head.npos) return;
  const HttpHeader headers[] = {{"Host", "h"}, {"Content-Type", "application/json"}};
  HttpRequest http;
  http.method = head.substr(0, space);
  split_target(head.substr(space + 1), http.path, http.query);
  http.headers = headers;
  http.body = bytes.substr(line + 1);

  const rest::PathWords path = rest::PathWords::split(http.path);
  const auto found = bindings.find(path, http.method);
  const auto query = rest::Query::parse(http.query);
  if (!taken(query) || found.binding == nullptr) return;
  const auto request = found.binding->request(path, *query, http);
  if (!taken(request)) return;

  const auto& shape = rest::shape_of(*(*request)->GetDescriptor());
  std::string json;
  rest::append_json(**request, shape, query->format, json);
  require_json(json);
  if (json.find("null") != json.npos) return;  // infinities, which JSON has not
  const std::unique_ptr<Method::Message> again((*request)->New());
  require(rest::read_json(json, shape, "", *again).has_value());
  std::string json_again;
  rest::append_json(*again, shape, query->format, json_again);
  require(boost::json::parse(json) == boost::json::parse(json_again));
}

template <class Message>
void check_shown(std::string_view bytes) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  std::string json;
  rest::append_json(message, rest::shape_of(*Message::descriptor()), {}, json);
  require_json(json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'q':
      check_shown<V2Beta3::Queue>(bytes);
      break;
    case 't':
      check_shown<V2Beta2::Task>(bytes);
      break;
    case 'o':
      check_shown<google::longrunning::Operation>(bytes);
      break;
    default:
      check_call(bytes);
  }
  return 0;
}
