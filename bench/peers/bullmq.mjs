// BullMQ under the same closed loop as the others: N callers in one Node process, each waiting for its answer before its
// next call. One line of JSON, as from deferd_bench_client.
//
//   node bullmq.mjs add|bulk|worker PORT REDIS_PID CALLERS BATCH PAYLOAD_BYTES WARMUP_SECONDS SECONDS
//
// worker: jobs are preloaded, then one Worker processes CALLERS of them at once; no producer runs meanwhile.
import {readFileSync, readdirSync} from 'node:fs';
import {Queue, Worker} from 'bullmq';

const [mode, ...numbers] = process.argv.slice(2);
const [port, redisPid, callers, batch, payloadBytes, warmupSeconds, seconds] = numbers.map(Number);
const connection = {host: '127.0.0.1', port, maxRetriesPerRequest: null};
const now = () => Number(process.hrtime.bigint()) / 1e6;  // ms

// A window sliding over random letters, as next_payload() of the client.
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const pool = Array.from({length: 1 << 20}, () => letters[Math.floor(Math.random() * 64)]).join('');
let at = 0;
function payload() {
  at = (at + 7919) % (pool.length - payloadBytes);
  return pool.slice(at, at + payloadBytes);
}

function sample() {
  const own = process.cpuUsage();
  // Fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms; the name in parentheses may hold spaces.
  const fields = readFileSync(`/proc/${redisPid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  const flushes = readdirSync('/sys/block').filter((disk) => !disk.startsWith('loop')).map((disk) =>
    Number(readFileSync(`/sys/block/${disk}/stat`, 'utf8').trim().split(/\s+/)[15] ?? 0));
  return {
    at: now(),
    client: (own.user + own.system) / 1e6,
    server: (Number(fields[11]) + Number(fields[12])) / 100,
    flushes: flushes.reduce((a, b) => a + b, 0),
  };
}

let begin;           // the sample at the end of the warm-up; nothing counts before
let tasks = 0;
const rounds = [];   // ms
let stopping = false;

function count(done, since) {
  if (!begin || stopping) return;
  tasks += done;
  if (since !== undefined) rounds.push(now() - since);
}

function report() {
  const end = sample();
  const spent = (end.at - begin.at) / 1000;
  rounds.sort((a, b) => a - b);
  const percentile = (share) => rounds.length ? rounds[Math.min(rounds.length - 1, Math.floor(share * rounds.length))] : 0;
  console.log(JSON.stringify({
    tasks, seconds: spent, per_second: tasks / spent, p50_ms: percentile(0.5), p99_ms: percentile(0.99),
    p999_ms: percentile(0.999), client_cpu: end.client - begin.client, server_cpu: end.server - begin.server,
    flushes: end.flushes - begin.flushes, errors: 0,
  }));
}

const sleep = (s) => new Promise((resolve) => setTimeout(resolve, s * 1000));
const options = {removeOnComplete: true, removeOnFail: true};
const job = () => ({name: 't', data: payload(), opts: options});
const queue = new Queue('bench', {connection});

async function add() {
  const caller = async () => {
    while (!stopping) {
      const since = now();
      if (batch === 1) await queue.add('t', payload(), options);
      else await queue.addBulk(Array.from({length: batch}, job));
      count(batch, since);
    }
  };
  const all = Array.from({length: callers}, caller);
  await sleep(warmupSeconds);
  begin = sample();
  await sleep(seconds);
  report();
  stopping = true;
  await Promise.all(all);
}

async function work() {
  // More than any worker has been seen to process in the time; if they end early, so does the measurement.
  let left = Math.ceil(40_000 * (warmupSeconds + seconds));
  for (let i = 0; i < left; i += 1000) await queue.addBulk(Array.from({length: 1000}, job));
  let drained;
  const empty = new Promise((resolve) => { drained = resolve; });
  const worker = new Worker('bench', async () => {
    count(1);
    if (--left === 0) drained();
  }, {connection, concurrency: callers});
  await sleep(warmupSeconds);
  begin = sample();
  await Promise.race([sleep(seconds), empty]);
  report();
  stopping = true;
  await worker.close(true);
}

await (mode === 'worker' ? work() : add());
process.exit(0);
