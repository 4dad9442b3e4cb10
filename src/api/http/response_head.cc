#include "api/http/response_head.h"

#include <charconv>

namespace deferd::http {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

void append_response_head(std::string& out, const HttpResponse& response,
                          const ResponseHeadOptions& options) {
  char digits[24];
  const auto number = [&digits](std::uint64_t value) {
    return std::string_view(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  };
  out.append("HTTP/1.1 ")
      .append(number(static_cast<std::uint64_t>(response.status)))
      .push_back(' ');
  out.append(reason_phrase(response.status)).append("\r\n").append(options.date);
  if (response.status != 204) {
    if (!response.content_type.empty() && !response.body.empty()) {
      out.append("Content-Type: ").append(response.content_type).append("\r\n");
    }
    out.append("Content-Length: ").append(number(response.body.size())).append("\r\n");
  }
  out.append(response.headers);
  if (options.close) out.append("Connection: close\r\n");
  if (options.keep_alive) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
}

}  // namespace deferd::http
