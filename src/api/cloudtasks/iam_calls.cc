#include "api/cloudtasks/iam_calls.h"

#include <optional>
#include <string>
#include <utility>

#include "api/cloudtasks/names.h"
#include "api/cloudtasks/queue_messages.h"

namespace deferd {

std::vector<RoleBinding> policy_of_queue(const QueueSettings& settings) {
  std::vector<RoleBinding> bindings;
  const cloudtasks::QueueNote note = cloudtasks::note_of(settings);
  for (const google::iam::v1::Binding& binding : note.policy().bindings()) {
    if (binding.has_condition()) continue;
    bindings.push_back({binding.role(), {binding.members().begin(), binding.members().end()}});
  }
  return bindings;
}

}  // namespace deferd

namespace deferd::cloudtasks {
namespace {

using google::iam::v1::Policy;

constexpr std::size_t policy_bytes_max = 64 << 10;

// Of a queue whose policy nobody has set.
const std::string& first_etag() {
  static const std::string etag("\x00\x20\x01", 3);
  return etag;
}

Policy policy_of(const QueueSettings& settings) {
  const QueueNote note = note_of(settings);
  if (note.has_policy()) return note.policy();
  Policy policy;
  policy.set_etag(first_etag());
  return policy;
}

// Each change has an etag of its own: one more than the last.
std::string etag_after(const std::string& etag) {
  std::string next = etag;
  for (std::size_t i = next.size(); i-- > 0;) {
    next[i] = static_cast<char>(static_cast<unsigned char>(next[i]) + 1);
    if (next[i] != 0) return next;
  }
  return "\x01" + next;
}

// Everybody holds everything while authentication is off.
bool is_held(const Service& service, const CallerPointer& caller, const std::string& permission,
             const QueueInfo& queue) {
  if (caller == nullptr) return true;
  const auto known = find_permission(permission);
  return known && service.options.access->lacking(*caller, *known, queue).is_empty();
}

}  // namespace

void get_iam_policy(Service& service, const google::iam::v1::GetIamPolicyRequest& request,
                    const Context& context, Done<Policy> done) {
  auto name = queue_of(request.resource());
  if (!name) return done(refuse(name.error()));
  GetQueue command;
  command.queue = std::move(*name);
  service.submit(context, std::move(command),
                 [done = std::move(done)](const Result<QueueInfo>& info) mutable {
                   if (!info) return done(refuse(failure_of(info.error(), Subject::queue)));
                   done(policy_of(info->settings));
                 });
}

void set_iam_policy(Service& service, const google::iam::v1::SetIamPolicyRequest& request,
                    const Context& context, Done<Policy> done) {
  auto name = queue_of(request.resource());
  if (!name) return done(refuse(name.error()));
  if (request.policy().ByteSizeLong() > policy_bytes_max)
    return done(refuse_argument("The policy is larger than 64 KB."));
  const auto stale = std::make_shared<bool>(false);
  ConfigureQueue command;
  command.queue = std::move(*name);
  command.change = [given = request.policy(),
                    stale](const QueueSettings* there) -> Result<QueueSettings> {
    if (there == nullptr) return fail(Reason::queue_missing, "no such queue");
    const std::string etag = policy_of(*there).etag();
    if (!given.etag().empty() && given.etag() != etag) {
      *stale = true;
      return fail(Reason::invalid, "stale etag", "policy.etag");
    }
    QueueSettings settings = *there;
    QueueNote note = note_of(settings);
    *note.mutable_policy() = given;
    note.mutable_policy()->set_etag(etag_after(etag));
    set_note(note, settings);
    return settings;
  };
  service.submit(
      context, std::move(command),
      [stale, done = std::move(done)](const Result<ConfigureQueue::Answer>& answer) mutable {
        if (*stale) {
          return done(refuse(google::rpc::ABORTED,
                             "There were concurrent policy changes. Please retry the whole "
                             "read-modify-write with exponential backoff."));
        }
        if (!answer) return done(refuse(failure_of(answer.error(), Subject::queue)));
        done(policy_of(answer->queue.settings));
      });
}

void test_iam_permissions(Service& service,
                          const google::iam::v1::TestIamPermissionsRequest& request,
                          const Context& context,
                          Done<google::iam::v1::TestIamPermissionsResponse> done) {
  auto name = queue_of(request.resource());
  if (!name) return done(refuse(name.error()));
  GetQueue command;
  command.queue = std::move(*name);
  service.submit(context, std::move(command),
                 [&service, caller = context.caller, permissions = request.permissions(),
                  done = std::move(done)](const Result<QueueInfo>& info) mutable {
                   google::iam::v1::TestIamPermissionsResponse response;
                   if (info) {
                     for (std::string& one : permissions) {
                       if (is_held(service, caller, one, *info))
                         response.add_permissions(std::move(one));
                     }
                   } else if (info.error().reason != Reason::queue_missing &&
                              info.error().reason != Reason::queue_gone) {
                     return done(refuse(failure_of(info.error(), Subject::queue)));
                   }
                   done(std::move(response));
                 });
}

}  // namespace deferd::cloudtasks
