// What Node's v2beta3 client adds to v2, over the transport that is named: lifetimes, statistics, batches, CMEK.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { protos } = require('@google-cloud/tasks');
const { millis, names, refused, tomorrow } = require('./expect');
const { makeWorld } = require('./world');

const { BatchCreateTasksMetadata, BatchDeleteTasksMetadata } = protos.google.cloud.tasks.v2beta3;

module.exports = function testV2beta3(transport) {
  const world = makeWorld('v2beta3', transport);
  const { parent, makeQueue } = world;

  const waiting = (name) => ({
    name, httpRequest: { url: world.target.url('/later') }, scheduleTime: tomorrow(),
  });

  // CT-016, CT-017, CT-201, CT-204
  test('a queue has a type, lifetimes and a burst of its own', async () => {
    const queue = await makeQueue({
      rateLimits: { maxBurstSize: 7 }, taskTtl: { seconds: 20 * 86400 }, tombstoneTtl: { seconds: 7200 },
    });
    assert.equal(queue.type, 'PUSH');
    assert.equal(queue.rateLimits.maxBurstSize, 7);
    assert.equal(millis(queue.taskTtl), 20 * 86400 * 1000);
    assert.equal(millis(queue.tombstoneTtl), 7200 * 1000);
    assert.equal((await world.v2.getQueue({ name: queue.name }))[0].rateLimits.maxBurstSize, 7);
    const [updated] = await world.client.updateQueue({
      queue: { name: queue.name, rateLimits: { maxDispatchesPerSecond: 1 } },
      updateMask: { paths: ['rate_limits.max_dispatches_per_second'] },
    });
    assert.equal(updated.rateLimits.maxBurstSize, 10);
    await refused(makeQueue({ rateLimits: { maxBurstSize: 501 } }), 'INVALID_ARGUMENT', '500');
  });

  // CT-202, CT-203
  test('statistics come when the read mask names them', async () => {
    const { name } = await makeQueue();
    await world.client.createTask({ parent: name, task: waiting() });
    assert.equal((await world.client.getQueue({ name }))[0].stats, null);
    const [queue] = await world.client.getQueue({ name, readMask: { paths: ['stats'] } });
    assert.equal(Number(queue.stats.tasksCount), 1);
    assert.equal(queue.retryConfig, null);
    const [listed] = await world.client.listQueues({ parent, readMask: { paths: ['name', 'stats'] } });
    assert.equal(Number(listed.find((each) => each.name === name).stats.tasksCount), 1);
  });

  test('a queue keeps where its HTTP tasks go', async () => {
    const { name } = await makeQueue({
      httpTarget: { uriOverride: { host: 'example.com', port: 8080 }, httpMethod: 'PUT' },
    });
    const [{ httpTarget }] = await world.client.getQueue({ name });
    assert.equal(httpTarget.uriOverride.host, 'example.com');
    assert.equal(Number(httpTarget.uriOverride.port), 8080);
    assert.equal(httpTarget.httpMethod, 'PUT');
  });

  // CT-141, CT-200
  test('a task has retry settings of its own', async () => {
    const { name } = await makeQueue();
    const [task] = await world.client.createTask({ parent: name, task: { ...waiting(), retryConfig: { maxAttempts: 2 } } });
    assert.equal(task.payloadType, 'httpRequest');
    const [found] = await world.client.getTask({ name: task.name });
    assert.equal(found.retryConfig.maxAttempts, 2);
  });

  // CT-205, CT-206, CT-207
  test('a batch makes what it can, and its operation says what it could not', async () => {
    const { name } = await makeQueue();
    const request = {
      parent: name,
      requestId: '6a7d3f0e-64c4-4d0b-b3a4-3c5c4a7c9d10',
      requests: [
        { parent: name, task: waiting(`${name}/tasks/a`) },
        { parent: name, task: { httpRequest: { url: '' } } },
        { parent: name, task: waiting(`${name}/tasks/b`) },
      ],
    };
    const [operation] = await world.client.batchCreateTasks(request);
    const [response, metadata] = await operation.promise();
    assert.deepEqual(names(response.tasks).sort(), [`${name}/tasks/a`, `${name}/tasks/b`]);
    assert.equal(metadata.state, BatchCreateTasksMetadata.State.PARTIALLY_SUCCEEDED);
    assert.equal(metadata.failedRequests['1'].message, 'HttpRequest.url is required.');
    assert.equal((await world.client.batchCreateTasks(request))[0].name, operation.name);
    assert.equal((await world.client.listTasks({ parent: name }))[0].length, 2);

    const [bad] = await world.client.batchCreateTasks({ parent: name, requests: [request.requests[1]] });
    await refused(bad.promise(), 'ABORTED', 'failed_requests');
    await refused(world.client.batchCreateTasks({ parent: name, requests: [] }), 'INVALID_ARGUMENT', '');
  });

  // CT-208
  test('a batch deletes, and its operation is found again', async () => {
    const { name } = await makeQueue();
    await world.client.createTask({ parent: name, task: waiting(`${name}/tasks/a`) });
    const all = [`${name}/tasks/a`, `${name}/tasks/never`];
    const [operation] = await world.client.batchDeleteTasks({ parent: name, names: all });
    const [, metadata] = await operation.promise();
    assert.equal(metadata.state, BatchDeleteTasksMetadata.State.PARTIALLY_SUCCEEDED);
    assert.deepEqual(Object.keys(metadata.failedRequests), ['1']);
    const again = await world.client.checkBatchDeleteTasksProgress(operation.name);
    assert.equal(again.done, true);
    assert.equal(again.metadata.state, metadata.state);
    assert.deepEqual((await world.client.listTasks({ parent: name }))[0], []);
  });

  test('the CMEK configuration is given back', async () => {
    const name = `${parent}/cmekConfig`;
    const kmsKey = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
    await world.client.updateCmekConfig({ cmekConfig: { name, kmsKey }, updateMask: { paths: ['kms_key'] } });
    assert.deepEqual((await world.client.getCmekConfig({ name }))[0], { name, kmsKey });
  });
};
