// Operations of batches: done when they are first answered, readable for an hour after, and found
// again by the request_id of a caller that asks twice (CT-spec 5). One that changed something is
// stored by the commit that changed it, so that asked again after a crash it changes nothing. (One
// that could change nothing is forgotten with the process: nor will it when it is asked again.) Any
// thread.
#pragma once

#include <google/longrunning/operations.pb.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/cloudtasks/outcome.h"
#include "base/time.h"
#include "engine/store.h"

namespace deferd::cloudtasks {

class Operations {
 public:
  using Operation = google::longrunning::Operation;

  // Those that were stored, and are not over yet.
  Operations(const std::vector<Document>& stored, const Now& now);

  // What is to be stored of an operation, which succeeded.
  Document document_of(const std::string& number, const Operation& operation, Wall now);

  // Begins the operation of `request` (its parent, kind and request_id; empty: one of its own).
  // True: the caller carries it out and calls finish() with its name. False: somebody has or does;
  // `done` is called with what comes of that, perhaps before this returns.
  bool begin(const std::string& request, Mono now, std::string& number, Done<Operation>& done);
  // Its end, told to all who wait for it. A failure is forgotten, so that it can be tried again.
  void finish(const std::string& number, Mono now, const Outcome<Operation>& result);

  // By its whole name.
  Outcome<Operation> get(const std::string& name, Mono now);

 private:
  struct Entry {
    std::string request;
    bool finished = false;
    Operation operation;
    std::vector<Done<Operation>> waiting;
  };
  void forget_old(Mono now);

  std::mutex mutex_;
  std::map<std::string, Entry> entries_;           // by number
  std::map<std::string, std::string> by_request_;  // the number
  std::map<std::string, std::string> by_name_;     // the number
  std::deque<std::pair<Mono, std::string>> finished_;
  std::size_t bytes_ = 0;
};

}  // namespace deferd::cloudtasks
