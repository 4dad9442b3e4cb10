#include "api/cloudtasks/mask.h"

#include <algorithm>

#include "api/cloudtasks/text.h"

namespace deferd::cloudtasks {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The path in snake case; empty when it names no field.
std::string find_path(std::string_view path, const Descriptor& message) {
  std::string found;
  const Descriptor* at = &message;
  for (const std::string_view word : split(path, '.')) {
    if (at == nullptr) return {};
    const FieldDescriptor* field = at->FindFieldByName(std::string(word));
    if (field == nullptr) field = at->FindFieldByCamelcaseName(std::string(word));
    if (field == nullptr) return {};
    if (!found.empty()) found.push_back('.');
    found += field->name();
    at = field->is_repeated() ? nullptr : field->message_type();
  }
  return found;
}

bool is_within(std::string_view path, std::string_view outer) {
  return path.size() > outer.size() && path.starts_with(outer) && path[outer.size()] == '.';
}

}  // namespace

Outcome<Mask> Mask::parse(const google::protobuf::FieldMask& mask, const Descriptor& message) {
  Mask parsed;
  for (const std::string& path : mask.paths()) {
    if (path == "*") return Mask();
    std::string found = find_path(path, message);
    if (found.empty()) {
      return refuse_argument("update_mask: \"" + path + "\" is not a field of " + message.name() +
                             ".");
    }
    parsed.paths_.push_back(std::move(found));
  }
  return parsed;
}

Mask::Take Mask::take(std::string_view path) const {
  if (is_all() || names(path)) return Take::set;
  const bool in_one =
      std::ranges::any_of(paths_, [&](const std::string& outer) { return is_within(path, outer); });
  return in_one ? Take::merge : Take::keep;
}

bool Mask::touches(std::string_view path) const {
  return take(path) != Take::keep || std::ranges::any_of(paths_, [&](const std::string& inner) {
           return is_within(inner, path);
         });
}

bool Mask::names(std::string_view path) const {
  return std::ranges::find(paths_, path) != paths_.end();
}

google::protobuf::FieldMask Mask::below(std::string_view path) const {
  google::protobuf::FieldMask mask;
  for (const std::string& one : paths_) {
    if (path.empty() || one == path || is_within(one, path)) mask.add_paths(one);
    if (is_within(path, one)) mask.add_paths(std::string(path));
  }
  return mask;
}

}  // namespace deferd::cloudtasks
