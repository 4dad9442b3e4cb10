#include "api/cloudtasks/filter.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "model/duration_text.h"
#include "model/time_text.h"

namespace deferd::cloudtasks {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

enum class Op { equal, not_equal, less, less_equal, greater, greater_equal, has };

// A text or a number; which of them a field has follows from its type.
struct Value {
  std::string text;
  double number = 0;
};

bool holds(Op op, int order) {
  switch (op) {
    case Op::equal:
    case Op::has:
      return order == 0;
    case Op::not_equal:
      return order != 0;
    case Op::less:
      return order < 0;
    case Op::less_equal:
      return order <= 0;
    case Op::greater:
      return order > 0;
    case Op::greater_equal:
      return order >= 0;
  }
  return false;
}

bool is_text(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}
bool is_message(const FieldDescriptor& field, std::string_view name) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == name;
}
bool is_span(const FieldDescriptor& field) {
  return is_message(field, "google.protobuf.Timestamp") ||
         is_message(field, "google.protobuf.Duration");
}

bool read_number(std::string_view text, double& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// What the field is compared with, in the field's own terms; empty: it is none of that type.
std::optional<Value> value_for(const FieldDescriptor& field, const std::string& text) {
  Value value{text, 0};
  if (is_text(field)) return value;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    const auto* named = field.enum_type()->FindValueByName(text);
    if (named == nullptr) return std::nullopt;
    value.number = named->number();
    return value;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    if (text != "true" && text != "false") return std::nullopt;
    value.number = text == "true" ? 1 : 0;
    return value;
  }
  if (is_message(field, "google.protobuf.Timestamp")) {
    const auto time = parse_time(text);
    if (!time) return std::nullopt;
    value.number = static_cast<double>(to_micros(*time)) / 1e6;
    return value;
  }
  if (is_message(field, "google.protobuf.Duration")) {
    const auto duration = parse_duration(text);
    if (!duration) return std::nullopt;
    value.number = static_cast<double>(duration->count()) / 1e6;
    return value;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE || !read_number(text, value.number)) {
    return std::nullopt;
  }
  return value;
}

double number_in(const Message& message, const FieldDescriptor& field) {
  const auto& get = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return get.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<double>(get.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return get.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return get.GetBool(message, &field) ? 1 : 0;
    case FieldDescriptor::CPPTYPE_ENUM:
      return get.GetEnumValue(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE: {  // Timestamp and Duration: seconds = 1, nanos = 2
      const Message& span = get.GetMessage(message, &field);
      const auto& inner = *span.GetReflection();
      const auto* seconds = span.GetDescriptor()->FindFieldByNumber(1);
      const auto* nanos = span.GetDescriptor()->FindFieldByNumber(2);
      return static_cast<double>(inner.GetInt64(span, seconds)) + inner.GetInt32(span, nanos) / 1e9;
    }
    default:
      return 0;
  }
}

}  // namespace

struct Filter::Node {
  enum class Kind { all, any, none, compare, present };

  Kind kind = Kind::all;
  std::vector<std::shared_ptr<const Node>> parts;  // of all, any, none
  std::vector<const FieldDescriptor*> path;        // of the rest
  Op op = Op::equal;
  Value value;

  bool matches(const Message& message) const {
    switch (kind) {
      case Kind::all:
        return std::ranges::all_of(parts, [&](const auto& part) { return part->matches(message); });
      case Kind::any:
        return std::ranges::any_of(parts, [&](const auto& part) { return part->matches(message); });
      case Kind::none:
        return !parts.front()->matches(message);
      case Kind::compare:
      case Kind::present:
        break;
    }
    const Message* at = &message;
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      if (!at->GetReflection()->HasField(*at, path[i])) return false;
      at = &at->GetReflection()->GetMessage(*at, path[i]);
    }
    const FieldDescriptor& field = *path.back();
    const bool has_presence = field.has_presence();
    if (kind == Kind::present) return at->GetReflection()->HasField(*at, &field);
    if (has_presence && !at->GetReflection()->HasField(*at, &field)) return op == Op::not_equal;
    if (is_text(field)) {
      const std::string text = at->GetReflection()->GetString(*at, &field);
      if (op == Op::has) return to_lower(text).find(to_lower(value.text)) != std::string::npos;
      return holds(op, text.compare(value.text));
    }
    const double number = number_in(*at, field);
    return holds(op, number < value.number ? -1 : number > value.number ? 1 : 0);
  }
};

namespace {

using Node = Filter::Node;
using NodePtr = std::shared_ptr<const Node>;

class Parser {
 public:
  Parser(std::string_view text, const Descriptor& message) : text_(text), message_(message) {}

  // Null after a failure, which failure() tells.
  NodePtr parse() {
    NodePtr node = any();
    skip_spaces();
    if (node != nullptr && at_ < text_.size()) return refuse_here("what follows here");
    return node;
  }
  const std::string& failure() const { return failure_; }

 private:
  static constexpr int depth_max = 50;

  NodePtr any() {
    return join("OR", Node::Kind::any, [this] { return all(); });
  }
  NodePtr all() {
    return join("AND", Node::Kind::all, [this] { return one(); });
  }

  template <class Next>
  NodePtr join(std::string_view word, Node::Kind kind, Next next) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    do {
      NodePtr part = next();
      if (part == nullptr) return nullptr;
      node->parts.push_back(std::move(part));
    } while (take_word(word) || (kind == Node::Kind::all && begins_part()));
    return node->parts.size() == 1 ? node->parts.front() : node;
  }

  NodePtr one() {
    if (++depth_ > depth_max) return refuse_here("so many levels");
    NodePtr node = one_inner();
    --depth_;
    return node;
  }
  NodePtr one_inner() {
    skip_spaces();
    if (take_word("NOT") || take("-")) {
      auto node = std::make_shared<Node>();
      node->kind = Node::Kind::none;
      NodePtr part = one();
      if (part == nullptr) return nullptr;
      node->parts.push_back(std::move(part));
      return node;
    }
    if (take("(")) {
      NodePtr node = any();
      skip_spaces();
      if (node != nullptr && !take(")")) return refuse_here("a group without its end");
      return node;
    }
    return comparison();
  }

  NodePtr comparison() {
    auto node = std::make_shared<Node>();
    const std::string path = word();
    if (path.empty()) return refuse_here("what stands here");
    if (!find(path, node->path)) return refuse_here("\"" + path + "\", which is no field,");
    skip_spaces();
    const auto op = take_op();
    if (!op) return refuse_here("a field without a comparison");
    skip_spaces();
    const bool quoted = at_ < text_.size() && text_[at_] == '"';
    std::optional<std::string> value = quoted ? quoted_text() : std::optional(word());
    if (!value || (value->empty() && !quoted)) return refuse_here("a comparison without a value");
    if (*op == Op::has && *value == "*" && !quoted) {
      node->kind = Node::Kind::present;
      return node;
    }
    node->kind = Node::Kind::compare;
    node->op = *op;
    auto converted = value_for(*node->path.back(), *value);
    if (!converted) return refuse_here("\"" + *value + "\", which is no value of " + path + ",");
    node->value = std::move(*converted);
    return node;
  }

  bool find(std::string_view path, std::vector<const FieldDescriptor*>& fields) const {
    const Descriptor* at = &message_;
    while (true) {
      const std::size_t dot = path.find('.');
      const std::string name(path.substr(0, dot));
      const FieldDescriptor* field = at != nullptr ? at->FindFieldByName(name) : nullptr;
      if (field == nullptr && at != nullptr) field = at->FindFieldByCamelcaseName(name);
      if (field == nullptr || field->is_repeated()) return false;
      fields.push_back(field);
      if (dot == std::string_view::npos) return true;
      path.remove_prefix(dot + 1);
      at = is_span(*field) ? nullptr : field->message_type();
    }
  }

  std::optional<Op> take_op() {
    for (const auto& [text, op] : {std::pair{"<=", Op::less_equal},
                                   {">=", Op::greater_equal},
                                   {"!=", Op::not_equal},
                                   {"<", Op::less},
                                   {">", Op::greater},
                                   {"=", Op::equal},
                                   {":", Op::has}}) {
      if (take(text)) return op;
    }
    return std::nullopt;
  }

  std::string word() {
    skip_spaces();
    constexpr std::string_view ends = " \t\n()<>=!:\"";
    const std::size_t end = std::min(text_.find_first_of(ends, at_), text_.size());
    std::string found(text_.substr(at_, end - at_));
    at_ = end;
    return found;
  }
  std::optional<std::string> quoted_text() {
    std::string found;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return found;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      found.push_back(text_[at_]);
    }
    return std::nullopt;
  }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n'))
      ++at_;
  }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  bool is_word_here(std::string_view word) {
    skip_spaces();
    const std::string_view rest = text_.substr(at_);
    return rest.starts_with(word) && rest.size() > word.size() &&
           (rest[word.size()] == ' ' || rest[word.size()] == '(');
  }
  bool take_word(std::string_view word) {
    if (!is_word_here(word)) return false;
    at_ += word.size();
    return true;
  }
  // Parts that follow one another without a word are joined by AND.
  bool begins_part() {
    skip_spaces();
    return at_ < text_.size() && text_[at_] != ')' && !is_word_here("OR");
  }

  NodePtr refuse_here(std::string_view what) {
    if (failure_.empty()) {
      failure_ = "filter: " + std::string(what) + " is not understood, at character " +
                 std::to_string(at_ + 1) + ".";
    }
    return nullptr;
  }

  const std::string_view text_;
  const Descriptor& message_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string failure_;
};

}  // namespace

Outcome<Filter> Filter::parse(std::string_view text, const Descriptor& message) {
  constexpr std::size_t text_bytes_max = 10'000;
  Filter filter;
  if (text.find_first_not_of(" \t\n") == std::string_view::npos) return filter;
  if (text.size() > text_bytes_max) return refuse_argument("filter: longer than 10000 bytes.");
  Parser parser(text, message);
  filter.root_ = parser.parse();
  if (filter.root_ == nullptr) return refuse_argument(parser.failure());
  return filter;
}

bool Filter::matches(const Message& message) const {
  return root_ == nullptr || root_->matches(message);
}

}  // namespace deferd::cloudtasks
