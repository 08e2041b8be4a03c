// taker.js KIND PATH: as taker.cpp, for npm's proper-lockfile. It comes without a way of waiting but for retries that its
// user describes: here each 50 ms, as Python's filelock does.
'use strict';

const { lock } = require('proper-lockfile');
const path = process.argv[3];
const options = { realpath: false, lockfilePath: path, retries: { forever: true, factor: 1, minTimeout: 50, maxTimeout: 50 } };
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const now = () => process.hrtime.bigint();

function spend(ns) {
  if (ns > 0n) {
    Atomics.wait(sleeper, 0, 0, Number(ns) / 1e6);
    return;
  }
  for (const end = now() - ns; now() < end;);
}

function cpu() {
  const used = process.cpuUsage();
  return used.user + used.system;
}

async function takeTurns(begin, end, hold, think) {
  const turns = [];
  spend(begin > now() ? begin - now() : 0n);
  const before = cpu();
  while (now() < end) {
    const release = await lock(path, options);
    const acquired = now();
    if (acquired < end) {
      spend(hold);
      turns.push(`${acquired}:${now()}`);
    }
    await release();
    if (think !== 0n) spend(think);
  }
  process.stdout.write([cpu() - before, ...turns].join(' ') + '\n');
}

async function obey() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    await takeTurns(...line.split(' ').map(BigInt));
  }
  process.exit(0);
}

obey();
