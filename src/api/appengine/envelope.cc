#include "api/appengine/envelope.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include "api/appengine/java_exception.h"
#include "api/appengine/wire_reader.h"
#include "api/http/text.h"
#include "base/assert.h"

namespace deferd::appengine {
namespace {

// A detail may repeat what the caller sent. It is a string to every SDK, and none reads one that is
// no UTF-8.
std::string readable(const std::string& detail) {
  if (is_utf8(detail)) return detail;
  std::string text = detail;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

wire::Response response_of(const RpcFailure& failure) {
  wire::Response response;
  if (failure.application) {
    wire::ApplicationError* error = response.mutable_application_error();
    error->set_code(failure.code);
    error->set_detail(readable(failure.detail));
  } else {
    wire::RpcError* error = response.mutable_rpc_error();
    error->set_code(failure.code);
    error->set_detail(readable(failure.detail));
  }
  return response;
}

}  // namespace

RpcFailure refusal(ErrorCode code, std::string detail) { return {true, code, std::move(detail)}; }
RpcFailure rpc_failure(wire::RpcError::Code code, std::string detail) {
  return {false, code, std::move(detail)};
}

std::optional<EnvelopeView> read_envelope(std::string_view body) {
  EnvelopeView envelope;
  bool has_service = false;
  bool has_method = false;
  bool has_request = false;
  WireReader reader(body);
  int open_groups = 0;  // of fields that nobody knows; what is in them is not ours
  for (WireReader::Field field; reader.next(field);) {
    if (field.type == WireReader::Type::group_start) ++open_groups;
    if (field.type == WireReader::Type::group_end && --open_groups < 0) return std::nullopt;
    if (field.type != WireReader::Type::bytes || open_groups > 0) continue;
    switch (field.number) {
      case wire::Request::kServiceNameFieldNumber:
        envelope.service = field.bytes;
        has_service = true;
        break;
      case wire::Request::kMethodFieldNumber:
        envelope.method = field.bytes;
        has_method = true;
        break;
      case wire::Request::kRequestFieldNumber:
        envelope.request = field.bytes;
        has_request = true;
        break;
      case wire::Request::kRequestIdFieldNumber:
        envelope.request_id = field.bytes;
        break;
      default:
        break;
    }
  }
  if (!reader.ok() || open_groups != 0 || !has_service || !has_method || !has_request) {
    return std::nullopt;
  }
  return envelope;
}

// Response{response: answer}, without a copy of the answer in between. The field is there even when
// the answer is empty: to Go, no field is success without a result.
std::string envelope_of(const google::protobuf::MessageLite& answer) {
  using google::protobuf::io::CodedOutputStream;
  DEFERD_ASSERT(answer.IsInitialized());
  const std::size_t size = answer.ByteSizeLong();
  constexpr std::uint8_t tag = wire::Response::kResponseFieldNumber << 3 | 2;
  const std::size_t head = 1 + CodedOutputStream::VarintSize64(size);
  std::string bytes(head + size, '\0');
  auto* at = reinterpret_cast<std::uint8_t*>(bytes.data());
  *at++ = tag;
  at = CodedOutputStream::WriteVarint64ToArray(size, at);
  at = answer.SerializeWithCachedSizesToArray(at);
  DEFERD_ASSERT(at == reinterpret_cast<std::uint8_t*>(bytes.data()) + bytes.size());
  return bytes;
}

std::string envelope_of(const RpcFailure& failure) {
  return response_of(failure).SerializeAsString();
}

std::string java_envelope_of(const RpcFailure& failure) {
  wire::Response response = response_of(failure);
  // Java's remote tools know no other error; what the platform failed at is INTERNAL or TRANSIENT
  // to them (GAE-spec 1.7).
  const int code = failure.application ? failure.code : static_cast<int>(Service::TRANSIENT_ERROR);
  response.set_java_exception(java_application_exception(code, failure.detail));
  return response.SerializeAsString();
}

}  // namespace deferd::appengine
