#include "cli/session.h"

#include <fstream>
#include <iostream>
#include <istream>

#include "cli/table.h"

namespace deferd::cli {
namespace {

// {"error":{"code","status","message","field"}} of the server, as a Failure.
Failure refusal(const HttpAnswer& answer) {
  Failure failure;
  failure.exit_code = answer.status == 429 || answer.status >= 500 ? exit_try_later : exit_refused;
  failure.retry_after = answer.retry_after;
  json::error_code error;
  const json::value body = json::parse(answer.body, error);
  const json::value* found =
      !error && body.is_object() ? body.as_object().if_contains("error") : nullptr;
  if (found != nullptr && found->is_object()) {
    failure.message = text_of(*found, "message");
    failure.status = text_of(*found, "status");
    failure.field = text_of(*found, "field");
  }
  if (failure.message.empty()) {
    failure.message =
        "the server answered " + std::to_string(answer.status) + " " + printable(answer.body, 200);
  }
  return failure;
}

// A complaint about a file has several lines; the last points at a column.
std::string printable_lines(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find('\n');
    out += printable(text.substr(0, end), 2000);
    if (end == text.npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string Session::queues_path() const {
  if (project.empty() && location.empty()) return "/v1/queues";
  return "/v1/projects/" + url_encode(project.empty() ? "default" : project) + "/locations/" +
         url_encode(location.empty() ? "local" : location) + "/queues";
}

std::string Session::queue_path(std::string_view queue) const {
  return queues_path() + "/" + url_encode(queue);
}

Outcome<HttpAnswer> Session::raw_call(std::string_view method, const std::string& path,
                                      std::string body, Micros extra) {
  const HttpCall call{.method = std::string(method),
                      .target = path,
                      .body = std::move(body),
                      .key = key,
                      .timeout = timeout + extra,
                      .ca_file = ca_file};
  Result<HttpAnswer> answer = world.transport.call(server, call);
  if (answer) return std::move(*answer);
  Failure failure{
      .exit_code = exit_unreachable, .message = {}, .status = {}, .field = {}, .retry_after = {}};
  switch (answer.error().reason) {
    case Reason::not_found:
      failure.message = "no deferd at " + url + " (" + answer.error().message +
                        "); start one with: deferd --listen " + server.authority() +
                        ", or name another with --url or DEFERD_URL";
      failure.status = "UNREACHABLE";
      break;
    case Reason::timeout:
      failure.message = url + ": " + answer.error().message + "; --timeout waits longer" +
                        (method == "GET" ? "" : "; whether the call was carried out is not known");
      failure.status = "TIMEOUT";
      break;
    default:
      failure.message = url + ": " + answer.error().message +
                        (method == "GET" ? "" : "; whether the call was carried out is not known");
      failure.status = "CONNECTION_LOST";
  }
  return tl::unexpected(std::move(failure));
}

Outcome<json::value> Session::call(std::string_view method, const std::string& path,
                                   const json::value& body, Micros extra) {
  return call_text(method, path, body.is_null() ? "" : json::serialize(body), extra);
}

Outcome<json::value> Session::call_text(std::string_view method, const std::string& path,
                                        std::string body, Micros extra) {
  Outcome<HttpAnswer> answer = raw_call(method, path, std::move(body), extra);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  if (answer->status < 200 || answer->status > 299) return tl::unexpected(refusal(*answer));
  if (answer->body.empty()) return json::value(nullptr);
  json::error_code error;
  json::value value = json::parse(answer->body, error);
  if (error) {
    return tl::unexpected(Failure{
        .exit_code = exit_unreachable,
        .message = url + " does not answer as deferd does (not JSON); is it another server?",
        .status = "NOT_DEFERD",
        .field = {},
        .retry_after = {}});
  }
  return value;
}

int Session::fail(const Failure& failure) {
  if (json_wished) {
    json::object error;
    error["exit_code"] = failure.exit_code;
    if (!failure.status.empty()) error["status"] = failure.status;
    error["message"] = failure.message;
    if (!failure.field.empty()) error["field"] = failure.field;
    world.err << json::serialize(json::object{{"error", error}}) << '\n';
  } else {
    world.err << "defer: " << (failure.field.empty() ? "" : failure.field + ": ")
              << printable_lines(failure.message) << '\n';
  }
  world.err.flush();
  return failure.exit_code;
}

void Session::print_json(const json::value& value) { world.out << json::serialize(value) << '\n'; }

bool Session::heard() const {
  world.out.flush();
  return world.out.good();
}

bool Session::confirmed(bool yes, const std::string& question) {
  if (yes || !world.in_is_terminal) return true;
  world.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(world.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  world.err << "nothing was done\n";
  return false;
}

std::string url_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

std::string text_of(const json::value& object, std::string_view member) {
  const json::value* found = object.is_object() ? object.as_object().if_contains(member) : nullptr;
  if (found == nullptr || found->is_null()) return "";
  if (found->is_string()) return std::string(found->as_string());
  return json::serialize(*found);
}

json::array array_of(const json::value& object, std::string_view member) {
  const json::value* found = object.is_object() ? object.as_object().if_contains(member) : nullptr;
  return found != nullptr && found->is_array() ? found->as_array() : json::array();
}

Outcome<void> each_page(Session& session, const std::string& path, std::string_view member,
                        const std::function<bool(const json::array&)>& take) {
  std::string token;
  for (;;) {
    const char* joint = path.find('?') == std::string::npos ? "?" : "&";
    Outcome<json::value> page = session.call(
        "GET", token.empty() ? path : path + joint + "page_token=" + url_encode(token));
    if (!page) return tl::unexpected(std::move(page.error()));
    if (!take(array_of(*page, member))) return {};
    token = text_of(*page, "next_page_token");
    if (token.empty()) return {};
  }
}

Outcome<std::string> read_all(Session& session, const std::string& file, std::size_t bytes_max) {
  const auto wrong = [&](const std::string& why) {
    return tl::unexpected(Failure{.exit_code = exit_usage,
                                  .message = file + ": " + why,
                                  .status = {},
                                  .field = {},
                                  .retry_after = {}});
  };
  std::ifstream opened;
  if (file != "-") {
    opened.open(file, std::ios::binary);
    if (!opened) return wrong("cannot be read");
  }
  std::istream& in = file == "-" ? session.world.in : opened;
  std::string text;
  char chunk[64 * 1024];
  while (in.read(chunk, sizeof chunk) || in.gcount() > 0) {
    text.append(chunk, static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max)
      return wrong("is larger than " + with_commas(bytes_max) + " bytes");
  }
  if (in.bad()) return wrong("cannot be read");
  return text;
}

}  // namespace deferd::cli
