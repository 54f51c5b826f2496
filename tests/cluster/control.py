# SPDX-License-Identifier: GPL-3.0-or-later
"""How `run-cluster node …` reaches the run-cluster that holds the cluster: a unix socket in the cluster's folder, one
JSON line each way: {"node": 1, "action": "kill"} -> {"error": null or text}."""
import json
import os
import socket
import threading

from cluster import ClusterError

ACTIONS = ("start", "stop", "kill", "quiet", "active")
REQUEST_BYTES_MAX = 4096
TIMEOUT_S = 120


def _serve_one(cluster, connection):
    connection.settimeout(TIMEOUT_S)
    with connection, connection.makefile("rb") as stream:
        try:
            request = json.loads(stream.readline(REQUEST_BYTES_MAX))
            index, action = request["node"], request["action"]
            if action == "start" and index == len(cluster.nodes):
                cluster.add_node()
            if not 0 <= index < len(cluster.nodes):
                raise ClusterError(f"there is no node {index}; nodes are 0 to {len(cluster.nodes) - 1}")
            node = cluster.nodes[index]
            if action not in ACTIONS:
                raise ClusterError(f"unknown action {action!r}")
            getattr(node, action)()
            answer = None
        except (ClusterError, OSError) as problem:
            answer = str(problem)
        except (ValueError, KeyError, TypeError):
            answer = "no such request"
        try:
            connection.sendall(json.dumps({"error": answer}).encode() + b"\n")
        except OSError:
            pass  # who asked has gone, or only wanted to know whether somebody is here


class ControlServer:
    """Serves one request at a time, so that two actions on one node do not meet."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._path = cluster.socket_path
        if is_running(self._path):
            raise ClusterError(f"a cluster is running in {cluster.directory} already; choose another --dir")
        if os.path.exists(self._path):
            os.unlink(self._path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self._path)
        self._socket.listen(8)
        threading.Thread(target=self._run, name="control", daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            _serve_one(self._cluster, connection)

    def close(self):
        os.unlink(self._path)
        self._socket.close()


def is_running(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
            return True
        except OSError:
            return False


def act(directory, index, action):
    """Asks the run-cluster of `directory`; raises ClusterError when there is none or it could not be done."""
    path = os.path.join(os.path.abspath(directory), "cluster.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(path)
            connection.sendall(json.dumps({"node": index, "action": action}).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline() or b'{"error": "the cluster stopped meanwhile"}')
        except OSError as problem:
            raise ClusterError(f"no cluster runs in {directory} ({path}: {problem.strerror or problem})") from None
    if answer["error"]:
        raise ClusterError(answer["error"])
