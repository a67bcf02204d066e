// ioredis's Redis.Cluster against six nodes, of which a primary is killed; run by cluster.py.
//
//     ioredis_cluster.js PORT
//
// One client is used from the beginning to the end. A cluster of real redis-servers passes too.
"use strict";

const assert = require("node:assert/strict");
const Redis = require("ioredis");
const { version } = require("ioredis/package.json");
const { ROUNDS, driver, forEachKey, hear, keyOfEachSlot, run, surviveFailover } = require("./cluster.js");

const port = Number(process.argv[2]);
const keys = keyOfEachSlot();

function connect(options) {
  const nodes = [port, port + 1].map((port) => ({ host: "127.0.0.1", port }));
  return new Redis.Cluster(nodes, options);
}

async function followASlotThatMoves(client) {
  await driver("move", "{moving}");
  assert.equal(await client.set("{moving}a", "asked"), "OK");
  assert.equal(await client.get("{moving}a"), "asked");
  await driver("moved", "{moving}");
  assert.equal(await client.get("{moving}a"), "asked");
  assert.equal(await client.set("{moving}b", "moved"), "OK");
  assert.deepEqual(await client.mget("{moving}a", "{moving}b"), ["asked", "moved"]);
}

async function readAll(client) {
  await forEachKey(keys, async (key) => assert.equal(await client.get(key), `of ${key}`));
}

async function useManyKeysAtOnce(client) {
  assert.equal(await client.mset("{t}a", 1, "{t}b", 2), "OK");
  assert.deepEqual(await client.mget("{t}b", "{t}a", "{t}c"), ["2", "1", null]);
  await assert.rejects(client.rename("{t}a", "{u}a"), /CROSSSLOT/);
  const piped = await client.pipeline().set("{t}a", 5).incrby("{t}a", 2).lpush("{t}a", "x").get("{t}b").exec();
  assert.deepEqual([piped[0], piped[1], piped[3]], [[null, "OK"], [null, 7], [null, "2"]]);
  assert.match(piped[2][0].message, /^WRONGTYPE/);
  const done = await client.multi().rpush("{t}list", "a", "b").lrange("{t}list", 0, -1).exec();
  assert.deepEqual(done, [[null, 2], [null, ["a", "b"]]]);
}

async function lookAtAllNodes(client) {
  const primaries = client.nodes("master");
  assert.deepEqual([client.nodes("all").length, primaries.length, client.nodes("slave").length], [6, 3, 3]);
  const seen = new Set();
  for (const node of primaries) {
    for await (const page of node.scanStream({ match: "key:*", count: 1000 })) page.forEach((key) => seen.add(key));
  }
  assert.deepEqual(seen, new Set(keys));
  const sizes = await Promise.all(primaries.map((node) => node.dbsize()));
  assert.ok(sizes.reduce((sum, size) => sum + size) >= keys.length);
}

async function readFromReplicas() {
  const before = Number(await driver("calls", "get"));
  const reader = connect({ scaleReads: "slave" });
  await forEachKey(keys.slice(0, ROUNDS), async (key) => assert.equal(await reader.get(key), `of ${key}`));
  reader.disconnect();
  assert.equal(Number(await driver("calls", "get")), before + ROUNDS);
}

run(async () => {
  const client = connect({ shardedSubscribers: true });
  await followASlotThatMoves(client);
  await forEachKey(keys, (key) => client.set(key, `of ${key}`));
  await readAll(client);
  await useManyKeysAtOnce(client);
  await lookAtAllNodes(client);
  await readFromReplicas();
  const heard = [];
  const note = (channel, message) => heard.push([channel, message]);
  client.on("message", note);
  await client.subscribe("news");
  // Of the slot that is to change its primary.
  const shardChannel = "{counter}news";
  client.on("smessage", note);
  await client.ssubscribe(shardChannel);
  const listen = async () => {
    assert.deepEqual(await hear(heard, () => client.publish("news", "hello")), ["news", "hello"]);
    assert.deepEqual(await hear(heard, () => client.spublish(shardChannel, "hi")), [shardChannel, "hi"]);
  };
  await listen();
  const told = await surviveFailover({
    increment: (key) => client.incr(key),
    set: (key, value) => client.set(key, value),
    wait: (port) => client.nodes("master").find((node) => node.options.port === port).wait(1, 60_000),
    readAll: () => readAll(client),
    listen,
  });
  return `ioredis ${version}, cluster: ${told}`;
});
