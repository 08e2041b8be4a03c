// worker.js PLACE: as worker.cpp, for npm's write-file-atomic and cacache.
'use strict';

const cacache = require('cacache');
const fs = require('fs');
const path = require('path');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const writeFileAtomic = require('write-file-atomic');

const place = process.argv[2];
const cache = path.join(place, 'cacache');
const block = Buffer.alloc(1 << 20, 'x');

function* blocks(size) {
  for (let left = size; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
}

async function fill(size) {
  const key = String(size);
  await pipeline(Readable.from(blocks(size)), cacache.put.stream(cache, key));
  return key;
}

// Reads and checks the content, as every get of cacache does; what it brings is thrown away.
async function hit(key) {
  const content = cacache.get.stream(cache, key);
  content.resume();
  await content.promise();
}

function publishing(size, fsync) {
  const content = Buffer.alloc(size, 'x');
  return { run: () => writeFileAtomic(path.join(place, 'node'), content, { fsync }) };
}

const operations = {
  'write-file-atomic-visible': async (size) => publishing(size, false),
  'write-file-atomic-consistent': async (size) => publishing(size, true),
  'cacache-info': async (size) => {
    const key = await fill(size);
    return { run: () => cacache.get.info(cache, key) };
  },
  'cacache-hit': async (size) => {
    const key = await fill(size);
    return { run: () => hit(key) };
  },
  'cacache-mirror': async (size) => {
    const key = await fill(size);
    const target = path.join(place, 'cacache.mirror');
    return { run: () => cacache.get.copy(cache, key, target), prepare: () => fs.rmSync(target, { force: true }) };
  },
};

async function obey() {
  const known = new Map();
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const [name, size, times] = line.split(' ');
    const key = `${name} ${size}`;
    if (!known.has(key)) known.set(key, await operations[name](Number(size)));
    const { run, prepare } = known.get(key);
    const took = [];
    for (let n = 0; n < Number(times); ++n) {
      if (prepare) prepare();
      const began = process.hrtime.bigint();
      await run();
      took.push(process.hrtime.bigint() - began);
    }
    process.stdout.write(took.join(' ') + '\n');
  }
}

obey().catch((failure) => {
  console.error(`worker.js: ${failure.message}`);
  process.exit(1);
});
