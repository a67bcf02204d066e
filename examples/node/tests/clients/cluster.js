// What the programs of JavaScript's client libraries share: a way to ask cluster.py, which runs the nodes, and keys of all slots.
"use strict";

const assert = require("node:assert/strict");
const readline = require("node:readline");
const keySlot = require("cluster-key-slot");

const LIMIT_MS = 60_000;
const ROUNDS = 50;

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the program that runs the nodes, as cluster.py says. */
async function driver(...words) {
  process.stdout.write(`!${words.join(" ")}\n`);
  const { value } = await answers.next();
  return value;
}

/** What a client answers once it answers with something; errors are borne for a while. */
async function keepTrying(attempt) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    let error = "nothing";
    try {
      const answer = await attempt();
      if (answer !== undefined && answer !== null) return answer;
    } catch (caught) {
      error = caught;
    }
    assert.ok(Date.now() < deadline, `the client does not recover: ${error}`);
    // Lets connections and timers have their turn.
    await new Promise(setImmediate);
  }
}

/** Publishes until it is heard, for what crosses the bus may get lost there. Listeners put what they hear into `heard`. */
async function hear(heard, publish) {
  heard.length = 0;
  return keepTrying(async () => {
    await publish();
    const until = Date.now() + 200;
    while (heard.length === 0 && Date.now() < until) await new Promise(setImmediate);
    return heard[0];
  });
}

/** A key of every slot. */
function keyOfEachSlot() {
  const keys = new Map();
  for (let number = 0; keys.size < 16384; number++) {
    const key = `key:${number}`;
    if (!keys.has(keySlot(key))) keys.set(keySlot(key), key);
  }
  return [...keys.values()];
}

/** Does something for every key, many at a time. */
async function forEachKey(keys, act) {
  for (let at = 0; at < keys.length; at += 2048) await Promise.all(keys.slice(at, at + 2048).map(act));
}

/**
 * Kills the primary of a counter that a client goes on incrementing, brings it back and has it lead again. `client` gives
 * `increment(key)`, `set(key, value)`, `wait(port)` for WAIT at a primary, `readAll()`, and `listen()`, which demands that
 * subscriptions work. Returns what there is to tell.
 */
async function surviveFailover(client) {
  let counted = 0;
  const count = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const now = await keepTrying(() => client.increment("counter"));
      assert.ok(now > counted, `${now} after ${counted}`);
      counted = now;
    }
  };
  await count();
  const victim = Number(await driver("primary", "counter"));
  assert.ok((await client.wait(victim)) >= 1);
  await driver("kill", victim);
  const began = Date.now();
  await keepTrying(() => client.set("{counter}after", "written"));
  const passed = (Date.now() - began) / 1000;
  await count();
  await client.readAll();
  await client.listen();
  await driver("restart", victim);
  await count();
  await driver("lead", victim);
  assert.equal(Number(await driver("primary", "counter")), victim);
  await count();
  await client.listen();
  return `writes went on after ${passed.toFixed(1)} s`;
}

/** Runs a program and ends the process with its verdict, whatever still runs in it. */
function run(main) {
  main().then(
    (told) => {
      console.log(told);
      process.exit(0);
    },
    (error) => {
      console.log(error.stack ?? error);
      process.exit(1);
    },
  );
}

module.exports = { ROUNDS, driver, forEachKey, hear, keepTrying, keyOfEachSlot, run, surviveFailover };
