#include "api/cloudtasks/rest/bindings.h"

#include "api/cloudtasks/rest/bad_request.h"
#include "api/cloudtasks/rest/buffer_request.h"
#include "api/cloudtasks/rest/http_methods.h"
#include "api/cloudtasks/rest/json_reader.h"
#include "api/cloudtasks/rest/rules.h"
#include "api/cloudtasks/text.h"
#include "api/http/text.h"
#include "base/assert.h"

namespace deferd::cloudtasks::rest {
namespace {

using Message = Method::Message;

const Method* find_method(std::string_view service, std::string_view name) {
  for (const std::span<const Method> all : {methods(), http_methods()}) {
    for (const Method& method : all) {
      if (method.service == service && method.name == name) return &method;
    }
  }
  return nullptr;
}

std::vector<const Field*> field_path(const Shape& shape, std::string_view path) {
  std::vector<const Field*> fields;
  const Shape* at = &shape;
  for (const std::string_view word : split(path, '.')) {
    const Field* const field = at->find(word);
    DEFERD_ASSERT(field != nullptr);
    fields.push_back(field);
    at = field->message;
  }
  DEFERD_ASSERT(fields.back()->kind == Kind::text);
  return fields;
}

Message& mutable_part(Message& message, const Field& field) {
  return *message.GetReflection()->MutableMessage(&message, field.descriptor);
}

Outcome<void> check_coding(const HttpRequest& http) {
  const std::string_view coding = http.header("content-encoding");
  if (coding.empty() || coding == "identity") return {};
  return refuse_argument("The body is sent with Content-Encoding " + quoted(coding) +
                         "; send it as it is.");
}

}  // namespace

Binding::Binding(const Method& method, CallCounter& counter, const PathTemplate& path,
                 std::string_view body)
    : method_(&method),
      counter_(&counter),
      request_(&shape_of(*method.request->GetDescriptor())),
      response_(&shape_of(*method.response->GetDescriptor())) {
  for (const PathTemplate::Variable& variable : path.variables)
    variables_.push_back({field_path(*request_, variable.field), variable.first, variable.count});
  if (body.empty()) return;
  if (body == "*") {
    body_ = Body::request;
  } else if (body == lenient_body) {
    body_ = Body::lenient_request;
  } else if (body == raw_body) {
    DEFERD_ASSERT(method.request->GetDescriptor() == BufferTaskRequest::descriptor());
    body_ = Body::raw;
  } else {
    body_ = Body::field;
    body_field_ = request_->find(body);
    DEFERD_ASSERT(body_field_ != nullptr && body_field_->message != nullptr);
  }
}

Outcome<std::unique_ptr<Message>> Binding::request(const PathWords& path, const Query& query,
                                                   const HttpRequest& http) const {
  std::unique_ptr<Message> request(method_->request->New());
  if (auto ok = query.bind(*request_, *request); !ok) return refuse(ok.error());
  if (auto ok = read_body(http, *request); !ok) return refuse(ok.error());
  for (const Variable& variable : variables_) {
    std::string value;
    if (!path.append(variable.first, variable.count, value) || !is_utf8(value)) {
      return refuse_argument(
          "The path is not percent-encoded UTF-8: give each \"%\" two hexadecimal digits.");
    }
    Message* at = request.get();
    for (std::size_t i = 0; i + 1 < variable.field.size(); ++i)
      at = &mutable_part(*at, *variable.field[i]);
    at->GetReflection()->SetString(at, variable.field.back()->descriptor, std::move(value));
  }
  return request;
}

Outcome<void> Binding::read_body(const HttpRequest& http, Message& request) const {
  if (body_ == Body::none) return {};
  if (body_ == Body::raw) {
    read_buffered(http, static_cast<BufferTaskRequest&>(request));
    return {};
  }
  if (auto ok = check_coding(http); !ok) return ok;
  if (body_ == Body::field) {
    return read_json(http.body, *body_field_->message, body_field_->name,
                     mutable_part(request, *body_field_));
  }
  return read_json(http.body, *request_, "", request,
                   body_ == Body::lenient_request ? UnknownNames::ignored : UnknownNames::refused);
}

Bindings::Bindings(CallCounts& counts) {
  for (const Rules& rules : all_rules()) {
    for (const Rule& rule : rules.rules) {
      const Method* const method = find_method(rules.service, rule.method);
      if (method == nullptr) continue;
      CallCounter& counter = counts.counter("rest", method->service, method->name);
      for (const std::string_view prefix : rules.prefixes) {
        const auto path = PathTemplate::parse(std::string(prefix).append("/").append(rule.path));
        paths_.add(path, rule.http_method, bindings_.size());
        bindings_.emplace_back(*method, counter, path, rule.body);
      }
    }
  }
}

Bindings::Found Bindings::find(const PathWords& path, std::string_view http_method) const {
  Found found;
  for (const PathTree::Leaf& leaf : paths_.find(path)) {
    if (leaf.verb != path.verb) continue;
    if (leaf.http_method == http_method) return {&bindings_[leaf.value], {}};
    found.others += (found.others.empty() ? "" : ", ") + leaf.http_method;
  }
  return found;
}

}  // namespace deferd::cloudtasks::rest
