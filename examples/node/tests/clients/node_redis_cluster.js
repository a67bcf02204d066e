// node-redis's createCluster against six nodes, of which a primary is killed; run by cluster.py.
//
//     node_redis_cluster.js PROTOCOL PORT
//
// One client is used from the beginning to the end. A cluster of real redis-servers passes too.
"use strict";

const assert = require("node:assert/strict");
const { createCluster } = require("redis");
const { version } = require("@redis/client/package.json");
const { ROUNDS, driver, forEachKey, hear, keepTrying, keyOfEachSlot, run, surviveFailover } = require("./cluster.js");

const [protocol, port] = process.argv.slice(2).map(Number);
const keys = keyOfEachSlot();

async function connect(options) {
  const rootNodes = [port, port + 1].map((port) => ({ url: `redis://127.0.0.1:${port}` }));
  // Requests to a node that is gone fail, rather than wait for that node.
  const client = createCluster({ rootNodes, RESP: protocol, defaults: { disableOfflineQueue: true }, ...options });
  // A node that is gone is told of here; what becomes of requests is looked at below.
  client.on("error", () => {});
  client.on("node-error", () => {});
  await client.connect();
  return client;
}

/**
 * The library looks for a slot's node anew only when some node says MOVED, with redis-servers, too: after a request failed, one to
 * any node makes it look.
 */
async function lookAgain(client, request) {
  try {
    return await request;
  } catch (error) {
    await client.sendCommand(undefined, true, ["GET", "counter"]).catch(() => {});
    throw error;
  }
}

async function followASlotThatMoves(client) {
  await driver("move", "{moving}");
  assert.equal(await client.set("{moving}a", "asked"), "OK");
  assert.equal(await client.get("{moving}a"), "asked");
  await driver("moved", "{moving}");
  assert.equal(await client.get("{moving}a"), "asked");
  assert.equal(await client.set("{moving}b", "moved"), "OK");
  assert.deepEqual(await client.mGet(["{moving}a", "{moving}b"]), ["asked", "moved"]);
}

async function readAll(client) {
  await forEachKey(keys, async (key) => assert.equal(await client.get(key), `of ${key}`));
}

async function useManyKeysAtOnce(client) {
  assert.equal(await client.mSet([["{t}a", "1"], ["{t}b", "2"]]), "OK");
  assert.deepEqual(await client.mGet(["{t}b", "{t}a", "{t}c"]), ["2", "1", null]);
  await assert.rejects(client.rename("{t}a", "{u}a"), /CROSSSLOT/);
  const piped = await client.multi().set("{t}a", "5").incrBy("{t}a", 2).get("{t}b").execAsPipeline();
  assert.deepEqual(piped, ["OK", 7, "2"]);
  const done = await client.multi().rPush("{t}list", ["a", "b"]).lRange("{t}list", 0, -1).exec();
  assert.deepEqual(done, [2, ["a", "b"]]);
}

async function lookAtAllNodes(client) {
  assert.equal(client.masters.length, 3);
  const seen = new Set();
  let size = 0;
  for (const primary of client.masters) {
    const node = await client.nodeClient(primary);
    for await (const page of node.scanIterator({ MATCH: "key:*", COUNT: 1000 })) page.forEach((key) => seen.add(key));
    size += await node.dbSize();
  }
  assert.deepEqual(seen, new Set(keys));
  assert.ok(size >= keys.length);
}

async function readFromReplicas() {
  const before = Number(await driver("calls", "get"));
  const reader = await connect({ useReplicas: true });
  assert.equal(reader.replicas.length, 3);
  // It takes turns with the primary.
  for (let round = 0; round < 4; round++) {
    await forEachKey(keys.slice(0, ROUNDS), async (key) => assert.equal(await reader.get(key), `of ${key}`));
  }
  reader.destroy();
  assert.ok(Number(await driver("calls", "get")) > before, "no replica was read");
}

run(async () => {
  const client = await connect();
  await followASlotThatMoves(client);
  await forEachKey(keys, (key) => client.set(key, `of ${key}`));
  await readAll(client);
  await useManyKeysAtOnce(client);
  await lookAtAllNodes(client);
  await readFromReplicas();
  const heard = [];
  const note = (message, channel) => heard.push([channel, message]);
  await client.subscribe("news", note);
  // Of the slot that is to change its primary.
  const shardChannel = "{counter}news";
  const listen = async () => {
    // The library does not go after a sharded subscription when its slot is served elsewhere, with redis-servers, too.
    await keepTrying(async () => (await client.sSubscribe(shardChannel, note)) ?? "subscribed");
    assert.deepEqual(await hear(heard, () => client.publish("news", "hello")), ["news", "hello"]);
    assert.deepEqual(await hear(heard, () => client.sPublish(shardChannel, "hi")), [shardChannel, "hi"]);
  };
  await listen();
  const told = await surviveFailover({
    increment: (key) => lookAgain(client, client.incr(key)),
    set: (key, value) => lookAgain(client, client.set(key, value)),
    wait: async (port) => (await client.nodeClient(client.masters.find((node) => node.port === port))).wait(1, 60_000),
    readAll: () => readAll(client),
    listen,
  });
  return `node-redis ${version}, RESP${protocol}, cluster: ${told}`;
});
