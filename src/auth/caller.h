// Who calls and what that caller may do: what access.yaml grants it, and what a queue's policy
// adds.
//
// Immutable: any thread may ask. A call keeps its caller alive, whatever is reloaded meanwhile.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/permissions.h"
#include "model/names.h"

namespace deferd {

// Where permissions hold.
struct Grant {
  Permissions permissions;
  std::string project;              // empty: everywhere, the server itself included
  std::vector<std::string> queues;  // of the project, in any location; empty: all of it

  friend bool operator==(const Grant&, const Grant&) = default;
};

// One line of a policy: a role for its members.
struct RoleBinding {
  std::string role;
  std::vector<std::string> members;
};

class Caller {
 public:
  // `name` is for people and logs. `email` is empty for one who has none; it is compared without
  // regard to case.
  Caller(std::string name, std::string email, std::vector<Grant> grants);
  // Who shows no credentials.
  static Caller anonymous(std::vector<Grant> grants);

  const std::string& name() const { return name_; }
  const std::string& email() const { return email_; }
  bool is_anonymous() const { return anonymous_; }
  // The project of its first grant; empty: all, or none.
  std::string_view home() const;

  // Held everywhere; in a whole project; for a queue (that access.yaml says).
  Permissions on_server() const { return on_server_; }
  Permissions on_project(std::string_view project) const;
  Permissions on_queue(const QueueName& queue) const;
  // What a queue's policy gives it. A role that is not known gives nothing.
  Permissions by_policy(std::span<const RoleBinding> policy) const;

  // Whether a member of a policy is this caller: user:EMAIL, serviceAccount:EMAIL, domain:DOMAIN,
  // allUsers, allAuthenticatedUsers. Anything else is nobody here.
  bool is_member(std::string_view member) const;

 private:
  std::string name_;
  std::string email_;
  bool anonymous_ = false;
  std::vector<Grant> grants_;
  Permissions on_server_;
};

// Empty: `member` is one that Caller::is_member() can be true for; else what is wrong with it.
std::string member_complaint(std::string_view member);

using CallerPointer = std::shared_ptr<const Caller>;

}  // namespace deferd
