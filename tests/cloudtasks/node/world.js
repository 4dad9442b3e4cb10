// What a group of tests about one version and one transport has to itself.
'use strict';

const { after, before } = require('node:test');
const { makeClient } = require('./clients');
const { startDeferd, startTarget } = require('./harness');

// A deferd, a target and a client for the tests of the enclosing describe(); there from its first test on.
// {deferd, target, client, v2 (another client, of that version), parent, newQueueName(), makeQueue(settings)}.
function makeWorld(version, transport) {
  const world = { parent: 'projects/my-project/locations/us-central1' };
  let made = 0;
  // Each test makes queues of its own, so that none sees another's tasks.
  world.newQueueName = () => `${world.parent}/queues/q${++made}`;
  world.makeQueue = async (settings = {}) => {
    const [queue] = await world.client.createQueue({
      parent: world.parent, queue: { name: world.newQueueName(), ...settings },
    });
    return queue;
  };

  before(async () => {
    world.deferd = await startDeferd();
    world.target = await startTarget();
    world.client = makeClient(version, transport, world.deferd.port);
    world.v2 = makeClient('v2', transport, world.deferd.port);
  });
  after(async () => {
    await world.client?.close();
    await world.v2?.close();
    await world.target?.stop();
    await world.deferd?.stop();
  });
  return world;
}

module.exports = { makeWorld };
