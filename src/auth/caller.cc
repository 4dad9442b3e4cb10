#include "auth/caller.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace deferd {
namespace {

// "user:ada@example.com" as its kind and whom it names.
std::pair<std::string_view, std::string_view> split_member(std::string_view member) {
  const std::size_t colon = member.find(':');
  if (colon == std::string_view::npos) return {member, {}};
  return {member.substr(0, colon), member.substr(colon + 1)};
}

}  // namespace

Caller::Caller(std::string name, std::string email, std::vector<Grant> grants)
    : name_(std::move(name)), email_(std::move(email)), grants_(std::move(grants)) {
  for (const Grant& grant : grants_) {
    if (grant.project.empty()) on_server_ |= grant.permissions;
  }
}

Caller Caller::anonymous(std::vector<Grant> grants) {
  Caller caller("nobody", {}, std::move(grants));
  caller.anonymous_ = true;
  return caller;
}

std::string_view Caller::home() const {
  return grants_.empty() ? std::string_view() : std::string_view(grants_.front().project);
}

Permissions Caller::on_project(std::string_view project) const {
  Permissions held = on_server_;
  for (const Grant& grant : grants_) {
    if (grant.project == project && grant.queues.empty()) held |= grant.permissions;
  }
  return held;
}

Permissions Caller::on_queue(const QueueName& queue) const {
  Permissions held = on_server_;
  for (const Grant& grant : grants_) {
    if (grant.project != queue.project) continue;
    if (grant.queues.empty() || std::ranges::find(grant.queues, queue.queue) != grant.queues.end())
      held |= grant.permissions;
  }
  return held;
}

Permissions Caller::by_policy(std::span<const RoleBinding> policy) const {
  Permissions held;
  for (const RoleBinding& binding : policy) {
    const Role* role = find_role(binding.role);
    if (role == nullptr) continue;
    if (std::ranges::any_of(binding.members,
                            [this](const std::string& member) { return is_member(member); }))
      held |= role->permissions;
  }
  return held;
}

bool Caller::is_member(std::string_view member) const {
  if (member == "allUsers") return true;
  if (anonymous_) return false;
  if (member == "allAuthenticatedUsers") return true;
  if (email_.empty()) return false;
  const auto [kind, whom] = split_member(member);
  if (kind == "user" || kind == "serviceAccount") return equal_ignoring_case(whom, email_);
  if (kind != "domain" || whom.empty()) return false;
  const std::size_t at = email_.rfind('@');
  return at != std::string::npos &&
         equal_ignoring_case(whom, std::string_view(email_).substr(at + 1));
}

std::string member_complaint(std::string_view member) {
  if (member == "allUsers" || member == "allAuthenticatedUsers") return {};
  const auto [kind, whom] = split_member(member);
  if ((kind == "user" || kind == "serviceAccount" || kind == "domain") && !whom.empty()) return {};
  return "\"" + std::string(member.substr(0, 80)) +
         "\" is nobody; write user:EMAIL, serviceAccount:EMAIL, domain:DOMAIN, "
         "allAuthenticatedUsers or allUsers";
}

}  // namespace deferd
