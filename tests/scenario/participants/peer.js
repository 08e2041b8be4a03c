// peer.js: as peer.sh, for the lock libraries of npm. Modules of Debian packages are found through NODE_PATH.
'use strict';

let library;
try {
  library = require('proper-lockfile');
} catch {
  library = undefined;
}
const held = new Map();

async function enter(path) {
  if (!library) return 'absent';
  try {
    const release = await library.lock(path, { realpath: false, lockfilePath: path, retries: 0 });
    held.set(path, release);
    return 'in';
  } catch (refusal) {
    return refusal.code === 'ELOCKED' ? 'out' : 'error';
  }
}

async function leave(path) {
  const release = held.get(path);
  held.delete(path);
  await release();
  return 'left';
}

async function obey() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const [, verb, path] = line.match(/^\S+ (\S+) (.*)$/);
    process.stdout.write((await (verb === 'enter' ? enter(path) : leave(path))) + '\n');
  }
  process.exit(0);
}

obey();
