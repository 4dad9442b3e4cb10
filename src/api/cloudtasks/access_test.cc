// Who may make which call: every role against every method, and the words of refusals (CT-spec 7,
// 8.2, 11).
#include <map>
#include <set>

#include "api/cloudtasks/testing/harness.h"

namespace deferd::cloudtasks {
namespace {

using google::rpc::INVALID_ARGUMENT;
using google::rpc::PERMISSION_DENIED;
using google::rpc::UNAUTHENTICATED;

using Names = std::set<std::string>;

// Which methods of v2, v2beta3 and v2beta2 a role may call, as the tables of Google's roles say it
// (CT-spec 11), written once more by hand.
const std::map<std::string, Names>& allowed_methods() {
  static const Names reads = {"GetTask",     "ListTasks",     "GetQueue",     "ListQueues",
                              "GetLocation", "ListLocations", "GetCmekConfig"};
  static const Names queues = {"GetQueue",    "ListQueues",    "CreateQueue",    "UpdateQueue",
                               "DeleteQueue", "PurgeQueue",    "PauseQueue",     "ResumeQueue",
                               "GetLocation", "ListLocations", "UploadQueueYaml"};
  static const Names policies = {"GetIamPolicy", "SetIamPolicy"};
  static const Names works = {"RunTask", "LeaseTasks", "AcknowledgeTask", "RenewLease",
                              "CancelLease"};
  static const Names creates = {"CreateTask", "BatchCreateTasks", "GetOperation"};
  static const Names deletes = {"DeleteTask", "BatchDeleteTasks"};
  static const auto join = [](std::initializer_list<Names> all) {
    Names joined;
    for (const Names& each : all) joined.insert(each.begin(), each.end());
    return joined;
  };
  static const std::map<std::string, Names> table = {
      {"viewer", reads},
      {"enqueuer", creates},
      {"taskRunner", works},
      {"taskDeleter", join({deletes, {"GetTask", "ListTasks"}})},
      {"queueAdmin", join({queues, policies})},
      {"editor", join({reads, queues, works, creates, deletes})},
      {"admin", join({reads, queues, policies, works, creates, deletes, {"UpdateCmekConfig"}})},
  };
  return table;
}

class AccessTest : public CloudTasksTest {
 protected:
  static constexpr const char* owner_key = "deferd_owner";

  AccessTest() {
    options_.access = &access_;
    use(owner_key);
  }

  // The key of a caller with these rights.
  void know(const std::string& key, std::vector<Grant> grants) {
    rules_.keys.push_back({key + "@example.com", hash_of_key(key), std::move(grants)});
    access_.set_rules(rules_);
  }
  void use(const std::string& key) {
    credentials_.authorization = key.empty() ? "" : "Bearer " + key;
  }

  google::iam::v1::Policy policy_for(const std::string& role, const std::string& member) {
    google::iam::v1::Policy policy;
    auto* binding = policy.add_bindings();
    binding->set_role(role);
    binding->add_members(member);
    return policy;
  }
  Outcome<google::iam::v1::Policy> set_policy(std::string_view queue,
                                              google::iam::v1::Policy policy) {
    google::iam::v1::SetIamPolicyRequest request;
    request.set_resource(queue_path(queue));
    *request.mutable_policy() = std::move(policy);
    return call<google::iam::v1::Policy>(V2::service, "SetIamPolicy", request);
  }
  Outcome<google::iam::v1::TestIamPermissionsResponse> test_permissions(
      std::string_view queue, std::initializer_list<const char*> permissions) {
    google::iam::v1::TestIamPermissionsRequest request;
    request.set_resource(queue_path(queue));
    for (const char* each : permissions) request.add_permissions(each);
    return call<google::iam::v1::TestIamPermissionsResponse>(V2::service, "TestIamPermissions",
                                                             request);
  }

  static Permissions role(std::string_view name) { return find_role(name)->permissions; }
  static std::string lacks(std::string_view permission, const std::string& resource) {
    return "The principal (user or service account) lacks IAM permission \"" +
           std::string(permission) + "\" for the resource \"" + resource +
           "\" (or the resource may not exist).";
  }

  const Tickets tickets_{Tickets::Key{}, {}};
  AccessRules rules_{
      .keys = {{"owner@example.com", hash_of_key(owner_key), {{role("admin"), {}, {}}}}},
      .issuers = {},
      .grants = {}};
  Access access_{{tickets_, policy_of_queue}, rules_};
};

// Empty requests: what is refused for its caller never gets to its syntax (CT-spec 7).
TEST_F(AccessTest, EachRoleMayCallItsMethodsAndNoOthers) {
  for (const auto& [name, permissions] : roles()) {
    know(std::string(name), {{permissions, {}, {}}});
    use(std::string(name));
    const Names& allowed = allowed_methods().at(std::string(name));
    for (const Method& method : methods()) {
      const std::unique_ptr<Method::Message> request(method.request->New());
      const auto outcome = ask(method, *request);
      const bool refused = !outcome && outcome.error().code() == PERMISSION_DENIED;
      const bool may =
          allowed.contains(std::string(method.name)) || method.name == "TestIamPermissions";
      EXPECT_EQ(refused, !may) << name << " " << method.path;
    }
  }
}

TEST_F(AccessTest, NobodyIsToldToSayWhoCalls) {
  use("");
  for (const Method& method : methods()) {
    if (method.name == "TestIamPermissions") continue;
    const std::unique_ptr<Method::Message> request(method.request->New());
    EXPECT_TRUE(refused(ask(method, *request), UNAUTHENTICATED)) << method.path;
  }
}

// Firebase's word for an emulator's administrator is none here (CT-spec 15.9).
TEST_F(AccessTest, WrongCredentialsAreRefusedWhateverTheCall) {
  for (const char* wrong : {"owner", "deferd_other", "a.b.c"}) {
    use(wrong);
    EXPECT_TRUE(refused(get_queue("q"), UNAUTHENTICATED)) << wrong;
    EXPECT_TRUE(refused(test_permissions("q", {}), UNAUTHENTICATED)) << wrong;
  }
}

TEST_F(AccessTest, ARefusalNamesThePermissionAndTheResource) {
  know("deferd_viewer", {{role("viewer"), {}, {}}});
  ASSERT_TRUE(succeeded(create_queue("q")));
  use("deferd_viewer");
  EXPECT_TRUE(refused(create_task("q", http_task()), PERMISSION_DENIED,
                      lacks("cloudtasks.tasks.create", queue_path("q"))));
  EXPECT_TRUE(refused(create_queue("r"), PERMISSION_DENIED,
                      lacks("cloudtasks.queues.create", location_path)));
  // A queue that is not there is refused alike, so that nobody learns which are.
  EXPECT_TRUE(refused(create_task("none", http_task()), PERMISSION_DENIED,
                      lacks("cloudtasks.tasks.create", queue_path("none"))));
}

// CT-178
TEST_F(AccessTest, TheFullViewNeedsItsOwnPermission) {
  know("deferd_viewer", {{role("viewer"), {}, {}}});
  know("deferd_both", {{role("viewer") | Permission::tasks_full_view, {}, {}}});
  ASSERT_TRUE(succeeded(create_queue("q")));
  const auto task = create_task("q", later(http_task()));
  ASSERT_TRUE(succeeded(task));
  use("deferd_viewer");
  EXPECT_TRUE(succeeded(get_task(task->name())));
  EXPECT_TRUE(refused(get_task(task->name(), V2::Task::FULL), PERMISSION_DENIED,
                      lacks("cloudtasks.tasks.fullView", task->name())));
  V2::ListTasksRequest list;
  list.set_parent(queue_path("q"));
  list.set_response_view(V2::Task::FULL);
  EXPECT_TRUE(
      refused(call<V2::ListTasksResponse>(V2::service, "ListTasks", list), PERMISSION_DENIED));
  use("deferd_both");
  EXPECT_TRUE(succeeded(get_task(task->name(), V2::Task::FULL)));
}

// CT-178: also by the way of a batch.
TEST_F(AccessTest, ABatchShowsNoMoreThanItsCallerMaySee) {
  know("deferd_creator", {{Permission::tasks_create, {}, {}}});
  ASSERT_TRUE(succeeded(create_queue("q")));
  use("deferd_creator");
  V2::BatchCreateTasksRequest batch;
  batch.set_parent(queue_path("q"));
  V2::CreateTaskRequest& one = *batch.add_requests();
  one.set_parent(queue_path("q"));
  *one.mutable_task() = later(http_task());
  EXPECT_TRUE(
      succeeded(call<google::longrunning::Operation>(V2::service, "BatchCreateTasks", batch)));
  one.set_response_view(V2::Task::FULL);
  EXPECT_TRUE(refused(call<google::longrunning::Operation>(V2::service, "BatchCreateTasks", batch),
                      PERMISSION_DENIED));
}

TEST_F(AccessTest, RightsEndWithTheirProjectAndQueue) {
  know("deferd_p", {{role("admin"), "p", {}}});
  know("deferd_q", {{role("enqueuer"), "p", {"q"}}});
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(succeeded(create_queue("r")));
  use("deferd_p");
  EXPECT_TRUE(succeeded(get_queue("q")));
  V2::GetQueueRequest foreign;
  foreign.set_name("projects/other/locations/l/queues/q");
  EXPECT_TRUE(refused(call<V2::Queue>(V2::service, "GetQueue", foreign), PERMISSION_DENIED));
  // What names no project rightly is nobody's but who has rights everywhere.
  foreign.set_name("projects/p");
  EXPECT_TRUE(refused(call<V2::Queue>(V2::service, "GetQueue", foreign), INVALID_ARGUMENT));
  foreign.set_name("x/p/locations/l/queues/q");
  EXPECT_TRUE(refused(call<V2::Queue>(V2::service, "GetQueue", foreign), PERMISSION_DENIED));
  use("deferd_q");
  EXPECT_TRUE(succeeded(create_task("q", later(http_task()))));
  EXPECT_TRUE(refused(create_task("r", later(http_task())), PERMISSION_DENIED));
  EXPECT_TRUE(refused(get_queue("q"), PERMISSION_DENIED));
}

// CT-175: and it is in force with the next call.
TEST_F(AccessTest, APolicyLetsItsMembersIn) {
  know("deferd_ada", {});
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(succeeded(create_queue("r")));
  use("deferd_ada");
  EXPECT_TRUE(refused(create_task("q", later(http_task())), PERMISSION_DENIED));
  use(owner_key);
  ASSERT_TRUE(succeeded(
      set_policy("q", policy_for("roles/cloudtasks.enqueuer", "user:deferd_ada@example.com"))));
  use("deferd_ada");
  EXPECT_TRUE(succeeded(create_task("q", later(http_task()), V2::Task::FULL)));
  EXPECT_TRUE(refused(create_task("r", later(http_task())), PERMISSION_DENIED));
  EXPECT_TRUE(
      refused(get_queue("q"), PERMISSION_DENIED, lacks("cloudtasks.queues.get", queue_path("q"))));
  use(owner_key);
  ASSERT_TRUE(succeeded(set_policy("q", {})));
  use("deferd_ada");
  EXPECT_TRUE(refused(create_task("q", later(http_task())), PERMISSION_DENIED));
}

TEST_F(AccessTest, APolicyMayLetInWhoeverComes) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(succeeded(set_policy("q", policy_for("roles/cloudtasks.enqueuer", "allUsers"))));
  use("");
  EXPECT_TRUE(succeeded(create_task("q", later(http_task()))));
  EXPECT_TRUE(refused(get_queue("q"), UNAUTHENTICATED));
  EXPECT_TRUE(refused(get_queue("none"), UNAUTHENTICATED));
}

TEST_F(AccessTest, ABindingWithAConditionGivesNothing) {
  know("deferd_ada", {});
  ASSERT_TRUE(succeeded(create_queue("q")));
  auto policy = policy_for("roles/cloudtasks.admin", "user:deferd_ada@example.com");
  policy.mutable_bindings(0)->mutable_condition()->set_expression("true");
  ASSERT_TRUE(succeeded(set_policy("q", policy)));
  use("deferd_ada");
  EXPECT_TRUE(refused(get_queue("q"), PERMISSION_DENIED));
}

// CT-177
TEST_F(AccessTest, TestIamPermissionsTellsWhatIsHeld) {
  know("deferd_ada", {{role("viewer"), "p", {}}});
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(
      succeeded(set_policy("q", policy_for("roles/cloudtasks.taskRunner", "domain:example.com"))));
  use("deferd_ada");
  const auto held = test_permissions("q", {"cloudtasks.tasks.create", "cloudtasks.tasks.run",
                                           "cloudtasks.queues.get", "cloudtasks.queues.fly"});
  ASSERT_TRUE(succeeded(held));
  EXPECT_EQ(std::vector<std::string>(held->permissions().begin(), held->permissions().end()),
            (std::vector<std::string>{"cloudtasks.tasks.run", "cloudtasks.queues.get"}));
  const auto nowhere = test_permissions("none", {"cloudtasks.queues.get"});
  ASSERT_TRUE(succeeded(nowhere));
  EXPECT_EQ(nowhere->permissions_size(), 0);
  use("");
  const auto nobody = test_permissions("q", {"cloudtasks.queues.get"});
  ASSERT_TRUE(succeeded(nobody));
  EXPECT_EQ(nobody->permissions_size(), 0);
}

TEST_F(AccessTest, ARevokedKeyIsRefusedWithItsNextCall) {
  know("deferd_ada", {{role("viewer"), {}, {}}});
  ASSERT_TRUE(succeeded(create_queue("q")));
  use("deferd_ada");
  EXPECT_TRUE(succeeded(get_queue("q")));
  rules_.keys.pop_back();
  access_.set_rules(rules_);
  EXPECT_TRUE(refused(get_queue("q"), UNAUTHENTICATED));
}

}  // namespace
}  // namespace deferd::cloudtasks
