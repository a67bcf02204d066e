"""Six nodes as a cluster, for the program of a client library.

    cluster.py NODE_BINARY PORT COMMAND...

Starts three primaries and their replicas on PORT to PORT + 5 and runs COMMAND with that port as its last argument. A line of
its output that begins with "!" asks for something, and gets one line on its standard input when that is done:

    !primary KEY     the port of the node that serves KEY
    !kill PORT       ends a node as a crash does
    !restart PORT    starts it again, and waits until it follows the node that took its place
    !lead PORT       has a replica take its primary's place, while both run
    !move KEY        begins to move the slot of KEY, which holds no key, to another primary
    !moved KEY       ends that
    !calls COMMAND   how often COMMAND was done at the replicas together

Other lines are passed on. The exit status is COMMAND's. A real redis-server as NODE_BINARY does, too.
"""

import binascii
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NODES = range(6)
SLOTS = [("0", "5460"), ("5461", "10922"), ("10923", "16383")]
LIMIT_S = 60
# After so many milliseconds a silent node is taken for dead, and twice as often nodes hear of each other: soon where one is killed,
# late where a busy machine is to change nothing, and between these while they get to know each other.
BRIEF, EARLY, CALM = "1500", "4000", "15000"


class Connection:
    """Sends commands and reads replies of RESP2 to the letter; an error is a string that begins with "-"."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port), LIMIT_S).makefile("rwb")

    def ask(self, *words):
        self.stream.write(b"*%d\r\n" % len(words))
        for word in words:
            self.stream.write(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))
        self.stream.flush()
        return self.reply()

    def reply(self):
        line = self.stream.readline().decode().rstrip("\r\n")
        kind, rest = line[:1], line[1:]
        if not kind:
            raise ConnectionError("the node closed the connection")
        if kind == "$":
            return None if rest == "-1" else self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == "*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == ":" else line if kind == "-" else rest


class Cluster:
    def __init__(self, binary, port, place):
        self.binary, self.port, self.place = binary, port, place
        self.processes, self.connections = {}, {}

    def start(self, node):
        folder = os.path.join(self.place, str(node))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "output"), "ab") as output:
            self.processes[node] = subprocess.Popen(
                [self.binary, "--port", str(self.port + node), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
                + ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", EARLY]
                + ["--repl-diskless-sync-delay", "0"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
        self.wait("starting", lambda: self.connect(node))

    def connect(self, node):
        assert self.processes[node].poll() is None, self.output(node)
        try:
            self.connections[node] = Connection(self.port + node)
            return self.connections[node].ask("PING") == "PONG"
        except OSError:
            return False

    def output(self, node):
        with open(os.path.join(self.place, str(node), "output"), errors="replace") as output:
            return output.read()

    def wait(self, what, is_so):
        deadline = time.monotonic() + LIMIT_S
        while not is_so():
            assert time.monotonic() < deadline, f"{what} does not happen: {self.views()}"
            time.sleep(0.02)

    def on(self):
        return [node for node in NODES if node in self.connections]

    def views(self):
        return {node: self.ask(node, "CLUSTER", "NODES") for node in self.on()}

    def ask(self, node, *words):
        return self.connections[node].ask(*words)

    def demand(self, node, *words):
        reply = self.ask(node, *words)
        assert reply == "OK", f"{words}: {reply}"

    def form(self):
        for node in NODES:
            self.start(node)
        names = [self.ask(node, "CLUSTER", "MYID") for node in NODES]
        for node in NODES:
            self.demand(node, "CLUSTER", "SET-CONFIG-EPOCH", str(node + 1))
            if node < 3:
                self.demand(node, "CLUSTER", "ADDSLOTSRANGE", *SLOTS[node])
            for other in range(node):
                self.demand(other, "CLUSTER", "MEET", "127.0.0.1", str(self.port + node))
        for node in range(3, 6):
            self.wait("meeting", lambda: self.ask(node, "CLUSTER", "REPLICATE", names[node - 3]) == "OK")
        self.settle()
        # Clients are told of replicas once something was replicated.
        for node in range(3):
            self.wait("linking", lambda: self.info(node, "replication").get("connected_slaves") == "1")
            key = next(key for key in map(str, range(100_000)) if self.holds(node, key))
            self.demand(node, "SET", key, "v")
            self.ask(node, "DEL", key)
        self.wait("naming", lambda: all(str(self.ask(node, "CLUSTER", "SLOTS")).count("127.0.0.1") == 6 for node in NODES))
        self.set_timeout(CALM)

    def holds(self, node, key):
        slot = binascii.crc_hqx(key.encode(), 0) % 16384
        return int(SLOTS[node][0]) <= slot <= int(SLOTS[node][1])

    def info(self, node, section):
        return dict(line.split(":", 1) for line in self.ask(node, "INFO", section).splitlines() if ":" in line)

    def is_settled(self):
        views = set()
        for node in self.on():
            if "cluster_state:ok" not in self.ask(node, "CLUSTER", "INFO"):
                return False
            lines = [line.split() for line in self.ask(node, "CLUSTER", "NODES").splitlines()]
            views.add(tuple(sorted((w[0], w[2].replace("myself,", ""), w[3], w[6], *w[8:]) for w in lines)))
        return len(views) == 1

    def settle(self):
        self.wait("agreeing", self.is_settled)

    def set_timeout(self, value):
        for node in self.on():
            self.demand(node, "CONFIG", "SET", "cluster-node-timeout", value)

    def primary(self, key):
        node = self.on()[0]
        reply = self.ask(node, "EXISTS", key)
        return int(reply.rsplit(":", 1)[1]) if str(reply).startswith("-MOVED") else self.port + node

    def kill(self, port):
        node = int(port) - self.port
        self.set_timeout(BRIEF)
        self.processes[node].send_signal(signal.SIGKILL)
        self.processes[node].wait()
        del self.connections[node]

    def restart(self, port):
        node = int(port) - self.port
        self.start(node)
        self.set_timeout(CALM)
        self.wait("following", lambda: self.info(node, "replication").get("master_link_status") == "up")
        self.settle()

    def lead(self, port):
        node = int(port) - self.port
        self.wait("handing over", lambda: self.ask(node, "CLUSTER", "FAILOVER") == "OK")
        self.wait("leading", lambda: self.info(node, "replication")["role"] == "master")
        self.settle()

    def ends_of_move(self, key):
        source = self.primary(key) - self.port
        target = next(node for node in self.on() if node != source and self.info(node, "replication")["role"] == "master")
        return source, target, str(self.ask(source, "CLUSTER", "KEYSLOT", key))

    def move(self, key):
        source, target, slot = self.ends_of_move(key)
        self.demand(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ask(source, "CLUSTER", "MYID"))
        self.demand(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ask(target, "CLUSTER", "MYID"))

    def moved(self, key):
        source, target, slot = self.ends_of_move(key)
        for node in (target, source):
            self.demand(node, "CLUSTER", "SETSLOT", slot, "NODE", self.ask(target, "CLUSTER", "MYID"))
        self.settle()

    def calls(self, command):
        found = 0
        for node in self.on():
            if self.info(node, "replication")["role"] == "slave":
                line = self.info(node, "commandstats").get(f"cmdstat_{command}", "calls=0,")
                found += int(line.split(",")[0].split("=")[1])
        return found

    def run(self, command):
        with subprocess.Popen(
            command + [str(self.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as program:
            try:
                for line in program.stdout:
                    if line.startswith("!"):
                        verb, argument = line[1:].split()
                        answer = getattr(self, verb)(argument)
                        program.stdin.write(f"{'done' if answer is None else answer}\n")
                    else:
                        print(line, end="", flush=True)
            except BaseException:
                program.kill()
                raise
        return program.returncode

    def stop(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


def main():
    place = tempfile.mkdtemp()
    cluster = Cluster(sys.argv[1], int(sys.argv[2]), place)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cluster.form()
        status = cluster.run(sys.argv[3:])
        if status != 0:
            print("\n".join(f"node {node} sees\n{view}" for node, view in cluster.views().items()))
        return status
    finally:
        cluster.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
