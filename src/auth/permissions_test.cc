// Roles and what they hold (CT-spec 11).
#include "auth/permissions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace deferd {
namespace {

std::vector<std::string> held_by(std::string_view role) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < permission_count; ++i) {
    const auto permission = static_cast<Permission>(i);
    if (find_role(role)->permissions.has(permission)) names.emplace_back(to_string(permission));
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Roles, HoldWhatTheTableSays) {
  EXPECT_EQ(held_by("viewer"),
            (Names{"cloudtasks.queues.get", "cloudtasks.queues.list", "cloudtasks.tasks.get",
                   "cloudtasks.tasks.list", "cloudtasks.locations.get", "cloudtasks.locations.list",
                   "cloudtasks.cmekConfig.get", "deferd.server.get"}));
  EXPECT_EQ(held_by("enqueuer"), (Names{"cloudtasks.tasks.create", "cloudtasks.tasks.fullView"}));
  EXPECT_EQ(held_by("taskRunner"), (Names{"cloudtasks.tasks.fullView", "cloudtasks.tasks.run"}));
  EXPECT_EQ(held_by("taskDeleter"),
            (Names{"cloudtasks.tasks.delete", "cloudtasks.tasks.get", "cloudtasks.tasks.list"}));
  EXPECT_EQ(held_by("queueAdmin"),
            (Names{"cloudtasks.queues.create", "cloudtasks.queues.delete", "cloudtasks.queues.get",
                   "cloudtasks.queues.getIamPolicy", "cloudtasks.queues.list",
                   "cloudtasks.queues.pause", "cloudtasks.queues.purge", "cloudtasks.queues.resume",
                   "cloudtasks.queues.setIamPolicy", "cloudtasks.queues.update",
                   "cloudtasks.locations.get", "cloudtasks.locations.list", "deferd.server.get"}));
  EXPECT_EQ(held_by("admin").size(), permission_count);
  Names editor = held_by("admin");
  for (const char* kept : {"cloudtasks.queues.getIamPolicy", "cloudtasks.queues.setIamPolicy",
                           "cloudtasks.cmekConfig.update"})
    std::erase(editor, kept);
  EXPECT_EQ(held_by("editor"), editor);
}

TEST(Roles, AreFoundByBothNames) {
  for (const Role& role : roles()) {
    EXPECT_EQ(find_role("roles/cloudtasks." + std::string(role.name)), find_role(role.name));
  }
  for (const char* none : {"", "owner", "roles/viewer", "roles/cloudtasks.", "Viewer"})
    EXPECT_EQ(find_role(none), nullptr) << none;
}

TEST(PermissionNames, GoBothWays) {
  for (std::size_t i = 0; i < permission_count; ++i) {
    const auto permission = static_cast<Permission>(i);
    EXPECT_EQ(find_permission(to_string(permission)), permission);
  }
  EXPECT_EQ(find_permission("cloudtasks.tasks.fly"), std::nullopt);
}

TEST(PermissionSets, AddUpAndLack) {
  constexpr Permissions two = {Permission::tasks_create, Permission::server_get};
  EXPECT_TRUE(two.has_all(Permission::server_get));
  EXPECT_EQ((two - Permission::tasks_create).first(), Permission::server_get);
  EXPECT_TRUE((two - two).is_empty());
  EXPECT_FALSE(Permissions(Permission::tasks_run).has_all(two));
}

}  // namespace
}  // namespace deferd
