#include "api/taskqueue_rest/access.h"

#include <algorithm>

namespace deferd::taskqueue_rest {
namespace {

bool names(const std::vector<std::string>& emails, std::string_view email) {
  return !email.empty() && std::ranges::any_of(emails, [email](const std::string& each) {
    return equal_ignoring_case(each, email);
  });
}

}  // namespace

bool may(const AppEngineSettings& acl, const TaskqueueRestCaller& caller, Right right) {
  if (caller.is_admin) return true;
  const bool user = names(acl.user_emails, caller.email);
  const bool writer = names(acl.writer_emails, caller.email);
  switch (right) {
    case Right::see:
      return user || writer;
    case Right::work:
      return user;
    case Right::insert:
      return writer;
  }
  return false;
}

}  // namespace deferd::taskqueue_rest
