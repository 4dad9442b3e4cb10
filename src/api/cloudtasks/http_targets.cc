#include "api/cloudtasks/http_targets.h"

#include <iterator>

namespace deferd::cloudtasks {

std::optional<HttpMethod> method_of(int number) {
  constexpr HttpMethod methods[] = {HttpMethod::post,  HttpMethod::post,   HttpMethod::get,
                                    HttpMethod::head,  HttpMethod::put,    HttpMethod::del,
                                    HttpMethod::patch, HttpMethod::options};
  if (number < 0 || number >= static_cast<int>(std::size(methods))) return std::nullopt;
  return methods[number];
}
int number_of(HttpMethod method) {
  switch (method) {
    case HttpMethod::post:
      return 1;
    case HttpMethod::get:
      return 2;
    case HttpMethod::head:
      return 3;
    case HttpMethod::put:
      return 4;
    case HttpMethod::del:
      return 5;
    case HttpMethod::patch:
      return 6;
    case HttpMethod::options:
      break;
  }
  return 7;
}

}  // namespace deferd::cloudtasks
