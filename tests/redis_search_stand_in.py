"""A stand-in for a Redis 8 server, whose search module cannot be installed everywhere. It is not Redis.

It listens on loopback, speaks RESP 2, and knows the commands that this project sends through redis-py: hashes, and
FT.CREATE, FT.SEARCH, FT.INFO, FT._LIST and FT.DROPINDEX over them, computed in memory.

What it checks: the user and password; unknown commands, options and fields; the dimension of vectors; the grammar of
queries as far as this project uses it; that a query says DIALECT 2; 10,000 hits at most.

What it cannot show: HNSW, memory, persistence, clusters, and the whole grammar of queries. For these the suite marked
`search_server` runs against a real one (set LLM_ENGINEERING_REDIS_URL).
"""

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Hash = dict[bytes, bytes]
Matches = Callable[[Hash], bool]
WORDS = re.compile(r"\s*(?:(@\w+:\{[^}]*\})|(@\w+:\[[^\]]*\])|([()|-]))")
DEFAULTS = ("ON", "HASH", "PREFIX", "1")


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is an error."""


@dataclass
class SearchIndex:
    prefix: bytes
    fields: dict[str, str]
    dimension: int


@dataclass
class StandIn:
    password: str = ""
    can_search: bool = True
    policy: str = "noeviction"
    hashes: dict[bytes, Hash] = field(default_factory=dict)
    indices: dict[str, SearchIndex] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    answer_next: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def answer(self, words: list[bytes], session: dict[str, bool]) -> Any:
        name = words[0].decode().upper()
        with self.lock:
            self.commands.append(name)
            if name == "AUTH":
                if words[-1].decode() != self.password:
                    raise Refusal("WRONGPASS invalid username-password pair or user is disabled.")
                session["known"] = True
                return "OK"
            if self.password and not session.get("known"):
                raise Refusal("NOAUTH Authentication required.")
            if name.startswith("FT.") and self.answer_next:
                raise Refusal(self.answer_next.pop(0))
            if name.startswith("FT.") and not self.can_search:
                raise Refusal(f"ERR unknown command '{name}', with args beginning with: ")
            method = getattr(self, "on_" + name.lower().replace(".", "_"), None)
            if method is None:
                raise Refusal(f"ERR unknown command '{name}'")
            return method(*words[1:])

    def on_ping(self) -> Any:
        return "PONG"

    def on_client(self, *words: bytes) -> Any:
        return "OK"

    on_select = on_client

    def on_info(self, section: bytes) -> Any:
        return f"# Memory\r\nmaxmemory:1000000\r\nmaxmemory_policy:{self.policy}\r\n".encode()

    def on_hset(self, key: bytes, *pairs: bytes) -> Any:
        if not pairs or len(pairs) % 2:
            raise Refusal("ERR wrong number of arguments for 'hset' command")
        self.hashes.setdefault(key, {}).update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(pairs) // 2

    def on_hget(self, key: bytes, name: bytes) -> Any:
        return self.hashes.get(key, {}).get(name)

    def on_hmget(self, key: bytes, *names: bytes) -> Any:
        return [self.hashes.get(key, {}).get(name) for name in names]

    def on_hgetall(self, key: bytes) -> Any:
        return [part for pair in self.hashes.get(key, {}).items() for part in pair]

    def on_hdel(self, key: bytes, *names: bytes) -> Any:
        return sum(self.hashes.get(key, {}).pop(name, None) is not None for name in names)

    def on_del(self, *keys: bytes) -> Any:
        if not keys:
            raise Refusal("ERR wrong number of arguments for 'del' command")
        return sum(self.hashes.pop(key, None) is not None for key in keys)

    def on_ft__list(self) -> Any:
        return [name.encode() for name in self.indices]

    def on_ft_info(self, name: bytes) -> Any:
        self._index(name)
        return [b"index_name", name, b"indexing", b"0"]

    def on_ft_dropindex(self, name: bytes, *words: bytes) -> Any:
        index = self._index(name)
        if words == (b"DD",):
            for key in [key for key in self.hashes if key.startswith(index.prefix)]:
                del self.hashes[key]
        del self.indices[name.decode()]
        return "OK"

    def on_ft_create(self, name: bytes, *words: bytes) -> Any:
        said = [word.decode() for word in words]
        if name.decode() in self.indices:
            raise Refusal("Index already exists")
        if tuple(said[:4]) != DEFAULTS or said[5] != "SCHEMA":
            raise Refusal(f"Unknown argument `{said[0]}`")
        fields, dimension, rest = {}, 0, said[6:]
        while rest:
            known, kind, *rest = rest
            if kind == "VECTOR":
                _, number, *rest = rest
                given = dict(zip(rest[: int(number) : 2], rest[1 : int(number) : 2], strict=True))
                if given.get("TYPE") != "FLOAT32" or given.get("DISTANCE_METRIC") != "COSINE":
                    raise Refusal("Missing mandatory parameter: cannot create index without specifying TYPE argument")
                dimension, rest = int(given["DIM"]), rest[int(number) :]
            elif kind not in ("TAG", "NUMERIC"):
                raise Refusal(f"Invalid field type for field `{known}`")
            fields[known] = kind
            rest = rest[1:] if rest[:1] == ["SORTABLE"] else rest
        self.indices[name.decode()] = SearchIndex(words[4], fields, dimension)
        return "OK"

    def on_ft_search(self, name: bytes, query: bytes, *words: bytes) -> Any:
        index, options = self._index(name), self._options(list(words))
        if options.get("DIALECT") != [b"2"]:
            raise Refusal("this project's queries need DIALECT 2")
        text, _, near = query.decode().partition("=>")
        matches = Query(index, text).read()
        found = [
            (key, row) for key, row in self.hashes.items() if key.startswith(index.prefix) and _is_indexed(index, row)
        ]
        hits = [(key, row, 0.0) for key, row in found if matches(row)]
        if near:
            hits = self._nearest(index, hits, near, options)
        order = options.get("SORTBY")
        if order and order[0] == b"place":
            hits.sort(key=lambda hit: float(hit[1].get(b"place", b"inf")))
        start, number = (int(word) for word in options.get("LIMIT", [b"0", b"10"]))
        if number > 10_000:
            raise Refusal("LIMIT exceeds maximum of 10000")
        answer: list[Any] = [len(hits)]
        for key, _, distance in hits[start : start + number]:
            answer += [key] if "NOCONTENT" in options else [key, [b"distance", repr(distance).encode()]]
        return answer

    def _options(self, words: list[bytes]) -> dict[str, list[bytes]]:
        options: dict[str, list[bytes]] = {}
        lengths = {"NOCONTENT": 0, "DIALECT": 1, "TIMEOUT": 1, "SORTBY": 2, "LIMIT": 2}
        while words:
            word = words.pop(0).decode()
            if word in ("PARAMS", "RETURN"):
                number = int(words.pop(0))
            elif word in lengths:
                number = lengths[word]
            else:
                raise Refusal(f"Unknown argument `{word}`")
            options[word], words = words[:number], words[number:]
        return options

    def _nearest(
        self, index: SearchIndex, hits: list[tuple[bytes, Hash, float]], near: str, options: dict[str, list[bytes]]
    ) -> list[tuple[bytes, Hash, float]]:
        if not re.fullmatch(r"\[KNN \$k @dense \$v( EF_RUNTIME \d+| HYBRID_POLICY ADHOC_BF)? AS distance\]", near):
            raise Refusal(f"Syntax error at offset 0 near {near}")
        given = dict(zip(options["PARAMS"][::2], options["PARAMS"][1::2], strict=True))
        if len(given[b"v"]) != 4 * index.dimension:
            raise Refusal(
                "Error parsing vector similarity query: query vector blob size does not match index's expected size"
            )
        query = np.frombuffer(given[b"v"], np.float32)

        def distance(row: Hash) -> float:
            other = np.frombuffer(row[b"dense"], np.float32)
            return float(1 - query @ other / (np.linalg.norm(query) * np.linalg.norm(other)))

        measured = sorted(
            ((key, row, distance(row)) for key, row, _ in hits if b"dense" in row), key=lambda hit: hit[2]
        )
        return measured[: int(given[b"k"])]

    def _index(self, name: bytes) -> SearchIndex:
        if name.decode() not in self.indices:
            raise Refusal(f"{name.decode()}: no such index")
        return self.indices[name.decode()]


def _is_indexed(index: SearchIndex, row: Hash) -> bool:
    """A hash whose vector has another size is left out of the index, as the module does."""
    return b"dense" not in row or len(row[b"dense"]) == 4 * index.dimension


class Query:
    """The grammar of queries: tags, ranges, `-` before one of them, brackets, `|` between alternatives."""

    def __init__(self, index: SearchIndex, text: str) -> None:
        self.index = index
        self.text = text
        self.words: list[str] = []
        at = 0
        while text[at:].strip() and text != "*":
            word = WORDS.match(text, at)
            if word is None:
                raise Refusal(f"Syntax error at offset {at} near {text[at : at + 20]}")
            self.words.append(word.group().strip())
            at = word.end()

    def read(self) -> Matches:
        if self.text == "*":
            return lambda row: True
        matches = self._either()
        if self.words:
            raise Refusal(f"Syntax error near {self.words[0]}")
        return matches

    def _either(self) -> Matches:
        some = [self._all()]
        while self.words[:1] == ["|"]:
            self.words.pop(0)
            some.append(self._all())
        return lambda row: any(one(row) for one in some)

    def _all(self) -> Matches:
        every = [self._one()]
        while self.words and self.words[0] not in (")", "|"):
            every.append(self._one())
        return lambda row: all(one(row) for one in every)

    def _one(self) -> Matches:
        if not self.words or self.words[0] in (")", "|"):
            raise Refusal("Syntax error: an empty clause")
        word = self.words.pop(0)
        if word == "-":
            inner = self._one()
            return lambda row: not inner(row)
        if word == "(":
            inner = self._either()
            if self.words[:1] != [")"]:
                raise Refusal("Syntax error: unbalanced brackets")
            self.words.pop(0)
            return inner
        name, _, said = word[1:].partition(":")
        if self.index.fields.get(name) != ("TAG" if said[0] == "{" else "NUMERIC"):
            raise Refusal(f"Unknown field at offset 0 near {name}")
        return self._tags(name.encode(), said[1:-1]) if said[0] == "{" else self._range(name.encode(), said[1:-1])

    def _tags(self, name: bytes, said: str) -> Matches:
        if not re.fullmatch(r"t\w+(\|t\w+)*", said):
            raise Refusal(f"Syntax error near {said[:20]}")
        wanted = {word.encode() for word in said.split("|")}
        return lambda row: bool(wanted.intersection(row.get(name, b"").split(b",")))

    def _range(self, name: bytes, said: str) -> Matches:
        low, high = said.split(" ")
        least, most = float(low.strip("(")), float(high.strip("("))

        def holds(row: Hash) -> bool:
            if name not in row:
                return False
            value = float(row[name])
            above = value > least if low[0] == "(" else value >= least
            return above and (value < most if high[0] == "(" else value <= most)

        return holds


def encoded(answer: Any) -> bytes:
    match answer:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % answer
        case str():
            return b"+" + answer.encode() + b"\r\n"
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(answer), answer)
    return b"*%d\r\n" % len(answer) + b"".join(map(encoded, answer))


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def stand_in(**settings: Any) -> Iterator[StandIn]:
    """Run a stand-in for a Redis server with search."""
    server = StandIn(**settings)

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            session: dict[str, bool] = {}
            try:
                while line := self.rfile.readline():
                    words = []
                    for _ in range(int(line[1:])):
                        size = int(self.rfile.readline()[1:])
                        words.append(self.rfile.read(size + 2)[:-2])
                    self.wfile.write(self.answered(words, session))
            except OSError:
                return

        def answered(self, words: list[bytes], session: dict[str, bool]) -> bytes:
            try:
                return encoded(server.answer(words, session))
            except Refusal as refusal:
                return f"-{refusal}\r\n".encode()

    with Listener(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.port = listener.server_address[1]
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
