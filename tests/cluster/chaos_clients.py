# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of a chaos run: each works on one counter or fills lists, on one node, through one interface, and writes down what it
saw."""
import os
import subprocess

from histories import ListCheck, Lists, lines_of, read_lists

DATABASE = "chaos.tdb"
PATIENCE_S = 60


class Client:
    """`cluster`: where; `api`: native or classic; `key`: of its record."""

    program = None

    def __init__(self, cluster, node, api, key):
        self.cluster, self.node, self.api, self.key = cluster, node, api, f"{api}-{key}"
        self.start()

    def __str__(self):
        return f"the client of node {self.node} for {self.key}"

    def history(self):
        """The file its process writes."""
        return os.path.join(self.cluster.directory, f"history.{self.key}.{self.node}")

    def words(self):
        """Of its command line, those that only its program has."""
        return []

    def start(self):
        # It may be waiting for a daemon that comes no more when this program ends, and not see the end of its input.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *self.command(*self.words())], stdin=subprocess.PIPE)

    def command(self, *words):
        at = self.cluster.nodes[self.node]
        where = ["--setup", at.setup_socket] if self.api == "native" else ["--socket", at.classic_socket]
        return [self.cluster.program(self.program), *where, "--db", DATABASE, "--key", self.key, "--history", self.history(),
                *words]

    def restart(self):
        self.kill()
        self.start()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE_S)
        if status != 0:
            raise AssertionError(f"{self} ended with status {status}")

    def progress(self):
        """Grows with each visit that has succeeded."""
        return len(lines_of(self.history()))


class CounterClient(Client):
    program = "ctdb-increment"

    def operations(self):
        """[(value, begun, ended)] so far."""
        return [tuple(int(word) for word in line.split()) for line in lines_of(self.history())]


class ListClient(Client):
    """Each of its processes is another writer."""

    program = "ctdb-append"
    writers = 0

    def __init__(self, cluster, node, api, key, calls=False):
        self.calls = calls
        self.histories = []  # [(path, writer)]
        super().__init__(cluster, node, api, key)

    def history(self):
        return self.histories[-1][0]

    def start(self):
        ListClient.writers += 1
        self.histories.append((os.path.join(self.cluster.directory, f"history.{self.key}.{self.node}.{self.writers}"),
                               self.writers))
        super().start()

    def words(self):
        return ["--writer", str(self.histories[-1][1]), "--call", str(int(self.calls))]

    def progress(self):
        return sum(line[0] in "=+" for line in lines_of(self.history()))

    def at_list(self):
        """The highest number of a list it has worked on."""
        return max((int(lines[-1].split()[1]) for lines in (lines_of(path) for path, _ in self.histories) if lines), default=0)

    def look(self, lists):
        """After the end: has the lists read once more."""
        self.histories.append((os.path.join(self.cluster.directory, f"history.{self.key}.{self.node}.last"), 0))
        subprocess.run(self.command("--count", str(lists)), check=True, timeout=10 * PATIENCE_S)


def check_lists(clients, told, late=0, on_the_way=0):
    """After the end of the clients that have filled the same lists: looks at all of these once more and returns what they are (Lists).
    Raises AssertionError. `told`: what the stores have logged of records that fell back; `late`: see ListCheck; `on_the_way`: how many
    lists may have been lost without a word, on their way from one node to another that died both."""
    clients[0].look(max(client.at_list() for client in clients) + 1)
    lists, sum_of_all, untold = {}, Lists(), []
    killed = {read_lists(path, client.node, writer, lists) for client in clients for path, writer in client.histories}
    for number, history in sorted(lists.items()):
        name = f"{clients[0].key}.{number}"
        named = any(line.endswith((f"fallen back or gone: {DATABASE} {name}\n", f"left behind: {DATABASE} {name}\n")) for line in told)
        found = ListCheck(name, history, killed, named, late).run()
        untold += [name] if found.untold else []
        sum_of_all += found
    numbered = sum(int(line.split(" more of them")[0].split()[-1]) for line in told if " more of them" in line)
    if len(untold) > numbered + on_the_way:
        raise AssertionError(f"{len(untold)} lists are lost, {untold[0]} for one, and nobody has said so (but of {numbered} that have no name)")
    return sum_of_all
