#include "api/taskqueue_rest/access.h"

#include <algorithm>

#include "base/text.h"

namespace deferd::taskqueue_rest {
namespace {

bool names(const std::vector<std::string>& emails, std::string_view email) {
  return !email.empty() && std::ranges::any_of(emails, [email](const std::string& each) {
    return equal_ignoring_case(each, email);
  });
}

}  // namespace

bool may(const AppEngineSettings& acl, std::string_view email, Right right) {
  const bool user = names(acl.user_emails, email);
  const bool writer = names(acl.writer_emails, email);
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
