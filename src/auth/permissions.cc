#include "auth/permissions.h"

#include <bit>

#include "base/assert.h"

namespace deferd {
namespace {

using P = Permission;

// In the order of the enum.
constexpr std::array<std::string_view, permission_count> names = {
    "cloudtasks.queues.create",
    "cloudtasks.queues.delete",
    "cloudtasks.queues.get",
    "cloudtasks.queues.getIamPolicy",
    "cloudtasks.queues.list",
    "cloudtasks.queues.pause",
    "cloudtasks.queues.purge",
    "cloudtasks.queues.resume",
    "cloudtasks.queues.setIamPolicy",
    "cloudtasks.queues.update",
    "cloudtasks.tasks.create",
    "cloudtasks.tasks.delete",
    "cloudtasks.tasks.fullView",
    "cloudtasks.tasks.get",
    "cloudtasks.tasks.list",
    "cloudtasks.tasks.run",
    "cloudtasks.locations.get",
    "cloudtasks.locations.list",
    "cloudtasks.cmekConfig.get",
    "cloudtasks.cmekConfig.update",
    "deferd.server.get",
};

constexpr Permissions locations = {P::locations_get, P::locations_list};
constexpr Permissions policies = {P::queues_get_iam_policy, P::queues_set_iam_policy};
constexpr Permissions queues =
    Permissions{P::queues_create, P::queues_delete, P::queues_get,    P::queues_list,
                P::queues_pause,  P::queues_purge,  P::queues_resume, P::queues_update} |
    policies;
constexpr Permissions tasks = {P::tasks_create, P::tasks_delete, P::tasks_full_view,
                               P::tasks_get,    P::tasks_list,   P::tasks_run};
constexpr Permissions all =
    queues | tasks | locations | P::cmek_config_get | P::cmek_config_update | P::server_get;

constexpr Role table[] = {
    {"viewer", Permissions{P::queues_get, P::queues_list, P::tasks_get, P::tasks_list,
                           P::cmek_config_get, P::server_get} |
                   locations},
    {"enqueuer", {P::tasks_create, P::tasks_full_view}},
    {"taskRunner", {P::tasks_run, P::tasks_full_view}},
    {"taskDeleter", {P::tasks_delete, P::tasks_get, P::tasks_list}},
    {"queueAdmin", queues | locations | P::server_get},
    {"editor", all - policies - P::cmek_config_update},
    {"admin", all},
};

}  // namespace

Permission Permissions::first() const {
  DEFERD_ASSERT(bits_ != 0);
  return static_cast<Permission>(std::countr_zero(bits_));
}

std::string_view to_string(Permission permission) {
  return names[static_cast<std::size_t>(permission)];
}

std::optional<Permission> find_permission(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Permission>(i);
  }
  return std::nullopt;
}

std::span<const Role> roles() { return table; }

const Role* find_role(std::string_view name) {
  constexpr std::string_view prefix = "roles/cloudtasks.";
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  for (const Role& role : table) {
    if (role.name == name) return &role;
  }
  return nullptr;
}

}  // namespace deferd
