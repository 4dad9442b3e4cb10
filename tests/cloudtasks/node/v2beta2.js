// What Node's v2beta2 client adds to v2, over the transport that is named: pull queues.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { millis, refused, tomorrow } = require('./expect');
const { waitUntil } = require('./harness');
const { makeWorld } = require('./world');

module.exports = function testV2beta2(transport) {
  const world = makeWorld('v2beta2', transport);
  const { makeQueue } = world;

  const lease = (queue, request = {}) =>
    world.client.leaseTasks({ parent: queue.name, maxTasks: 10, leaseDuration: { seconds: 60 }, ...request })
      .then(([answer]) => answer.tasks);
  const pull = () => makeQueue({ pullTarget: {} });
  const add = (queue, payload, tag = '') =>
    world.client.createTask({ parent: queue.name, task: { pullMessage: { payload: Buffer.from(payload), tag } } });

  // CT-220, CT-221, CT-222, CT-223
  test('a lease hides tasks and shows payloads when asked', async () => {
    const queue = await pull();
    await add(queue, 'one');
    await add(queue, 'two');
    const [basic] = await lease(queue, { maxTasks: 1 });
    assert.equal(basic.pullMessage.payload.length, 0);
    assert.equal(basic.status.attemptDispatchCount, 1);
    assert.ok(Math.abs(millis(basic.scheduleTime) - Date.now() - 60000) < 30000);
    const [full] = await lease(queue, { responseView: 'FULL' });
    assert.ok(['one', 'two'].includes(Buffer.from(full.pullMessage.payload).toString()));
    assert.deepEqual(await lease(queue), []);
    await refused(lease(queue, { maxTasks: 1001 }), 'INVALID_ARGUMENT', '1000');
    await refused(world.client.createTask({ parent: queue.name, task: { httpRequest: { url: world.target.url() } } }),
      'INVALID_ARGUMENT', '');
  });

  // CT-225, CT-226
  test('acknowledge, renew and cancel need the lease', async () => {
    const queue = await pull();
    await add(queue, 'one');
    const [leased] = await lease(queue);
    const { name, scheduleTime } = leased;
    const [renewed] = await world.client.renewLease({ name, scheduleTime, leaseDuration: { seconds: 300 } });
    assert.ok(millis(renewed.scheduleTime) > millis(scheduleTime));
    await refused(world.client.acknowledgeTask({ name, scheduleTime }), 'FAILED_PRECONDITION', '');
    const [cancelled] = await world.client.cancelLease({ name, scheduleTime: renewed.scheduleTime });
    assert.ok(millis(cancelled.scheduleTime) <= Date.now() + 1000);
    const [again] = await waitUntil(async () => {
      const tasks = await lease(queue);
      return tasks.length > 0 && tasks;
    }, 'the task to be leasable again');
    await world.client.acknowledgeTask({ name, scheduleTime: again.scheduleTime });
    await refused(world.client.acknowledgeTask({ name, scheduleTime: again.scheduleTime }), 'NOT_FOUND', '');
  });

  // CT-224
  test('a filter leases by tag', async () => {
    const queue = await pull();
    await add(queue, 'a1', 'a');
    await add(queue, 'b1', 'b');
    await add(queue, 'a2', 'a');
    const payloads = (tasks) => tasks.map((task) => Buffer.from(task.pullMessage.payload).toString()).sort();
    assert.deepEqual(payloads(await lease(queue, { filter: 'tag=b', responseView: 'FULL' })), ['b1']);
    assert.deepEqual(payloads(await lease(queue, { filter: 'tag_function=oldest_tag()', responseView: 'FULL' })),
      ['a1', 'a2']);
    await refused(lease(queue, { filter: 'colour=red' }), 'INVALID_ARGUMENT', 'filter');
  });

  // CT-228, CT-230
  test('a paused queue leases nothing; a pull task cannot be run', async () => {
    const queue = await pull();
    const [task] = await add(queue, 'one');
    await refused(world.client.runTask({ name: task.name }), 'FAILED_PRECONDITION', '');
    await world.client.pauseQueue({ name: queue.name });
    await refused(lease(queue), 'FAILED_PRECONDITION', '');
  });

  test('push tasks have the names of this version', async () => {
    const queue = await makeQueue({ appEngineHttpTarget: {}, rateLimits: { maxTasksDispatchedPerSecond: 3 } });
    assert.equal(queue.rateLimits.maxTasksDispatchedPerSecond, 3);
    assert.equal(queue.rateLimits.maxConcurrentTasks, 1000);
    const [task] = await world.client.createTask({
      parent: queue.name,
      task: { appEngineHttpRequest: { relativeUrl: '/work' }, scheduleTime: tomorrow() },
    });
    assert.equal(task.appEngineHttpRequest.relativeUrl, '/work');
    assert.equal((await world.v2.getTask({ name: task.name }))[0].appEngineHttpRequest.relativeUri, '/work');
  });

  // CT-039; the client has this call over gRPC alone.
  test('a queue.yaml is uploaded', { skip: transport !== 'grpc' }, async () => {
    const appId = 'my-application';
    const upload = (text) => world.client.uploadQueueYaml({ appId, httpBody: { data: Buffer.from(text) } });
    await upload('queue:\n- name: mail\n  rate: 5/s\n- name: reports\n  rate: 1/s\n');
    const parent = `projects/${appId}/locations/local`; // of the server, as the call names none
    const [mail] = await world.client.getQueue({ name: `${parent}/queues/mail` });
    assert.equal(mail.rateLimits.maxTasksDispatchedPerSecond, 5);
    await upload('queue:\n- name: mail\n  rate: 5/s\n');
    assert.equal((await world.client.getQueue({ name: `${parent}/queues/reports` }))[0].state, 'DISABLED');
  });
};
