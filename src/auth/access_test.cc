// Who a call is from, and what that caller may do.
#include "auth/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deferd {
namespace {

using testing::HasSubstr;
using P = Permission;

constexpr Wall now = wall_from_micros(1'800'000'000'000'000);

Permissions of(std::string_view role) { return find_role(role)->permissions; }

QueueName queue_named(std::string_view project, std::string_view queue) {
  return *QueueName::parse(project, "local", queue);
}

ApiKeyRule key_rule(std::string name, std::string_view key, std::vector<Grant> grants) {
  return {std::move(name), hash_of_key(key), std::move(grants)};
}

class AccessTest : public testing::Test {
 protected:
  Result<CallerPointer> bearer(std::string_view secret) {
    const std::string header = "Bearer " + std::string(secret);
    return access_.authenticate({header, {}}, now);
  }
  Access& with(AccessRules rules) {
    access_.set_rules(std::move(rules));
    return access_;
  }

  const Tickets tickets_{Tickets::Key{}, {"operators-secret"}};
  std::vector<RoleBinding> policy_;
  Access access_{{tickets_, [this](const QueueSettings&) { return policy_; }}, {}};
};

TEST_F(AccessTest, WithoutCredentialsACallerIsNobody) {
  const auto caller = access_.authenticate({}, now);
  ASSERT_TRUE(caller);
  EXPECT_TRUE((*caller)->is_anonymous());
  const Error refusal = access_refusal(**caller, P::tasks_create, "projects/p");
  EXPECT_EQ(refusal.reason, Reason::unauthenticated);
}

TEST_F(AccessTest, AKeyIsKnownHoweverItIsShown) {
  with({.keys = {key_rule("web@shop", "deferd_1", {{of("enqueuer"), {}, {}}})}});
  for (const CredentialsView& shown :
       {CredentialsView{"Bearer deferd_1", {}}, CredentialsView{"bearer   deferd_1", {}},
        CredentialsView{{}, "deferd_1"}, CredentialsView{"Bearer deferd_1", "other"}}) {
    const auto caller = access_.authenticate(shown, now);
    ASSERT_TRUE(caller);
    EXPECT_EQ((*caller)->name(), "web@shop");
    EXPECT_TRUE((*caller)->on_server().has(P::tasks_create));
  }
}

TEST_F(AccessTest, WhatIsNotKnownIsRefusedWithoutBeingTold) {
  with({.keys = {key_rule("web@shop", "deferd_1", {})}});
  const std::string huge(secret_bytes_max + 1, 'x');
  for (const std::string& secret :
       {std::string("deferd_2"), std::string("owner"), std::string("deferd_1 "), huge}) {
    const auto caller = bearer(secret);
    ASSERT_FALSE(caller);
    EXPECT_EQ(caller.error().reason, Reason::unauthenticated);
    EXPECT_THAT(caller.error().message, testing::Not(HasSubstr("deferd_2")));
  }
  for (const std::string_view header : {"Basic deferd_1", "Bearer", "Bearer ", "deferd_1"})
    EXPECT_FALSE(access_.authenticate({header, {}}, now)) << header;
}

TEST_F(AccessTest, AKeyThatIsTakenOutIsRefusedAtOnce) {
  with({.keys = {key_rule("a", "deferd_1", {}), key_rule("b", "deferd_2", {})}});
  ASSERT_TRUE(bearer("deferd_1"));
  with({.keys = {key_rule("b", "deferd_2", {})}});
  EXPECT_FALSE(bearer("deferd_1"));
  EXPECT_TRUE(bearer("deferd_2"));
}

TEST_F(AccessTest, TicketsAreOfTheirApplicationAndSecretsOfTheOperator) {
  const auto handler = bearer(tickets_.mint("shop", Seconds(60), now));
  ASSERT_TRUE(handler);
  EXPECT_EQ((*handler)->home(), "shop");
  EXPECT_EQ((*handler)->on_project("shop"), application_permissions);
  EXPECT_TRUE((*handler)->on_project("bank").is_empty());
  const auto admin = bearer("operators-secret");
  ASSERT_TRUE(admin);
  EXPECT_EQ((*admin)->on_server(), of("admin"));
  EXPECT_EQ((*admin)->home(), "");
}

TEST_F(AccessTest, ATicketsHolderIsOneOfAllUsersToo) {
  with({.grants = {{{of("viewer"), {}, {}}, {"allUsers"}}}});
  const auto handler = bearer(tickets_.mint("shop", Seconds(60), now));
  ASSERT_TRUE(handler);
  EXPECT_EQ((*handler)->on_server(), of("viewer"));
  EXPECT_EQ((*handler)->home(), "shop");
}

TEST_F(AccessTest, AGrantReachesAsFarAsItSays) {
  with({.keys = {key_rule("k", "deferd_1",
                          {{of("viewer"), "shop", {}}, {of("enqueuer"), "shop", {"emails"}}})}});
  const Caller& caller = **bearer("deferd_1");
  EXPECT_EQ(caller.on_queue(queue_named("shop", "emails")), of("viewer") | of("enqueuer"));
  EXPECT_EQ(caller.on_queue(queue_named("shop", "other")), of("viewer"));
  EXPECT_EQ(caller.on_project("shop"), of("viewer"));
  EXPECT_TRUE(caller.on_queue(queue_named("bank", "emails")).is_empty());
  EXPECT_TRUE(caller.on_server().is_empty());
  const QueueName emails = queue_named("shop", "emails");
  EXPECT_TRUE(lacking(caller, P::tasks_create, {"shop", &emails}).is_empty());
  EXPECT_FALSE(lacking(caller, P::tasks_create, {"shop"}).is_empty());
  EXPECT_FALSE(lacking(caller, P::server_get, {}).is_empty());
}

TEST_F(AccessTest, GrantsAreForTheirMembers) {
  with({.keys = {key_rule("Ada@Example.com", "deferd_1", {}), key_rule("word", "deferd_2", {})},
        .grants = {{{of("viewer"), {}, {}}, {"user:ada@example.com"}},
                   {{of("enqueuer"), {}, {}}, {"domain:example.com"}},
                   {{P::tasks_run, {}, {}}, {"allAuthenticatedUsers"}},
                   {{P::queues_purge, {}, {}}, {"allUsers"}}}});
  EXPECT_EQ((*bearer("deferd_1"))->on_server(),
            of("viewer") | of("enqueuer") | P::tasks_run | P::queues_purge);
  EXPECT_EQ((*bearer("deferd_2"))->on_server(), Permissions({P::tasks_run, P::queues_purge}));
  EXPECT_EQ((*access_.authenticate({}, now))->on_server(), Permissions(P::queues_purge));
}

TEST_F(AccessTest, APolicyAddsForItsQueue) {
  with({.keys = {key_rule("ada@example.com", "deferd_1", {})}});
  policy_ = {{"roles/cloudtasks.enqueuer", {"serviceAccount:ada@example.com"}},
             {"roles/owner", {"allUsers"}},  // nobody's here
             {"roles/cloudtasks.viewer", {"user:bob@example.com"}}};
  QueueInfo queue;
  queue.name = queue_named("shop", "emails");
  const Caller& caller = **bearer("deferd_1");
  EXPECT_TRUE(access_.lacking(caller, P::tasks_create, queue).is_empty());
  EXPECT_EQ(access_.lacking(caller, {P::tasks_create, P::tasks_get}, queue).first(), P::tasks_get);
}

TEST(Members, AreWhomTheyName) {
  const Caller ada("ada", "ada@Example.com", {});
  const Caller nobody = Caller::anonymous({});
  const Caller word("word", "word", {});
  EXPECT_TRUE(ada.is_member("user:Ada@example.com"));
  EXPECT_TRUE(ada.is_member("serviceAccount:ada@example.com"));
  EXPECT_TRUE(ada.is_member("domain:example.com"));
  EXPECT_TRUE(ada.is_member("allAuthenticatedUsers"));
  EXPECT_TRUE(nobody.is_member("allUsers"));
  for (const char* other : {"user:bob@example.com", "domain:ample.com", "domain:", "group:ada",
                            "user:", "ada@example.com", "", "deleted:user:ada@example.com?uid=1"})
    EXPECT_FALSE(ada.is_member(other)) << other;
  EXPECT_FALSE(nobody.is_member("allAuthenticatedUsers"));
  EXPECT_FALSE(nobody.is_member("user:"));
  EXPECT_FALSE(word.is_member("domain:word"));
}

TEST(ApiKeys, AreRandomAndKeptAsHashes) {
  const auto one = make_api_key();
  const auto two = make_api_key();
  ASSERT_TRUE(one && two);
  EXPECT_NE(*one, *two);
  EXPECT_TRUE(one->starts_with("deferd_"));
  EXPECT_EQ(one->size(), 7U + 48U);
  // As `printf %s abc | sha256sum` says.
  EXPECT_EQ(to_string(hash_of_key("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(parse_key_hash(to_string(hash_of_key("abc"))), hash_of_key("abc"));
  EXPECT_EQ(parse_key_hash("BA"), std::nullopt);
}

}  // namespace
}  // namespace deferd
