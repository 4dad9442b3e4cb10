// What answers of Google's client are held against.
'use strict';

const assert = require('node:assert/strict');
const { status } = require('@grpc/grpc-js');

// That `call` fails with the code named `code` and a message that has `text`; the error.
async function refused(call, code, text) {
  const error = await call.then(() => assert.fail(`no error; expected ${code}`), (failure) => failure);
  assert.equal(status[error.code] ?? error.code, code, error.message);
  assert.ok(error.message.includes(text), `"${error.message}" has not "${text}"`);
  return error;
}

// Milliseconds since 1970 of a google.protobuf.Timestamp, and milliseconds of a google.protobuf.Duration.
const millis = ({ seconds, nanos }) => Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6;

// A google.protobuf.Timestamp that this run does not see the end of.
const tomorrow = () => ({ seconds: Math.floor(Date.now() / 1000) + 86400 });

const names = (items) => items.map((item) => item.name);

module.exports = { millis, names, refused, tomorrow };
