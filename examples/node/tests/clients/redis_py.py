"""redis-py against a node: strings, keys, expiry, connection and server commands, as an application uses them.

    redis_py.py PORT PROTOCOL

Everything goes through redis-py's own methods and reply parsers, so a reply of the wrong shape fails here even where
its bytes look right. The node must be empty; its database 0 is emptied at the end. A real redis-server passes too.
"""

import datetime
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])
CHECKS = []


def check(function):
    """Registers a function that gets a client of an empty database."""
    CHECKS.append(function)
    return function


def connect(**options):
    options.setdefault("decode_responses", True)
    return redis.Redis(port=PORT, protocol=PROTOCOL, retry=Retry(NoBackoff(), 0), **options)


def raises(error, text, function, *args, **options):
    try:
        answer = function(*args, **options)
    except error as raised:
        assert text in str(raised), f"{raised!r} does not say {text!r}"
    else:
        raise AssertionError(f"{function} answered {answer!r}, not {error.__name__}")


@check
def values_come_back_as_they_were_sent(r):
    raw = connect(decode_responses=False)
    for value in (b"", b"\r\n", bytes(range(256)), b"x" * 100_000):
        assert raw.set(b"k\x00\r\n", value) is True
        assert raw.get(b"k\x00\r\n") == value
    assert r.get("absent") is None
    r.set("n", 7)
    assert r.get("n") == "7"
    r.set("f", 1.5)
    assert r.get("f") == "1.5"
    raw.close()


@check
def set_takes_every_option(r):
    assert r.set("k", "a", nx=True) is True
    assert r.set("k", "b", nx=True) is None
    assert r.set("k", "b", xx=True) is True
    assert r.set("other", "b", xx=True) is None
    assert r.set("k", "c", get=True) == "b"
    assert r.set("k", "d", nx=True, get=True) == "c"
    assert r.get("k") == "c"
    assert r.set("k", "v", ex=100) and 99 <= r.ttl("k") <= 100
    assert r.set("k", "v", px=90_000) and 89_000 <= r.pttl("k") <= 90_000
    assert r.set("k", "w", keepttl=True) and r.ttl("k") > 80
    assert r.set("k", "v", ex=datetime.timedelta(minutes=1)) and r.ttl("k") in (59, 60)
    assert r.set("k", "v", exat=4_000_000_000) and r.expiretime("k") == 4_000_000_000
    assert r.set("k", "v", pxat=4_000_000_000_123) and r.pexpiretime("k") == 4_000_000_000_123
    assert r.set("k", "v") and r.ttl("k") == -1
    raises(redis.ResponseError, "invalid expire time in 'set' command", r.set, "k", "v", ex=0)
    raises(redis.ResponseError, "syntax error", r.execute_command, "SET", "k", "v", "EX", "1", "PX", "1")


@check
def strings_are_read_and_changed_in_part(r):
    assert r.append("k", "Hello") == 5
    assert r.append("k", " World") == 11
    assert r.strlen("k") == 11 and r.strlen("absent") == 0
    assert r.getrange("k", -5, -1) == "World" and r.substr("k", 0, 4) == "Hello"
    assert r.setrange("k", 6, "Redis") == 11 and r.get("k") == "Hello Redis"
    assert r.setrange("padded", 3, "x") == 4 and r.get("padded") == "\x00\x00\x00x"
    assert r.getset("k", "new") == "Hello Redis"
    assert r.getdel("k") == "new" and r.exists("k") == 0
    assert r.execute_command("SETEX", "e", 50, "v") in (True, "OK") and 49 <= r.ttl("e") <= 50
    assert r.execute_command("PSETEX", "e", 50_000, "v") in (True, "OK")
    assert r.getex("e", persist=True) == "v" and r.ttl("e") == -1
    assert r.getex("e", px=5_000) == "v" and 0 < r.pttl("e") <= 5_000
    assert r.setnx("e", "w") is False and r.setnx("fresh", "w") is True
    raises(redis.ResponseError, "offset is out of range", r.setrange, "k", -1, "x")


@check
def many_keys_at_once(r):
    assert r.mset({"a": 1, "b": 2, "{x}c": 3}) is True
    assert r.mget("a", "absent", "b", "{x}c") == ["1", None, "2", "3"]
    assert r.msetnx({"a": 9, "d": 4}) is False and r.exists("d") == 0
    assert r.msetnx({"d": 4, "e": 5}) is True
    assert r.exists("a", "b", "a", "absent") == 3
    assert r.delete("a", "absent") == 1
    assert r.unlink("b", "d") == 2
    assert r.touch("e", "absent") == 1


@check
def longest_common_subsequences(r):
    r.mset({"{s}a": "ohmytext", "{s}b": "mynewtext"})
    assert r.lcs("{s}a", "{s}b") == "mytext"
    assert r.lcs("{s}a", "{s}b", len=True) == 6
    found = r.execute_command("LCS", "{s}a", "{s}b", "IDX", "MINMATCHLEN", 4, "WITHMATCHLEN")
    expected = [[[4, 7], [5, 8], 4]]
    if isinstance(found, dict):
        assert found == {"matches": expected, "len": 6}
    else:
        assert found == ["matches", expected, "len", 6]


@check
def counters_count_and_refuse(r):
    assert r.incr("n") == 1 and r.incr("n", 41) == 42
    assert r.decr("n") == 41 and r.decrby("n", 40) == 1
    assert r.incrbyfloat("f", "10.5") == 10.5 and r.incrbyfloat("f", "0.1") == 10.6
    r.set("word", "abc")
    raises(redis.ResponseError, "value is not an integer or out of range", r.incr, "word")
    raises(redis.ResponseError, "value is not a valid float", r.incrbyfloat, "word", 1)
    r.set("n", 2**63 - 1)
    raises(redis.ResponseError, "increment or decrement would overflow", r.incr, "n")
    assert r.get("n") == str(2**63 - 1)


@check
def keys_are_renamed_copied_and_named(r):
    r.set("{k}a", "v", ex=100)
    assert r.rename("{k}a", "{k}b") is True and r.ttl("{k}b") > 90
    assert r.copy("{k}b", "{k}c") is True and r.copy("{k}b", "{k}c") is False
    assert r.copy("{k}b", "{k}c", replace=True) is True
    assert r.renamenx("{k}b", "{k}c") is False and r.renamenx("{k}b", "{k}d") is True
    assert r.type("{k}c") == "string" and r.type("absent") == "none"
    assert sorted(r.keys("{k}*")) == ["{k}c", "{k}d"] and r.keys("z*") == []
    assert r.randomkey() in ("{k}c", "{k}d") and r.dbsize() == 2
    raises(redis.ResponseError, "no such key", r.rename, "absent", "x")


@check
def scan_walks_over_every_key(r):
    names = {f"key:{i}" for i in range(1_000)}
    with r.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.set(name, "v")
        assert all(pipe.execute())
    assert set(r.scan_iter()) == names
    assert set(r.scan_iter(match="key:1?", count=300)) == {f"key:{i}" for i in range(10, 20)}
    assert set(r.scan_iter(_type="string")) == names and set(r.scan_iter(_type="list")) == set()
    cursor, page = r.scan(0, count=10)
    assert cursor != 0 and 0 < len(page) < 1_000
    raises(redis.ResponseError, "invalid cursor", r.scan, "nonsense")


@check
def keys_end_when_they_should(r):
    r.mset({"a": 1, "b": 2})
    assert r.ttl("a") == -1 and r.ttl("absent") == -2
    assert r.expire("a", 100) is True and r.expire("absent", 100) is False
    assert r.expire("a", 100, nx=True) is False and r.expire("a", 200, gt=True) is True
    assert r.expire("a", 50, lt=True) is True and r.expire("b", 50, xx=True) is False
    assert r.persist("a") is True and r.persist("a") is False
    assert r.pexpire("a", 100_000) is True and 99_000 < r.pttl("a") <= 100_000
    assert r.expireat("a", 4_000_000_000) is True and r.expiretime("a") == 4_000_000_000
    assert r.pexpireat("a", 4_000_000_000_001) is True and r.pexpiretime("a") == 4_000_000_000_001
    assert r.expire("a", -1) is True and r.exists("a") == 0
    r.set("b", "v", px=30)
    deadline = time.monotonic() + 5
    while r.get("b") is not None:
        assert time.monotonic() < deadline, "a key outlived its expiry"
    raises(redis.ResponseError, "invalid expire time", r.expire, "absent", 2**63 - 1)


@check
def objects_tell_how_they_are_kept(r):
    r.mset({"int": 12, "short": "word", "long": "x" * 100})
    kept = [r.object("encoding", name) for name in ("int", "short", "long")]
    assert [str(kind) for kind in kept] == ["int", "embstr", "raw"]
    assert r.object("idletime", "short") in range(60) and r.object("refcount", "short") == 1
    assert r.memory_usage("long") > 100 and r.memory_usage("absent") is None


@check
def databases_are_apart(r):
    other = connect(db=1)
    r.set("k", "zero")
    assert other.get("k") is None
    assert r.move("k", 1) is True and other.get("k") == "zero" and r.exists("k") == 0
    assert r.copy("k", "k2", destination_db=1) is False
    assert r.swapdb(0, 1) is True and r.get("k") == "zero" and other.dbsize() == 0
    other.flushdb()
    raises(redis.ResponseError, "DB index is out of range", r.execute_command, "SELECT", 99)
    other.close()


@check
def flushing_empties(r):
    r.set("k", "v")
    assert r.flushdb(asynchronous=True) is True and r.dbsize() == 0
    r.set("k", "v")
    assert r.flushall() is True and r.dbsize() == 0


@check
def pipelines_answer_in_order(r):
    pipe = r.pipeline(transaction=False)
    pipe.set("k", "v").get("k").incr("n").execute_command("NOSUCHCOMMAND").incr("k").get("absent").ttl("k")
    answers = pipe.execute(raise_on_error=False)
    assert answers[:3] == [True, "v", 1] and answers[5:] == [None, -1]
    assert "unknown command 'NOSUCHCOMMAND'" in str(answers[3]) and "not an integer" in str(answers[4])
    pipe.set("k", "v").incr("k")
    raises(redis.ResponseError, "Command # 2", pipe.execute)
    for at in range(20_000):
        pipe.set(f"k{at % 100}", at)
    assert pipe.execute() == [True] * 20_000
    assert r.get("k99") == "19999"


@check
def many_threads_share_a_pool(r):
    def work():
        for _ in range(200):
            r.incr("n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("n") == "1600"


@check
def connections_know_themselves(r):
    assert r.ping() is True and r.echo("hello") == "hello"
    one = connect(single_connection_client=True, client_name="named", db=2)
    assert one.client_getname() == "named" and one.client_setname("renamed") is True
    about = one.client_info()
    assert int(about["id"]) == one.client_id() and about["name"] == "renamed" and about["db"] in ("2", 2)
    assert int(about["resp"]) == PROTOCOL if "resp" in about else True
    listed = r.client_list()
    assert any(client["name"] == "renamed" for client in listed)
    assert [client["name"] for client in r.client_list(client_id=[one.client_id()])] == ["renamed"]
    assert r.client_list(_type="pubsub") == []
    assert one.client_no_evict("ON") in (True, "OK")
    hello = one.execute_command("HELLO", PROTOCOL)
    hello = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2]))
    assert hello["proto"] == PROTOCOL and hello["mode"] == "standalone" and hello["role"] == "master"
    assert r.client_kill_filter(_id=one.client_id()) == 1
    raises(redis.ConnectionError, "", one.ping)
    raises(redis.ResponseError, "No such client", r.client_kill, "127.0.0.1:1")


@check
def pauses_hold_writers(r):
    other = connect()
    other.ping()
    assert r.client_pause(60_000, all=False) in (True, "OK")
    assert other.get("k") is None
    answers = []
    writer = threading.Thread(target=lambda: answers.append(other.set("k", "v")))
    writer.start()
    while not any(client["cmd"] == "set" for client in r.client_list()):
        assert writer.is_alive(), "a paused node took a write"
    assert answers == [] and r.get("k") is None
    assert r.client_unpause() in (True, "OK")
    writer.join(10)
    assert answers == [True] and r.get("k") == "v"
    other.close()


@check
def replies_can_be_switched_off(r):
    one = r.connection_pool.make_connection()
    one.connect()
    one.send_command("CLIENT", "REPLY", "OFF")
    one.send_command("SET", "k", "silent")
    one.send_command("CLIENT", "REPLY", "ON")
    assert one.read_response() == "OK"
    one.send_command("CLIENT", "REPLY", "SKIP")
    one.send_command("PING")
    one.send_command("GET", "k")
    assert one.read_response() == "silent"
    one.disconnect()


@check
def passwords_are_asked_for(r):
    assert r.config_set("requirepass", "secret") is True
    try:
        raises(redis.AuthenticationError, "", connect().get, "k")
        raises(redis.AuthenticationError, "", connect(password="wrong").ping)
        assert connect(password="secret").ping() is True
        assert connect(username="default", password="secret").ping() is True
    finally:
        assert r.config_set("requirepass", "") is True
    raises(redis.AuthenticationError, "without any password configured", r.execute_command, "AUTH", "x")


@check
def settings_are_read_and_changed(r):
    before = r.config_get("maxclients")["maxclients"]
    assert r.config_set("maxclients", 500) is True
    assert r.config_get("maxclient*")["maxclients"] in ("500", 500)
    assert r.config_set("maxclients", before) is True
    assert r.config_get("nosuchsetting") == {}
    assert {"appendonly", "save"} <= set(r.config_get("appendonly", "save"))
    raises(redis.ResponseError, "Unknown option", r.config_set, "nosuchsetting", 1)
    assert r.config_resetstat() is True


@check
def the_server_tells_about_itself(r):
    r.set("k", "v", ex=100)
    about = r.info()
    assert about["redis_mode"] == "standalone" and about["role"] == "master" and about["tcp_port"] == PORT
    assert about["db0"]["keys"] == 1 and about["db0"]["expires"] == 1
    r.config_resetstat()
    r.get("k")
    r.get("absent")
    stats = r.info("stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == (1, 1)
    assert r.info("commandstats")["cmdstat_get"]["calls"] == 2
    seconds, micros = r.time()
    assert abs(seconds - time.time()) < 60 and 0 <= micros < 1_000_000


@check
def commands_describe_themselves(r):
    assert r.command_count() > 40
    table = r.command()
    get = table["get"]
    assert get["arity"] == 2 and get["first_key_pos"] == 1 and get["step_count"] == 1
    assert "readonly" in get["flags"]
    assert "set" in r.command_list() and "get" not in r.command_list(category="write")
    assert r.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]
    flagged = r.command_getkeysandflags("SET", "k", "v")
    assert flagged[0][0] == "k" and "OW" in flagged[0][1]
    documents = r.execute_command("COMMAND DOCS", "GET")
    documents = documents if isinstance(documents, dict) else dict(zip(documents[::2], documents[1::2]))
    assert list(documents) == ["get"]


@check
def slow_requests_are_logged(r):
    before = r.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"]
    assert r.config_set("slowlog-log-slower-than", 0) is True
    assert r.slowlog_reset() is True
    r.get("observed")
    entries = r.slowlog_get(10)
    assert any(entry["command"] in ("GET observed", b"GET observed") for entry in entries), entries
    assert r.slowlog_len() >= 1
    r.config_set("slowlog-log-slower-than", before)


@check
def wrong_requests_have_their_errors(r):
    raises(redis.ResponseError, "wrong number of arguments for 'get' command", r.execute_command, "GET")
    raises(redis.ResponseError, "unknown command 'NOSUCH'", r.execute_command, "NOSUCH", "a")
    raises(redis.ResponseError, "unknown subcommand 'NOSUCH'", r.execute_command, "CONFIG", "NOSUCH")
    assert r.ping() is True


def main():
    control = connect(single_connection_client=True)
    failed = 0
    for function in CHECKS:
        control.flushall()
        client = connect()
        try:
            function(client)
        except Exception as error:
            failed += 1
            at = error.__traceback__
            while at.tb_next and at.tb_next.tb_frame.f_code.co_filename == __file__:
                at = at.tb_next
            print(f"FAIL {function.__name__} (line {at.tb_lineno}): {type(error).__name__}: {error}")
        client.close()
    control.flushall()
    print(f"redis-py {redis.__version__}, RESP{PROTOCOL}: {len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
