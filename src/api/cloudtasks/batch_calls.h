// Batches and what else v2 and v2beta3 have beside the usual calls. A batch is one commit and one
// operation that is done in its first answer; what failed of it stands in its metadata, by index
// (CT-spec 5, App Engine spec 13).
#pragma once

#include <google/longrunning/operations.pb.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/cloudtasks/task_calls.h"

namespace deferd::cloudtasks {

template <class V>
struct BatchCalls {
  using Operation = google::longrunning::Operation;

  static void batch_create_tasks(Service& service,
                                 const typename V::BatchCreateTasksRequest& request,
                                 const Context& context, Done<Operation> done) {
    constexpr int requests_max = 100;
    auto parent = queue_of(request.parent());
    if (!parent) return done(refuse(parent.error()));
    if (request.requests_size() == 0)
      return done(refuse_argument("BatchCreateTasksRequest.requests cannot be empty."));
    if (request.requests_size() > requests_max) {
      return done(refuse_argument("BatchCreateTasksRequest.requests has " +
                                  std::to_string(request.requests_size()) +
                                  " requests; at most 100 are allowed."));
    }
    for (const auto& one : request.requests()) {
      if (one.parent() != request.parent()) {
        return done(refuse_argument("The parent of every request must be '" + request.parent() +
                                    "'; one has '" + one.parent() + "'."));
      }
    }
    Batch batch = begin(service, *parent, "create", request.parent(), request.request_id(), done);
    if (batch.number.empty()) return;
    auto created = std::make_shared<Creation>(std::move(batch), *parent);
    AddTasks command;
    command.queue = *parent;
    for (int i = 0; i < request.requests_size(); ++i) {
      const auto& one = request.requests(i);
      auto name = new_task_name(one.task().name());
      auto prepared = name ? prepare_task<V>(service, *parent, std::move(*name), one)
                           : Outcome<PreparedTask>(refuse(name.error()));
      if (!prepared) {
        created->batch.failed[i] = std::move(prepared.error());
        continue;
      }
      command.tasks.push_back(std::move(prepared->command));
      created->tasks.emplace_back(i, std::move(*prepared));
    }
    if (command.tasks.empty()) {  // whether the queue is there is still to be told
      return with_queue(service, *parent, context, [&service, created](Outcome<void> ok) {
        if (!ok) return fail_all(service, created->batch, ok.error());
        created->batch.operation = creation_of(service, *created, {});
        finish(service, created->batch);
      });
    }
    command.document = [&service, created](const std::vector<Result<deferd::Task>>& added) {
      return created->batch.keep(service, creation_of(service, *created, added));
    };
    service.submit(context, std::move(command),
                   [&service, created](const Result<std::vector<Result<deferd::Task>>>& added) {
                     finish(service, created->batch, added);
                   });
  }

  static void batch_delete_tasks(Service& service,
                                 const typename V::BatchDeleteTasksRequest& request,
                                 const Context& context, Done<Operation> done) {
    auto parent = queue_of(request.parent());
    if (!parent) return done(refuse(parent.error()));
    if (request.names_size() == 0)
      return done(refuse_argument("BatchDeleteTasksRequest.names cannot be empty."));
    if (request.names_size() > static_cast<int>(batch_tasks_max)) {
      return done(refuse_argument("BatchDeleteTasksRequest.names has " +
                                  std::to_string(request.names_size()) +
                                  " names; at most 1000 are allowed."));
    }
    DeleteTasks command;
    command.queue = *parent;
    for (const std::string& path : request.names()) {
      auto name = task_of(path);
      if (!name) return done(refuse(name.error()));
      if (name->queue != *parent) {
        return done(refuse_argument("Every task must be in '" + request.parent() + "'; one is '" +
                                    path + "'."));
      }
      command.tasks.push_back(std::move(name->task));
    }
    auto batch = std::make_shared<Batch>(
        begin(service, *parent, "delete", request.parent(), request.request_id(), done));
    if (batch->number.empty()) return;
    command.document = [&service, batch](const std::vector<Result<void>>& deleted) {
      for (std::size_t i = 0; i < deleted.size(); ++i) {
        if (!deleted[i])
          batch->failed[static_cast<int>(i)] = failure_of(deleted[i].error(), Subject::task);
      }
      return batch->keep(service, operation_of<typename V::BatchDeleteTasksMetadata>(
                                      service, *batch, deleted.size(), "BatchDeleteTasksMetadata",
                                      google::protobuf::Empty()));
    };
    service.submit(context, std::move(command),
                   [&service, batch](const Result<std::vector<Result<void>>>& deleted) {
                     finish(service, *batch, deleted);
                   });
  }

  static void get_cmek_config(Service& service, const typename V::GetCmekConfigRequest& request,
                              const Context&, Done<typename V::CmekConfig> done) {
    const auto location = cmek_config_of(request.name());
    if (!location) return done(refuse(location.error()));
    typename V::CmekConfig config;
    config.set_name(request.name());
    config.set_kms_key(service.cmek_configs.get(location->path()));
    done(std::move(config));
  }

  static void update_cmek_config(Service& service,
                                 const typename V::UpdateCmekConfigRequest& request, const Context&,
                                 Done<typename V::CmekConfig> done) {
    const auto location = cmek_config_of(request.cmek_config().name());
    if (!location) return done(refuse(location.error()));
    const auto mask = Mask::parse(request.update_mask(), *V::CmekConfig::descriptor());
    if (!mask) return done(refuse(mask.error()));
    if (mask->touches("kms_key") &&
        !service.cmek_configs.set(location->path(), request.cmek_config().kms_key())) {
      return done(
          refuse(google::rpc::RESOURCE_EXHAUSTED, "Too many locations have an encryption key."));
    }
    typename V::CmekConfig config;
    config.set_name(request.cmek_config().name());
    config.set_kms_key(service.cmek_configs.get(location->path()));
    done(std::move(config));
  }

 private:
  struct Batch {
    std::string number;  // of the operation; empty: it is not ours to carry out
    std::string name;
    Wall begun{};
    std::map<int, Failure> failed;
    // Made on the shard's thread, so that it is in the commit of the tasks; read when that is done.
    Operation operation;

    Document keep(Service& service, Operation made) {
      operation = std::move(made);
      return service.operations.document_of(number, operation, service.clock.now().wall);
    }
  };
  struct Creation {
    Creation(Batch begun, QueueName name) : batch(std::move(begun)), queue(std::move(name)) {}

    Batch batch;
    QueueName queue;
    std::vector<std::pair<int, PreparedTask>> tasks;  // by their index in the request
  };

  static Batch begin(Service& service, const QueueName& parent, std::string_view kind,
                     const std::string& path, const std::string& request_id,
                     Done<Operation>& done) {
    constexpr std::size_t request_id_bytes_max = 100;
    Batch batch;
    if (request_id.size() > request_id_bytes_max) {
      done(refuse_argument("request_id must be a UUID."));
      return batch;
    }
    const std::string request =
        request_id.empty()
            ? ""
            : std::string(V::service) + " " + std::string(kind) + " " + path + " " + request_id;
    if (!service.operations.begin(request, service.clock.now().mono, batch.number, done)) {
      batch.number.clear();
      return batch;
    }
    batch.name =
        LocationName{parent.project, parent.location}.path() + "/operations/" + batch.number;
    batch.begun = service.clock.now().wall;
    return batch;
  }

  static void fail_all(Service& service, const Batch& batch, Failure failure) {
    service.operations.finish(batch.number, service.clock.now().mono, refuse(std::move(failure)));
  }

  template <class Then>
  static void with_queue(Service& service, const QueueName& queue, const Context& context,
                         Then then) {
    GetQueue command;
    command.queue = queue;
    service.submit(context, std::move(command),
                   [then = std::move(then)](const Result<QueueInfo>& info) mutable {
                     if (!info) return then(refuse(failure_of(info.error(), Subject::queue)));
                     then(Outcome<void>());
                   });
  }

  static void finish(Service& service, const Batch& batch) {
    service.operations.finish(batch.number, service.clock.now().mono, batch.operation);
  }
  template <class T>
  static void finish(Service& service, const Batch& batch, const Result<T>& answer) {
    if (!answer) return fail_all(service, batch, failure_of(answer.error(), Subject::queue));
    finish(service, batch);
  }

  static Operation creation_of(Service& service, Creation& creation,
                               const std::vector<Result<deferd::Task>>& added) {
    typename V::BatchCreateTasksResponse response;
    for (std::size_t i = 0; i < added.size(); ++i) {
      const auto& [index, prepared] = creation.tasks[i];
      auto task = TaskCalls<V>::added_task(creation.queue, prepared, added[i]);
      if (task) {
        *response.add_tasks() = std::move(*task);
      } else {
        creation.batch.failed[index] = std::move(task.error());
      }
    }
    const std::size_t all =
        static_cast<std::size_t>(response.tasks_size()) + creation.batch.failed.size();
    return operation_of<typename V::BatchCreateTasksMetadata>(service, creation.batch, all,
                                                              "BatchCreateTasksMetadata", response);
  }

  template <class Metadata, class Response>
  static Operation operation_of(Service& service, const Batch& batch, std::size_t requests,
                                std::string_view metadata_name, const Response& response) {
    Metadata metadata;
    write_time(batch.begun, *metadata.mutable_start_time());
    write_time(service.clock.now().wall, *metadata.mutable_end_time());
    for (const auto& [index, failure] : batch.failed)
      (*metadata.mutable_failed_requests())[index] = failure;
    Operation operation;
    operation.set_name(batch.name);
    operation.set_done(true);
    if (batch.failed.size() == requests) {
      metadata.set_state(Metadata::FAILED);
      operation.mutable_error()->set_code(google::rpc::ABORTED);
      operation.mutable_error()->set_message("None of the requests succeeded, refer to " +
                                             std::string(metadata_name) +
                                             ".failed_requests for individual error details");
    } else {
      metadata.set_state(batch.failed.empty() ? Metadata::SUCCEEDED
                                              : Metadata::PARTIALLY_SUCCEEDED);
      operation.mutable_response()->PackFrom(response);
    }
    operation.mutable_metadata()->PackFrom(metadata);
    return operation;
  }
};

}  // namespace deferd::cloudtasks
