// What a callback of a run tells: which task ended, when and how. It is all that its payload holds.
#pragma once

#include <optional>

#include "engine/callbacks.h"
#include "model/outcome.h"

namespace deferd::sim {

// One end of one task, as its callback tells it.
struct ToldEnd {
  std::string queue;
  TaskId task{};
  Wall ended{};
  OutcomeState state = OutcomeState::succeeded;
  DeathReason reason = DeathReason::none;

  std::string words() const;
  // Nothing: these are not the words of a callback.
  static std::optional<ToldEnd> of(const SharedBytes& payload);
};

class ScriptedCallbacks final : public Callbacks {
 public:
  NewTask callback_for(const QueueName& queue, const Task& task,
                       const Outcome& outcome) const override;
};

}  // namespace deferd::sim
