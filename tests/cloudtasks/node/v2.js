// Every method of Node's v2 client, over the transport that is named.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { millis, names, refused, tomorrow } = require('./expect');
const { waitUntil } = require('./harness');
const { makeWorld } = require('./world');

const missing = 'Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.';

module.exports = function testV2(transport) {
  const world = makeWorld('v2', transport);
  const { parent, makeQueue } = world;
  // A task of `queue` that is due tomorrow.
  async function makeTask(queue, task = {}, request = {}) {
    const [made] = await world.client.createTask({
      parent: queue.name,
      task: { httpRequest: { url: world.target.url('/later') }, scheduleTime: tomorrow(), ...task },
      ...request,
    });
    return made;
  }

  // CT-001, CT-002
  test('a queue with only a name has the defaults of Google', async () => {
    const queue = await makeQueue();
    assert.equal(queue.rateLimits.maxDispatchesPerSecond, 500);
    assert.equal(queue.rateLimits.maxBurstSize, 100);
    assert.equal(queue.rateLimits.maxConcurrentDispatches, 1000);
    assert.equal(queue.retryConfig.maxAttempts, 100);
    assert.equal(millis(queue.retryConfig.minBackoff), 100);
    assert.equal(millis(queue.retryConfig.maxBackoff), 3600 * 1000);
    assert.equal(queue.retryConfig.maxDoublings, 16);
    assert.equal(queue.state, 'RUNNING');
    assert.equal(queue.retryConfig.maxRetryDuration, null);
    assert.equal(queue.purgeTime, null);
    assert.equal(queue.stackdriverLoggingConfig, null);
    assert.deepEqual((await world.client.getQueue({ name: queue.name }))[0], queue);
  });

  // CT-003, CT-005, CT-021, CT-181
  test('a queue keeps what it is given, and errors bring their details', async () => {
    const queue = await makeQueue({
      rateLimits: { maxDispatchesPerSecond: 0.25, maxConcurrentDispatches: 7 },
      retryConfig: { maxAttempts: -1, maxRetryDuration: { seconds: 90 }, minBackoff: { nanos: 250e6 } },
      appEngineRoutingOverride: { service: 'worker' },
      stackdriverLoggingConfig: { samplingRatio: 0.5 },
    });
    assert.equal(queue.rateLimits.maxDispatchesPerSecond, 0.25);
    assert.equal(queue.rateLimits.maxBurstSize, 10);
    assert.equal(queue.rateLimits.maxConcurrentDispatches, 7);
    assert.equal(queue.retryConfig.maxAttempts, -1);
    assert.equal(millis(queue.retryConfig.maxRetryDuration), 90000);
    assert.equal(millis(queue.retryConfig.minBackoff), 250);
    assert.equal(queue.appEngineRoutingOverride.service, 'worker');
    assert.equal(queue.stackdriverLoggingConfig.samplingRatio, 0.5);

    await refused(world.client.createQueue({ parent, queue }), 'ALREADY_EXISTS', 'Queue already exists');
    await refused(world.client.getQueue({ name: `${parent}/queues/nowhere` }), 'NOT_FOUND', missing);
    const details = await refused(world.client.createQueue({ parent, queue: { name: `${parent}/queues/a_b` } }),
      'INVALID_ARGUMENT', 'Queue name must be formatted');
    assert.deepEqual(details.map((detail) => detail.links[0].description), ['Definition of queue name']);
  });

  // CT-042, CT-044
  test('queues are listed in pages, as a stream, and by a filter', async () => {
    const parent = 'projects/my-project/locations/europe-west1'; // where no other test makes queues
    const all = [1, 2, 3, 4, 5].map((number) => `${parent}/queues/list-${number}`);
    for (const name of all) await world.client.createQueue({ parent, queue: { name } });
    const sizes = [];
    for (let pageToken = undefined; pageToken !== ''; ) {
      const [page, , answer] = await world.client.listQueues({ parent, pageSize: 2, pageToken }, { autoPaginate: false });
      sizes.push(page.length);
      pageToken = answer.nextPageToken;
    }
    assert.deepEqual(sizes, [2, 2, 1]);
    assert.deepEqual(names((await world.client.listQueues({ parent }))[0]), all);
    const streamed = [];
    for await (const queue of world.client.listQueuesAsync({ parent, pageSize: 2 })) streamed.push(queue.name);
    assert.deepEqual(streamed, all);
    await world.client.pauseQueue({ name: all[1] });
    assert.deepEqual(names((await world.client.listQueues({ parent, filter: 'state: PAUSED' }))[0]), [all[1]]);
    await refused(world.client.listQueues({ parent, filter: 'state ! PAUSED' }), 'INVALID_ARGUMENT', 'filter');
  });

  // CT-025, CT-026, CT-028
  test('an update changes what its mask names, and makes a queue that is missing', async () => {
    const { name } = await makeQueue({ retryConfig: { maxAttempts: 9 } });
    let [queue] = await world.client.updateQueue({
      queue: { name, rateLimits: { maxDispatchesPerSecond: 5 }, retryConfig: { maxAttempts: 3 } },
      updateMask: { paths: ['rate_limits.max_dispatches_per_second'] },
    });
    assert.equal(queue.rateLimits.maxDispatchesPerSecond, 5);
    assert.equal(queue.retryConfig.maxAttempts, 9);
    [queue] = await world.client.updateQueue({ queue: { name, rateLimits: { maxConcurrentDispatches: 2 } } });
    assert.equal(queue.rateLimits.maxDispatchesPerSecond, 500);
    assert.equal(queue.rateLimits.maxConcurrentDispatches, 2);
    assert.equal(queue.retryConfig.maxAttempts, 100);
    await refused(world.client.updateQueue({ queue: { name }, updateMask: { paths: ['rate_limits.colour'] } }),
      'INVALID_ARGUMENT', 'colour');
    const other = `${parent}/queues/made-by-update`;
    assert.equal((await world.client.updateQueue({ queue: { name: other } }))[0].name, other);
  });

  // CT-035, CT-037
  test('a paused queue keeps its tasks until it is resumed', async () => {
    const { name } = await makeQueue();
    assert.equal((await world.client.pauseQueue({ name }))[0].state, 'PAUSED');
    const [task] = await world.client.createTask({ parent: name, task: { httpRequest: { url: world.target.url('/paused') } } });
    assert.deepEqual(names((await world.client.listTasks({ parent: name }))[0]), [task.name]);
    assert.equal((await world.client.resumeQueue({ name }))[0].state, 'RUNNING');
    await world.target.arrived('/paused');
  });

  // CT-022, CT-023, CT-040
  test('a purge removes the tasks, a deletion the queue', async () => {
    const queue = await makeQueue();
    const { name } = queue;
    await makeTask(queue);
    const [purged] = await world.client.purgeQueue({ name });
    assert.ok(Math.abs(millis(purged.purgeTime) - Date.now()) < 60000);
    assert.deepEqual((await world.client.listTasks({ parent: name }))[0], []);
    await world.client.deleteQueue({ name });
    await refused(world.client.getQueue({ name }), 'NOT_FOUND', missing);
    await refused(world.client.listTasks({ parent: name }), 'NOT_FOUND', missing);
    await refused(makeTask(queue), 'NOT_FOUND', missing);
    await refused(world.client.deleteQueue({ name }), 'NOT_FOUND', 'Requested entity was not found.');
  });

  // CT-004 (no wait unless it is set), CT-041: the ways to a clean queue that the guide names for tests.
  test('a queue that is made anew has forgotten its names; after a purge they are taken unless it says otherwise', async () => {
    const queue = await makeQueue();
    const task = { name: `${queue.name}/tasks/order_17` };
    await makeTask(queue, task);
    await world.client.purgeQueue({ name: queue.name });
    await refused(makeTask(queue, task), 'ALREADY_EXISTS', 'existed too recently');
    await world.client.deleteQueue({ name: queue.name });
    await world.client.createQueue({ parent, queue: { name: queue.name } });
    await makeTask(queue, task);
    const answer = await fetch(`${world.deferd.url}/v1/${queue.name}`, { method: 'PUT', body: '{"tombstone": "0s"}' });
    assert.equal(answer.status, 200);
    await world.client.purgeQueue({ name: queue.name });
    await makeTask(queue, task);
  });

  // CT-175, CT-176, CT-177
  test('policies are kept, with an etag that guards them', async () => {
    const { name: resource } = await makeQueue();
    const [fresh] = await world.client.getIamPolicy({ resource });
    assert.deepEqual(fresh.bindings, []);
    const bindings = [{ role: 'roles/cloudtasks.enqueuer', members: ['user:a@example.com'], condition: null }];
    const [set] = await world.client.setIamPolicy({ resource, policy: { bindings, etag: fresh.etag } });
    const [policy] = await world.client.getIamPolicy({ resource });
    assert.deepEqual(policy.bindings, bindings);
    assert.deepEqual(policy.etag, set.etag);
    assert.notDeepEqual(policy.etag, fresh.etag);
    const stale = { bindings: [], etag: fresh.etag };
    await refused(world.client.setIamPolicy({ resource, policy: stale }), 'ABORTED', 'policy changes');
    const permissions = ['cloudtasks.tasks.create', 'cloudtasks.queues.get'];
    assert.deepEqual((await world.client.testIamPermissions({ resource, permissions }))[0].permissions, permissions);
    const [none] = await world.client.testIamPermissions({ resource: `${parent}/queues/nowhere`, permissions });
    assert.deepEqual(none.permissions, []);
  });

  // CT-191
  test('locations are there', async () => {
    const [found] = await world.client.getLocation({ name: parent });
    assert.equal(found.locationId, 'us-central1');
    assert.deepEqual(found.labels, { 'cloud.googleapis.com/region': 'us-central1' });
    const listed = [];
    for await (const each of world.client.listLocationsAsync({ name: 'projects/my-project' })) listed.push(each.locationId);
    assert.deepEqual(listed, ['local']);
  });

  // CT-050, CT-054, CT-058, CT-059, CT-060
  test('a task has its defaults, and shows its body when asked', async () => {
    const queue = await makeQueue();
    const body = Buffer.from('hello \u00e9');
    const httpRequest = { url: world.target.url('/later'), headers: { 'X-Mine': 'yes' }, body };
    const basic = await makeTask(queue, { httpRequest });
    assert.match(basic.name, new RegExp(`^${queue.name}/tasks/[0-9]{17,20}$`));
    assert.equal(basic.view, 'BASIC');
    assert.equal(basic.httpRequest.body.length, 0);
    assert.equal(basic.httpRequest.headers['X-Mine'], 'yes');
    assert.equal(basic.httpRequest.httpMethod, 'POST');
    assert.equal(millis(basic.dispatchDeadline), 600000);
    assert.equal(basic.dispatchCount, 0);
    const [full] = await world.client.getTask({ name: basic.name, responseView: 'FULL' });
    assert.equal(full.view, 'FULL');
    assert.deepEqual(Buffer.from(full.httpRequest.body), body);
    const created = await makeTask(queue, { httpRequest }, { responseView: 'FULL' });
    assert.deepEqual(Buffer.from(created.httpRequest.body), body);
    assert.deepEqual((await world.client.getTask({ name: basic.name }))[0], basic);
  });

  // CT-080, CT-083
  test('an App Engine task has its host', async () => {
    const task = await makeTask(await makeQueue(), {
      httpRequest: undefined,
      appEngineHttpRequest: { relativeUri: '/work?a=b', appEngineRouting: { service: 's' }, body: Buffer.from('x') },
    });
    assert.equal(task.messageType, 'appEngineHttpRequest');
    assert.equal(task.appEngineHttpRequest.appEngineRouting.host, 's.my-project.us-central1.r.appspot.com');
    assert.equal(task.appEngineHttpRequest.headers['Content-Type'], 'application/octet-stream');
    assert.equal(task.dispatchDeadline, null);
  });

  // CT-062, CT-063, CT-065, CT-066, CT-090, CT-091, CT-097
  test('a name is used once', async () => {
    const queue = await makeQueue();
    const name = `${queue.name}/tasks/order_17`;
    assert.equal((await makeTask(queue, { name })).name, name);
    await refused(makeTask(queue, { name }), 'ALREADY_EXISTS', 'Requested entity already exists');
    await world.client.deleteTask({ name });
    await refused(makeTask(queue, { name }), 'ALREADY_EXISTS', 'a task with this name existed too recently');
    await refused(world.client.getTask({ name }), 'NOT_FOUND', 'though a task with this name existed recently');
    await refused(world.client.deleteTask({ name }), 'NOT_FOUND', '');
    await refused(world.client.getTask({ name: `${queue.name}/tasks/never` }), 'NOT_FOUND', 'Requested entity was not found.');
    await refused(makeTask(queue, { name: `${parent}/queues/other/tasks/a` }), 'INVALID_ARGUMENT', 'must be the same');
    const details = await refused(makeTask(queue, { name: `${queue.name}/tasks/a.b` }), 'INVALID_ARGUMENT', 'Task ID "a.b"');
    assert.equal(details[0].links[0].description, 'Definition of task ID');
  });

  // CT-093, CT-094, CT-095
  test('tasks are listed in pages, with bodies when asked', async () => {
    const queue = await makeQueue();
    const all = [];
    for (let number = 0; number < 5; ++number) {
      const httpRequest = { url: world.target.url('/later'), body: Buffer.from(`${number}`) };
      all.push((await makeTask(queue, { httpRequest })).name);
    }
    const [first, , answer] = await world.client.listTasks({ parent: queue.name, pageSize: 3 }, { autoPaginate: false });
    assert.equal(first.length, 3);
    const [rest] = await world.client.listTasks({ parent: queue.name, pageSize: 3, pageToken: answer.nextPageToken },
      { autoPaginate: false });
    assert.deepEqual(names([...first, ...rest]).sort(), all.sort());
    const bodies = [];
    for await (const task of world.client.listTasksAsync({ parent: queue.name, responseView: 'FULL' })) {
      bodies.push(Buffer.from(task.httpRequest.body).toString());
    }
    assert.deepEqual(bodies.sort(), ['0', '1', '2', '3', '4']);
    await refused(world.client.listTasks({ parent: queue.name, pageToken: 'garbage' }), 'INVALID_ARGUMENT', 'page');
  });

  // CT-100, CT-101, CT-102, CT-107, CT-108
  test('a task reaches its url with method, headers and body, and with what handlers ask for', async () => {
    const queue = await makeQueue();
    const body = Buffer.from([0, 1, 255]);
    const httpRequest = {
      url: world.target.url('/put?a=b'), httpMethod: 'PUT', headers: { 'X-Mine': 'yes', 'User-Agent': 'mine' }, body,
    };
    const [task] = await world.client.createTask({ parent: queue.name, task: { httpRequest } });
    const [request] = await world.target.arrived('/put?a=b');
    assert.equal(request.method, 'PUT');
    assert.deepEqual(request.body, body);
    const { headers } = request;
    assert.equal(headers['x-mine'], 'yes');
    assert.equal(headers['user-agent'], 'Google-Cloud-Tasks');
    assert.equal(headers['content-type'], undefined);
    assert.equal(headers['x-cloudtasks-queuename'], queue.name.split('/').pop());
    assert.equal(headers['x-cloudtasks-taskname'], task.name.split('/').pop());
    assert.equal(headers['x-cloudtasks-taskretrycount'], '0');
    assert.equal(headers['x-cloudtasks-taskexecutioncount'], '0');
    assert.equal(headers['x-cloudtasks-taskpreviousresponse'], undefined);
    assert.equal(headers['x-cloudtasks-taskretryreason'], undefined);
    assert.ok(Math.abs(Number(headers['x-cloudtasks-tasketa']) * 1000 - millis(task.scheduleTime)) < 1);
  });

  // CT-103, CT-104
  test('attempts are counted, and told what came before', async () => {
    const queue = await makeQueue({ retryConfig: { minBackoff: { nanos: 1e6 }, maxBackoff: { nanos: 1e6 } } });
    const answers = [503, 404, 429, 500, 302, 200];
    const given = [...answers];
    world.target.answer = ({ path }) => (path === '/sequence' ? given.shift() : 200);
    const httpRequest = { url: world.target.url('/sequence') };
    await world.client.createTask({ parent: queue.name, task: { httpRequest } });
    const requests = await world.target.arrived('/sequence', answers.length);
    const all = (name) => requests.map(({ headers }) => headers[`x-cloudtasks-${name}`]);
    assert.deepEqual(all('taskretrycount'), ['0', '1', '2', '3', '4', '5']);
    assert.deepEqual(all('taskexecutioncount'), ['0', '0', '1', '2', '2', '3']);
    assert.deepEqual(all('taskpreviousresponse'), [undefined, '503', '404', '429', '500', '302']);
    assert.deepEqual(all('taskretryreason'), [undefined, '', '', '', '', '']);
  });

  // CT-116, CT-117
  test('a task tells of its attempts', async () => {
    const queue = await makeQueue({ retryConfig: { minBackoff: { seconds: 3600 } } });
    world.target.answer = ({ path }) => (path === '/busy' ? 503 : 200);
    const httpRequest = { url: world.target.url('/busy') };
    const [{ name }] = await world.client.createTask({ parent: queue.name, task: { httpRequest } });
    const task = await waitUntil(async () => {
      const [found] = await world.client.getTask({ name });
      return found.responseCount === 1 && found;
    }, 'the attempt to be counted');
    assert.equal(task.dispatchCount, 1);
    assert.equal(task.firstAttempt.responseTime, null);
    assert.ok(millis(task.firstAttempt.dispatchTime) > 0);
    assert.equal(task.lastAttempt.responseStatus.code, 14);
    assert.equal(task.lastAttempt.responseStatus.message, 'UNAVAILABLE(14): HTTP status code 503');
    assert.ok(millis(task.scheduleTime) > Date.now() + 3000 * 1000);
  });

  // CT-160, CT-161, CT-162, CT-164
  test('run sends a task at once, of a paused queue too', async () => {
    const queue = await makeQueue();
    await world.client.pauseQueue({ name: queue.name });
    const { name } = await makeTask(queue, { httpRequest: { url: world.target.url('/run') } });
    const [run] = await world.client.runTask({ name });
    assert.equal(run.dispatchCount, 1);
    assert.ok(millis(run.lastAttempt.dispatchTime) > 0);
    await world.target.arrived('/run');
    await waitUntil(() => world.client.getTask({ name }).then(() => false, () => true), 'the task to be gone');
    await refused(world.client.runTask({ name }), 'NOT_FOUND', '');
  });
};
