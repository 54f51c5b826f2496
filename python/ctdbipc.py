# SPDX-License-Identifier: LGPL-3.0-or-later
"""The client interface of CTDB, the clustered database, for Python: ctdb.h through ctypes, and the answers of ctdb-cli.

    import ctdbipc

    with ctdbipc.Client() as client:
        db = client.attach("example.tdb")
        with db.lock("counter") as record:
            record.store(b"%d" % (int(record.data or b"0") + 1))
        print(db.read("counter"), db.add("hits", 1))

    print(ctdbipc.cli("status")["healthy"])

What ctdb.h says holds here. Keys and values are bytes, or str, which is encoded as UTF-8; values are returned as bytes, b"" for a record that
does not exist. Times are in seconds, None waits for ever. Whatever fails raises Error, whose `code` is one of ERRORS. A client, with all that came
from it, is used by one thread at a time, and only by the process that connected it. $CTDBIPC_LIBRARY names another libctdbipc.so.0.
"""
import contextlib
import ctypes
import json
import os
import subprocess

THIS_NODE, ALL_NODES, ACTIVE_NODES, CONNECTED_NODES = 0xF0000001, 0xF0000002, 0xF0000003, 0xF0000004
ERRORS = {name: -number for number, name in enumerate(
    "INVALID NO_MEMORY SYSTEM TIMEOUT DISCONNECTED FORKED BUSY NOT_LOCKED TOO_BIG FULL REFUSED REMOTE PROTOCOL DATABASE EXISTS NOT_FOUND FENCED "
    "NOT_COPIED CONFLICT UNKNOWN UNEQUAL NO_COUNTER OVERFLOW DAMAGED".split(), 1)}
CLI_SCHEMA = 1
_PERSISTENT, _REPLICATED, _READ_COPIES = 0x100, 0x200, 0x400


class Error(Exception):
    """`code`: see ERRORS."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class CliError(Exception):
    """`exit` is ctdb-cli's status, `answer` what it said all the same."""

    def __init__(self, exit_status, answer):
        super().__init__(answer.get("error", "") or f"ctdb-cli ended with status {exit_status}")
        self.exit, self.answer = exit_status, answer


class _Blob(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def bytes(self):
        return ctypes.string_at(self.data, self.size) if self.size else b""


class _Request(ctypes.Structure):
    _fields_ = [("node", ctypes.c_uint32), ("opcode", ctypes.c_uint32), ("srvid", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("data", _Blob)]


class _Reply(ctypes.Structure):
    _fields_ = [("error", ctypes.c_int), ("status", ctypes.c_int32), ("data", _Blob), ("text", ctypes.c_char_p)]


class _Stats(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("local_hits", "calls", "controls", "messages_in", "messages_out", "stale", "malformed",
                                                     "sleeps", "undelivered", "too_big", "router_restarts")]


_OnRestart = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_OnMessage = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, _Blob, ctypes.c_void_p)
_P, _PP, _S, _I, _U32, _U64, _I64 = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32,
                                     ctypes.c_uint64, ctypes.c_int64)
_BLOB, _U32_OUT = ctypes.POINTER(_Blob), ctypes.POINTER(ctypes.c_uint32)
# Arguments of each function; all return int but those in _RETURNS.
_ARGUMENTS = {
    "ctdb_strerror": (_I,), "ctdb_error_text": (_P,), "ctdb_connect": (_S, _I, _PP), "ctdb_connect_local": (_S, _PP), "ctdb_disconnect": (_P,),
    "ctdb_reconnect": (_P, _I), "ctdb_pnn": (_P, _U32_OUT), "ctdb_fd": (_P,), "ctdb_service": (_P, _I), "ctdb_wait": (_P, _I),
    "ctdb_attach": (_P, _S, _U32, _I, _PP), "ctdb_detach": (_P,), "ctdb_fetch_lock": (_P, _Blob, _I, _PP), "ctdb_record_data": (_P,),
    "ctdb_record_may_be_older": (_P,), "ctdb_store": (_P, _Blob), "ctdb_delete": (_P,), "ctdb_unlock": (_P,), "ctdb_read": (_P, _Blob, _I, _BLOB),
    "ctdb_add": (_P, _Blob, _I64, _I, ctypes.POINTER(_I64)), "ctdb_compare_and_swap": (_P, _Blob, _Blob, _Blob, _I, _BLOB),
    "ctdb_append": (_P, _Blob, _Blob, _I, ctypes.POINTER(_U64)), "ctdb_call_function": (_P, _Blob, _S, _Blob, _I, _BLOB),
    "ctdb_transaction_start": (_P, _I, _PP), "ctdb_transaction_fetch": (_P, _Blob, _BLOB), "ctdb_transaction_store": (_P, _Blob, _Blob),
    "ctdb_transaction_delete": (_P, _Blob), "ctdb_transaction_commit": (_P, _I), "ctdb_transaction_cancel": (_P,),
    "ctdb_register": (_P, _U64, _OnMessage, _P, _I), "ctdb_deregister": (_P, _U64, _I), "ctdb_send_message": (_P, _U32, _U64, _Blob),
    "ctdb_control": (_P, ctypes.POINTER(_Request), _I, ctypes.POINTER(_Reply)), "ctdb_ping": (_P, _U32, _I),
    "ctdb_flush": (_P, _I), "ctdb_on_restart": (_P, _OnRestart, _P), "ctdb_get_stats": (_P, ctypes.POINTER(_Stats), ctypes.c_size_t),
}
_RETURNS = {"ctdb_strerror": _S, "ctdb_error_text": _S, "ctdb_record_data": _Blob, "ctdb_disconnect": None, "ctdb_detach": None,
            "ctdb_transaction_cancel": None}


def _load():
    library = ctypes.CDLL(os.environ.get("CTDBIPC_LIBRARY", "libctdbipc.so.0"))
    for name, arguments in _ARGUMENTS.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, _RETURNS.get(name, _I)
    return library


_api = _load()


def _blob(value):
    """A loan for one call: the bytes live as long as the argument, which the caller keeps until it returns."""
    value = value.encode() if isinstance(value, str) else bytes(value)
    blob = _Blob(ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p), len(value))
    blob.kept = value
    return blob


def _ms(timeout):
    return -1 if timeout is None else max(0, min(round(timeout * 1000), 2**31 - 1))


def _check(result, client=None):
    if result < 0:
        name, more = _api.ctdb_strerror(result).decode(), _api.ctdb_error_text(client).decode(errors="replace")
        raise Error(result, f"{name}: {more}" if more else name)
    return result


class Client:
    """A connection to the daemons of this node, whose router listens on `setup_socket` (default: $CTDB_SETUP_SOCKET, /run/ctdb/setup.socket)."""

    def __init__(self, setup_socket=None, timeout=5):
        self._begin(lambda to: _api.ctdb_connect(setup_socket and os.fsencode(setup_socket), _ms(timeout), to))

    @classmethod
    def local(cls, directory):
        """On plain tdb files in a directory, without a cluster (ctdb_local.h)."""
        client = cls.__new__(cls)
        client._begin(lambda to: _api.ctdb_connect_local(os.fsencode(directory), to))
        return client

    def _begin(self, connect):
        self._handlers, self._raised, self._client = {}, [], None
        client = ctypes.c_void_p()
        _check(connect(ctypes.byref(client)))
        self._client = client

    def _open(self):
        if self._client is None:
            raise Error(ERRORS["INVALID"], "the client is closed")
        return self._client

    def close(self):
        """Ends the connection and all that came from it. May be called twice."""
        if self._client is not None:
            _api.ctdb_disconnect(self._client)
            self._client = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def reconnect(self, timeout=5):
        """After Error with code DISCONNECTED; databases and handlers stay."""
        _check(_api.ctdb_reconnect(self._open(), _ms(timeout)), self._client)

    @property
    def pnn(self):
        number = ctypes.c_uint32()
        _check(_api.ctdb_pnn(self._open(), ctypes.byref(number)), self._client)
        return number.value

    def fileno(self):
        """For select and event loops: readable when service() has something to do."""
        return _check(_api.ctdb_fd(self._open()), self._client)

    def service(self):
        """Handles what has arrived and runs handlers, without waiting. What a handler raises is raised here, when all have run."""
        return self._served(_api.ctdb_service(self._open(), 0))

    def wait(self, timeout=None):
        """Waits until something has arrived, and serves it. 0: the time was over."""
        return self._served(_api.ctdb_wait(self._open(), _ms(timeout)))

    def _served(self, result):
        if self._raised:
            raise self._raised.pop(0)
        return _check(result, self._client)

    def attach(self, name, persistent=False, replicated=False, copies=0, read_copies=False, timeout=None):
        flags = copies | persistent * _PERSISTENT | replicated * _REPLICATED | read_copies * _READ_COPIES
        db = ctypes.c_void_p()
        _check(_api.ctdb_attach(self._open(), name.encode(), flags, _ms(timeout), ctypes.byref(db)), self._client)
        return Database(self, db)

    def register(self, srvid, handler, timeout=None):
        """Has service() and wait() call handler(data) for each message to service `srvid` of this node."""
        function = _OnMessage(lambda _client, _srvid, data, _private: self._run(handler, data.bytes()))
        _check(_api.ctdb_register(self._open(), srvid, function, None, _ms(timeout)), self._client)
        self._handlers[srvid] = function

    def _run(self, handler, *arguments):
        try:
            handler(*arguments)
        except Exception as problem:  # C code is in between
            self._raised.append(problem)

    def on_restart(self, handler):
        """Has service() and wait() call handler() when another router has taken over: messages may be lost."""
        function = _OnRestart(lambda _client, _private: self._run(handler))
        _check(_api.ctdb_on_restart(self._open(), function, None), self._client)
        self._handlers["restart"] = function

    def deregister(self, srvid, timeout=None):
        _check(_api.ctdb_deregister(self._open(), srvid, _ms(timeout)), self._client)
        self._handlers.pop(srvid, None)

    def send(self, node, srvid, data):
        """A message; there is no answer."""
        _check(_api.ctdb_send_message(self._open(), node, srvid, _blob(data)), self._client)

    def flush(self, timeout=None):
        """Waits until the daemons have what was sent."""
        _check(_api.ctdb_flush(self._open(), _ms(timeout)), self._client)

    def stats(self):
        """What this client has done, by the names of ctdb_stats."""
        stats = _Stats()
        _check(_api.ctdb_get_stats(self._open(), ctypes.byref(stats), ctypes.sizeof(stats)), self._client)
        return {name: getattr(stats, name) for name, _ in stats._fields_}

    def control(self, node, opcode, data=b"", timeout=None):
        """One control of the protocol: (status, data)."""
        payload = _blob(data)
        request, reply = _Request(node, opcode, 0, 0, payload), _Reply()
        _check(_api.ctdb_control(self._open(), ctypes.byref(request), _ms(timeout), ctypes.byref(reply)), self._client)
        return reply.status, reply.data.bytes()

    def ping(self, node=THIS_NODE, timeout=5):
        _check(_api.ctdb_ping(self._open(), node, _ms(timeout)), self._client)


class Database:
    """Made by Client.attach()."""

    def __init__(self, client, db):
        self.client, self._db = client, db

    def _open(self):
        self.client._open()
        if self._db is None:
            raise Error(ERRORS["INVALID"], "the database is detached")
        return self._db

    def _call(self, function, *arguments):
        return _check(function(self._open(), *arguments), self.client._client)

    def detach(self):
        _api.ctdb_detach(self._open())
        self._db = None

    def read(self, key, timeout=None):
        value = _Blob()
        self._call(_api.ctdb_read, _blob(key), _ms(timeout), ctypes.byref(value))
        return value.bytes()

    @contextlib.contextmanager
    def lock(self, key, timeout=None):
        """Brings the record here and locks it for the block of a `with`. Keep that short: daemons and other programs wait for it."""
        pointer = ctypes.c_void_p()
        self._call(_api.ctdb_fetch_lock, _blob(key), _ms(timeout), ctypes.byref(pointer))
        record = Record(self, pointer)
        try:
            yield record
        except BaseException:
            record._end()
            raise
        _check(record._end(), self.client._client)

    def add(self, key, amount=1, timeout=None):
        """Adds to a counter where the record is; the sum."""
        value = ctypes.c_int64()
        self._call(_api.ctdb_add, _blob(key), amount, _ms(timeout), ctypes.byref(value))
        return value.value

    def compare_and_swap(self, key, expected, wanted, timeout=None):
        """None: `expected` was replaced. Otherwise what is there."""
        current = _Blob()
        result = _api.ctdb_compare_and_swap(self._open(), _blob(key), _blob(expected), _blob(wanted), _ms(timeout), ctypes.byref(current))
        if result == ERRORS["UNEQUAL"]:
            return current.bytes()
        _check(result, self.client._client)
        return None

    def append(self, key, data, timeout=None):
        """The record's size afterwards."""
        size = ctypes.c_uint64()
        self._call(_api.ctdb_append, _blob(key), _blob(data), _ms(timeout), ctypes.byref(size))
        return size.value

    def call(self, key, function, argument=b"", timeout=None):
        """Runs a plug-in's function where the record is; its answer."""
        answer = _Blob()
        self._call(_api.ctdb_call_function, _blob(key), function.encode(), _blob(argument), _ms(timeout), ctypes.byref(answer))
        return answer.bytes()

    @contextlib.contextmanager
    def transaction(self, timeout=None):
        """Of a persistent or replicated database: committed at the end of the block of a `with`, forgotten when that raises. After Error with code
        CONFLICT nothing was written: make it again."""
        pointer = ctypes.c_void_p()
        self._call(_api.ctdb_transaction_start, _ms(timeout), ctypes.byref(pointer))
        transaction = Transaction(self, pointer)
        try:
            yield transaction
        except BaseException:
            transaction._end(_api.ctdb_transaction_cancel)
            raise
        _check(transaction._end(lambda pointer: _api.ctdb_transaction_commit(pointer, _ms(timeout))), self.client._client)


class _Lasting:
    """What C gave out, until it is let go."""

    def __init__(self, database, pointer):
        self.database, self._pointer = database, pointer

    def _call(self, function, *arguments):
        self.database._open()
        if self._pointer is None:
            raise Error(ERRORS["INVALID"], "it is over")
        result = function(self._pointer, *arguments)
        return _check(result, self.database.client._client) if isinstance(result, int) else result

    def _end(self, end):
        pointer, self._pointer = self._pointer, None
        alive = self.database._db is not None and self.database.client._client is not None
        return end(pointer) if alive else 0


class Record(_Lasting):
    """A locked record, see Database.lock()."""

    def _end(self, end=_api.ctdb_unlock):
        return super()._end(end)

    @property
    def data(self):
        return self._call(_api.ctdb_record_data).bytes()

    @property
    def may_be_older(self):
        return bool(self._call(_api.ctdb_record_may_be_older))

    def store(self, value):
        self._call(_api.ctdb_store, _blob(value))

    def delete(self):
        self._call(_api.ctdb_delete)


class Transaction(_Lasting):
    """See Database.transaction()."""

    def read(self, key):
        value = _Blob()
        self._call(_api.ctdb_transaction_fetch, _blob(key), ctypes.byref(value))
        return value.bytes()

    def store(self, key, value):
        self._call(_api.ctdb_transaction_store, _blob(key), _blob(value))

    def delete(self, key):
        self._call(_api.ctdb_transaction_delete, _blob(key))


def cli(*words, base=None, timeout=None, program="ctdb-cli"):
    """ctdb-cli's answer, as ctdb-cli.schema.json describes it, of the node configured in `base`. CliError when it does not end with 0, which `status`
    does for a node that is not healthy: `answer` then says why."""
    command = [program, *(["--base", base] if base else []), *(["--timeout", str(timeout)] if timeout else []), "-o", "json", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout or done.stderr)  # errors are on the latter
    except ValueError:
        answer = {"schema": CLI_SCHEMA, "error": done.stderr.strip()}
    if answer["schema"] != CLI_SCHEMA:
        raise CliError(done.returncode, {"error": f"ctdb-cli speaks schema {answer['schema']}, this module {CLI_SCHEMA}"})
    if done.returncode != 0:
        raise CliError(done.returncode, answer)
    return answer
