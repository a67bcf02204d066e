"""redis-py's RedisCluster against six nodes, of which a primary is killed; run by cluster.py.

    redis_py_cluster.py PROTOCOL PORT

One client is used from the beginning to the end. A cluster of real redis-servers passes too.
"""

import sys
import time

import redis
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisClusterException

PROTOCOL, PORT = int(sys.argv[1]), int(sys.argv[2])
ROUNDS = 50
LIMIT_S = 60
ERRORS = (redis.RedisError, RedisClusterException)


def driver(*words):
    """Asks the program that runs the nodes."""
    print("!" + " ".join(map(str, words)), flush=True)
    return sys.stdin.readline().strip()


def connect(**options):
    nodes = [ClusterNode("127.0.0.1", PORT), ClusterNode("127.0.0.1", PORT + 1)]
    return RedisCluster(startup_nodes=nodes, protocol=PROTOCOL, decode_responses=True, **options)


def raises(text, function, *args):
    try:
        answer = function(*args)
    except ERRORS as raised:
        assert text in str(raised), f"{raised!r} does not say {text!r}"
    else:
        raise AssertionError(f"{function} answered {answer!r}")


def keep_trying(function):
    """What a client answers once it answers; errors are borne for a while."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            answer = function()
            if answer is not None:
                return answer
            error = "nothing"
        except ERRORS as raised:
            error = raised
        assert time.monotonic() < deadline, f"the client does not recover: {error!r}"


def key_of_each_slot():
    keys = {}
    number = 0
    while len(keys) < 16384:
        key = f"key:{number}"
        keys.setdefault(key_slot(key.encode()), key)
        number += 1
    return list(keys.values())


KEYS = key_of_each_slot()


def write_keys_of_all_slots(r):
    for at in range(0, len(KEYS), 4096):
        pipe = r.pipeline()
        for key in KEYS[at : at + 4096]:
            pipe.set(key, f"of {key}")
        assert all(pipe.execute())


def read_keys_of_all_slots(r):
    for at in range(0, len(KEYS), 4096):
        pipe = r.pipeline()
        for key in KEYS[at : at + 4096]:
            pipe.get(key)
        assert pipe.execute() == [f"of {key}" for key in KEYS[at : at + 4096]]


def use_many_keys_at_once(r):
    assert r.mset({"{t}a": 1, "{t}b": 2}) is True
    assert r.mget("{t}b", "{t}a", "{t}c") == ["2", "1", None]
    raises("slot", r.rename, "{t}a", "{u}a")
    assert all(r.mset_nonatomic({f"m{n}": n for n in range(ROUNDS)}))
    assert r.mget_nonatomic([f"m{n}" for n in range(ROUNDS)]) == [str(n) for n in range(ROUNDS)]
    assert r.delete(*[f"m{n}" for n in range(ROUNDS)]) == ROUNDS
    # A transaction is of one slot.
    with r.pipeline(transaction=True) as pipe:
        pipe.watch("{t}a")
        assert pipe.get("{t}a") == "1"
        pipe.multi()
        pipe.incrby("{t}a", 5).get("{t}b")
        assert pipe.execute() == [6, "2"]
    with r.pipeline(transaction=True) as pipe:
        pipe.watch("{t}a")
        r.set("{t}a", "changed")
        pipe.multi()
        pipe.set("{t}a", "lost")
        raises("", pipe.execute)
    assert r.get("{t}a") == "changed"


def look_at_all_nodes(r):
    assert set(r.scan_iter(match="key:*", count=1000)) == set(KEYS)
    assert set(r.keys("key:*", target_nodes=RedisCluster.PRIMARIES)) == set(KEYS)
    assert r.dbsize(target_nodes=RedisCluster.PRIMARIES) >= len(KEYS)
    assert len(r.ping(target_nodes=RedisCluster.ALL_NODES) and r.get_nodes()) == 6
    nodes = r.cluster_nodes()
    assert {f"127.0.0.1:{PORT + node}" for node in range(6)} == set(nodes)
    assert sum("master" in node["flags"] for node in nodes.values()) == 3
    assert all(node["connected"] for node in nodes.values())
    slots = r.cluster_slots()
    assert sum(last - first + 1 for first, last in slots) == 16384
    assert all(shown["primary"][0] == "127.0.0.1" and len(shown["replicas"]) == 1 for shown in slots.values())
    assert r.cluster_info(target_nodes=r.get_node("127.0.0.1", PORT))["cluster_state"] == "ok"
    assert r.cluster_keyslot("{t}a") == key_slot(b"t")
    assert r.cluster_countkeysinslot(key_slot(KEYS[7].encode())) >= 1


def hear(listener, publish, channel, kind, read):
    """Publishes until it is heard, for what crosses the bus may get lost there."""

    def once():
        publish(channel, "hello")
        message = read(listener)
        return message if message and message["type"] == kind else None

    message = keep_trying(once)
    assert (message["channel"], message["data"]) == (channel, "hello"), message


def hear_publications(r):
    listener = r.pubsub()
    listener.subscribe("news")
    hear(listener, r.publish, "news", "message", lambda it: it.get_message(timeout=0.2))
    listener.close()
    sharded = r.pubsub()
    sharded.ssubscribe("shard-news")
    hear(sharded, r.spublish, "shard-news", "smessage", lambda it: it.get_sharded_message(timeout=0.2))
    sharded.close()


def read_from_replicas(r):
    before = int(driver("calls", "get"))
    reader = connect(load_balancing_strategy=LoadBalancingStrategy.RANDOM_REPLICA)
    for number in range(ROUNDS):
        assert reader.get(KEYS[number]) == f"of {KEYS[number]}"
    reader.close()
    assert int(driver("calls", "get")) == before + ROUNDS


def follow_a_slot_that_moves(r):
    driver("move", "{moving}")
    assert r.set("{moving}a", "asked") is True and r.get("{moving}a") == "asked"
    driver("moved", "{moving}")
    assert r.get("{moving}a") == "asked" and r.set("{moving}b", "moved") is True
    assert r.mget("{moving}a", "{moving}b") == ["asked", "moved"]


def survive_a_failover(r):
    counted = 0

    def count():
        nonlocal counted
        for _ in range(ROUNDS):
            now = keep_trying(lambda: r.incr("counter"))
            assert now > counted, f"{now} after {counted}"
            counted = now

    count()
    victim = int(driver("primary", "counter"))
    assert r.wait(1, 60_000, target_nodes=r.get_node("127.0.0.1", victim)) >= 1
    driver("kill", victim)
    began = time.monotonic()
    keep_trying(lambda: r.set("{counter}after", "written"))
    passed = time.monotonic() - began
    count()
    read_keys_of_all_slots(r)
    driver("restart", victim)
    count()
    driver("lead", victim)
    assert int(driver("primary", "counter")) == victim
    count()
    assert r.get("counter") == str(counted) and r.get("{counter}after") == "written"
    return f"writes went on after {passed:.1f} s"


def main():
    r = connect()
    follow_a_slot_that_moves(r)
    write_keys_of_all_slots(r)
    read_keys_of_all_slots(r)
    use_many_keys_at_once(r)
    look_at_all_nodes(r)
    hear_publications(r)
    read_from_replicas(r)
    print(f"redis-py {redis.__version__}, RESP{PROTOCOL}, cluster:", survive_a_failover(r))
    r.close()


if __name__ == "__main__":
    main()
