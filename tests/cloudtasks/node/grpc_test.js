// Node's clients over gRPC.
'use strict';

const { describe } = require('node:test');

// CT-240
describe('v2 over gRPC', () => {
  require('./v2')('grpc');
});
describe('v2beta3 over gRPC', () => {
  require('./v2beta3')('grpc');
});
describe('v2beta2 over gRPC', () => {
  require('./v2beta2')('grpc');
});
