// Google's client, set up for a server without TLS and without credentials, by transport. This is all that a program changes.
'use strict';

const { credentials } = require('@grpc/grpc-js');
const tasks = require('@google-cloud/tasks');
const { GoogleAuth, PassThroughClient } = require('google-auth-library');

process.env.METADATA_SERVER_DETECTION = 'none'; // nobody asks for credentials of a machine of Google's

const transports = {
  grpc: () => ({ sslCreds: credentials.createInsecure() }),
  rest: () => ({
    fallback: 'rest',
    protocol: 'http',
    auth: new GoogleAuth({ authClient: new PassThroughClient() }),
  }),
};

// The client of one version ('v2', 'v2beta3', 'v2beta2') over one transport ('grpc', 'rest').
function makeClient(version, transport, port) {
  return new tasks[version].CloudTasksClient({
    apiEndpoint: 'localhost', port, projectId: 'my-project', ...transports[transport](),
  });
}

module.exports = { makeClient };
