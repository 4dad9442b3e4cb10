// Bytes of the envelope: what is read, what is written, and what is none.
#include "api/appengine/envelope.h"

#include <gtest/gtest.h>

#include "api/appengine/java_exception.h"
#include "api/appengine/wire_reader.h"
#include "api/http/text.h"

namespace deferd::appengine {
namespace {

using namespace std::string_literals;

wire::Request sample() {
  wire::Request request;
  request.set_service_name("taskqueue");
  request.set_method("BulkAdd");
  request.set_request("\0\x01 bytes"s);
  request.set_request_id("ticket");
  return request;
}

TEST(Envelope, ReadsWhatProtobufWrites) {
  const std::string bytes = sample().SerializeAsString();
  const auto view = read_envelope(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->service, "taskqueue");
  EXPECT_EQ(view->method, "BulkAdd");
  EXPECT_EQ(view->request, "\0\x01 bytes"s);
  EXPECT_EQ(view->request_id, "ticket");
}

// GAE-015
TEST(Envelope, PassesOverFieldsThatItDoesNotKnow) {
  wire::Request request = sample();
  auto* unknown = request.mutable_unknown_fields();
  unknown->AddVarint(100, 7);
  unknown->AddFixed32(101, 7);
  unknown->AddFixed64(102, 7);
  unknown->AddLengthDelimited(103, "x");
  unknown->AddGroup(104)->AddLengthDelimited(2, "a service within a group is not ours");
  const std::string bytes = request.SerializeAsString();
  const auto view = read_envelope(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->service, "taskqueue");
}

TEST(Envelope, IsNoneWhenARequiredFieldIsMissingOrBytesAreDamaged) {
  for (const auto& clear : {&wire::Request::clear_service_name, &wire::Request::clear_method,
                            &wire::Request::clear_request}) {
    wire::Request request = sample();
    (request.*clear)();
    EXPECT_FALSE(read_envelope(request.SerializePartialAsString()));
  }
  wire::Request without_id = sample();
  without_id.clear_request_id();
  EXPECT_TRUE(read_envelope(without_id.SerializeAsString()));
  for (const std::string& bytes :
       {""s, "{}"s, "\xff"s, "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "\x0c"s, "\x07"s,
        "\x00"s}) {
    EXPECT_FALSE(read_envelope(bytes));
    EXPECT_FALSE(read_envelope(sample().SerializeAsString() + (bytes.empty() ? "\x0b"s : bytes)));
  }
}

// Whatever protobuf takes for an envelope is one, and the other way round.
TEST(Envelope, AgreesWithProtobufWhereverItIsCut) {
  const std::string bytes = sample().SerializeAsString();
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    wire::Request reference;
    const bool parses = reference.ParsePartialFromString(cut) && reference.IsInitialized();
    EXPECT_EQ(read_envelope(cut).has_value(), parses) << size;
  }
}

// GAE-007
TEST(Envelope, AnErrorAlwaysHasItsDetail) {
  // application_error { code: 10 detail: "" }: Go and Java refuse it without the last two bytes.
  EXPECT_EQ(envelope_of(refusal(Service::TASK_ALREADY_EXISTS, "")), "\x1a\x04\x08\x0a\x12\x00"s);
  EXPECT_EQ(envelope_of(rpc_failure(Rpc::CALL_NOT_FOUND, "why")), "\x2a\x07\x08\x01\x12\x03why"s);
}

// GAE-008
TEST(Envelope, AnEmptyAnswerIsThere) {
  EXPECT_EQ(envelope_of(wire::TaskQueuePurgeQueueResponse()), "\x0a\x00"s);
}

// GAE-016
TEST(Envelope, ResultsOfABatchAreGroups) {
  wire::TaskQueueBulkAddResponse response;
  auto* result = response.add_taskresult();
  result->set_result(Service::OK);
  result->set_chosen_task_name("chosen-0");
  EXPECT_EQ(response.SerializeAsString(), "\x0b\x10\x00\x1a\x08\x63hosen-0\x0c"s);
  EXPECT_EQ(envelope_of(response), "\x0a\x0e"s + response.SerializeAsString());
}

// GAE-017
TEST(Envelope, ResultsOfADeleteAreNotPacked) {
  wire::TaskQueueDeleteResponse response;
  response.add_result(Service::OK);
  response.add_result(Service::UNKNOWN_TASK);
  response.add_result(Service::TOMBSTONED_TASK);
  EXPECT_EQ(response.SerializeAsString(), "\x18\x00\x18\x0e\x18\x0b"s);
}

TEST(Envelope, LongAnswersHaveTheirLength) {
  wire::TaskQueueAddResponse answer;
  answer.set_chosen_task_name(std::string(100'000, 'n'));
  wire::Response response;
  ASSERT_TRUE(response.ParseFromString(envelope_of(answer)));
  EXPECT_EQ(response.response(), answer.SerializeAsString());
}

// The sample of the two Java SDKs that it was taken from, byte for byte.
constexpr std::string_view java_sample =
    "rO0ABXNyADdjb20uZ29vZ2xlLmFwcGhvc3RpbmcuYXBpLkFwaVByb3h5JEFwcGxpY2F0aW9uRXhjZXB0aW9uXvb1CiA4"
    "hZsCAAJJABBhcHBsaWNhdGlvbkVycm9yTAALZXJyb3JEZXRhaWx0ABJMamF2YS9sYW5nL1N0cmluZzt4cgA0Y29tLmdv"
    "b2dsZS5hcHBob3N0aW5nLmFwaS5BcGlQcm94eSRBcGlQcm94eUV4Y2VwdGlvbpBQaGF9p3sUAgAAeHIAGmphdmEubGFu"
    "Zy5SdW50aW1lRXhjZXB0aW9unl8GRwo0g+UCAAB4cgATamF2YS5sYW5nLkV4Y2VwdGlvbtD9Hz4aOxzEAgAAeHIAE2ph"
    "dmEubGFuZy5UaHJvd2FibGXVxjUnOXe4ywMABEwABWNhdXNldAAVTGphdmEvbGFuZy9UaHJvd2FibGU7TAANZGV0YWls"
    "TWVzc2FnZXEAfgABWwAKc3RhY2tUcmFjZXQAHltMamF2YS9sYW5nL1N0YWNrVHJhY2VFbGVtZW50O0wAFHN1cHByZXNz"
    "ZWRFeGNlcHRpb25zdAAQTGphdmEvdXRpbC9MaXN0O3hwcQB+AAl0ABxBcHBsaWNhdGlvbkVycm9yOiAxMDogZGV0YWls"
    "dXIAHltMamF2YS5sYW5nLlN0YWNrVHJhY2VFbGVtZW50OwJGKjw8/SI5AgAAeHAAAAAAc3IAH2phdmEudXRpbC5Db2xs"
    "ZWN0aW9ucyRFbXB0eUxpc3R6uBe0PKee3gIAAHhweAAAAAp0AAZkZXRhaWw=";

TEST(JavaException, IsThatOfTheSdk) {
  EXPECT_EQ(java_application_exception(10, "detail"), decode_base64(java_sample));
}

TEST(JavaException, HasTheCodeAndTheDetail) {
  const std::string bytes = java_application_exception(25, "lease\xc3\xa9\0!"s);
  EXPECT_TRUE(
      bytes.ends_with("\x00\x00\x00\x19t\x00\x09lease"
                      "?"
                      "?"
                      "?"
                      "!"s));
  EXPECT_NE(bytes.find("\x00\x1f"
                       "ApplicationError: 25: lease"
                       "?"
                       "?"
                       "?"
                       "!"s),
            std::string::npos);
  EXPECT_LT(java_application_exception(1, std::string(1'000'000, 'x')).size(), 200'000U);
}

TEST(JavaException, StandsBesideTheError) {
  wire::Response response;
  ASSERT_TRUE(response.ParseFromString(java_envelope_of(refusal(Service::UNKNOWN_QUEUE, "no"))));
  EXPECT_EQ(response.application_error().code(), 1);
  EXPECT_EQ(response.java_exception(), java_application_exception(1, "no"));
  // What would be an error of the platform, Java's remote tools are told as TRANSIENT_ERROR.
  ASSERT_TRUE(response.ParseFromString(java_envelope_of(rpc_failure(Rpc::CANCELLED, "stopping"))));
  EXPECT_EQ(response.java_exception(), java_application_exception(2, "stopping"));
}

TEST(WireReader, CountsFieldsOfGroupsToo) {
  wire::TaskQueueAddRequest request;
  request.set_queue_name("q");
  for (int i = 0; i < 10; ++i) {
    auto* header = request.add_header();
    header->set_key("k");
    header->set_value("v");
  }
  const std::string bytes = request.SerializePartialAsString();
  EXPECT_EQ(count_fields(bytes, 1000), 1U + 10 * 4);
  EXPECT_EQ(count_fields(bytes, 5), 6U) << "it stops counting";
}

}  // namespace
}  // namespace deferd::appengine
