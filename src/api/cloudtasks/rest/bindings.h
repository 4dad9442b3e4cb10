// The rules of HTTP (rules.h) tied to the methods that they call: found by a request's path and
// method, and able to make its message. Built once; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/cloudtasks/methods.h"
#include "api/cloudtasks/rest/path_tree.h"
#include "api/cloudtasks/rest/query.h"
#include "api/cloudtasks/rest/shape.h"
#include "api/http/http.h"

namespace deferd::cloudtasks::rest {

class Binding {
 public:
  // Requires that the rule's fields are fields of the method's request.
  Binding(const Method& method, CallCounter& counter, const PathTemplate& path,
          std::string_view body);

  const Method& method() const { return *method_; }
  CallCounter& counter() const { return *counter_; }
  const Shape& response() const { return *response_; }

  // What is called for. What the path says of a field is taken before the body's word on it, and
  // that before the query's. Fails with INVALID_ARGUMENT.
  Outcome<std::unique_ptr<Method::Message>> request(const PathWords& path, const Query& query,
                                                    const HttpRequest& http) const;

 private:
  using FieldPath = std::vector<const Field*>;
  struct Variable {
    FieldPath field;
    std::size_t first = 0;
    std::size_t count = 0;
  };

  enum class Body : std::uint8_t { none, request, lenient_request, field, raw };

  Outcome<void> read_body(const HttpRequest& http, Method::Message& request) const;

  const Method* method_;
  CallCounter* counter_;
  const Shape* request_;
  const Shape* response_;
  std::vector<Variable> variables_;
  Body body_ = Body::none;
  const Field* body_field_ = nullptr;
};

class Bindings {
 public:
  explicit Bindings(CallCounts& counts);

  struct Found {
    const Binding* binding = nullptr;
    std::string others;  // when there is none: the methods that the path takes, "GET, DELETE"
  };
  Found find(const PathWords& path, std::string_view http_method) const;

 private:
  std::vector<Binding> bindings_;
  PathTree paths_;
};

}  // namespace deferd::cloudtasks::rest
