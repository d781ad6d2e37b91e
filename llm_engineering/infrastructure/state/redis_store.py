"""The port `AssistantState` on a Redis server."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import uuid4

from llm_engineering.domain.answers import Conversation, Feedback, Receipt, Turn
from llm_engineering.infrastructure.state import redis_scripts as scripts
from llm_engineering.infrastructure.state.keeping import (
    answer_mark,
    check_short,
    document_marks,
    documents_of,
    is_conversation_id,
    marks_of_turn,
    microseconds,
    no_such_conversation,
    title_of,
)
from llm_engineering.infrastructure.state.redis import RedisState
from llm_engineering.infrastructure.state.redis_erasure import Erasure
from llm_engineering.infrastructure.state.redis_server import Server
from llm_engineering.infrastructure.state.writing import from_text, hashed, iso, to_text


class RedisAssistantState(Erasure):
    """The port over one server and one prefix. Threads may share it."""

    def __init__(self, address: str, spec: RedisState) -> None:
        super().__init__(Server(address, spec.prefix, spec.timeout_seconds))
        self._keeping = spec
        self._lasting = 0 if spec.keep_days is None else microseconds("state.keep_days", spec.keep_days * 86_400)

    def create_conversation(self, owner: str, title: str = "") -> Conversation:
        check_short("owner", owner)
        check_short("title", title)
        name = str(uuid4())
        keys = [self._server.key("conversation", name), self._owned(owner)]
        most = self._keeping.max_conversations
        made = self._server.call(scripts.CREATE, keys, name, _raw(owner), _raw(title), most, self._lasting)
        if made is None:
            raise self._keeping.too_many_conversations()
        return Conversation(id=name, owner=owner, title=title, created_at=iso(int(made)), updated_at=iso(int(made)))

    def conversation(self, owner: str, conversation_id: str) -> Conversation | None:
        if not is_conversation_id(conversation_id):
            return None
        with self._server.errors():
            pipeline = self._server.client.pipeline(transaction=True)
            pipeline.hgetall(self._server.key("conversation", conversation_id))
            pipeline.lrange(self._server.key("turns", conversation_id), 0, -1)
            fields, said = pipeline.execute()
        if fields.get(b"owner") != _raw(owner):
            return None
        turns = tuple(from_text(Turn, _body(text)) for text in said)
        return _conversation(conversation_id, fields, turns)

    def conversations(self, owner: str, limit: int = 100) -> Sequence[Conversation]:
        if limit <= 0:
            return []
        with self._server.errors():
            names = [name.decode() for name in self._server.client.zrevrange(self._owned(owner), 0, limit - 1)]
            pipeline = self._server.client.pipeline(transaction=False)
            for name in names:
                pipeline.hgetall(self._server.key("conversation", name))
            found = pipeline.execute()
        # One that has expired stands in the list until the next one is created.
        return [_conversation(name, fields) for name, fields in zip(names, found, strict=True) if fields]

    def add_turn(self, owner: str, conversation_id: str, turn: Turn, documents: Collection[str] = ()) -> None:
        check_short("answer id", turn.answer_id)
        self._keeping.check_text("the turn", turn.question, turn.answer, turn.at)
        if not is_conversation_id(conversation_id):
            raise no_such_conversation(conversation_id)
        marks = marks_of_turn(turn, documents)
        text = _with_head(turn.answer_id, documents, to_text(turn))
        title, most = _raw(title_of(turn.question)), self._keeping.max_turns
        arguments: list[bytes | str | int] = [conversation_id, _raw(owner), text, title, most, self._lasting, *marks]
        keys = [*self._keys_of(conversation_id), self._owned(owner), self._server.key("forgotten")]
        done = self._server.call(scripts.ADD_TURN, keys, *arguments)
        if done == -1:
            raise no_such_conversation(conversation_id)
        if done == -2:
            raise self._keeping.too_many_turns(conversation_id)

    def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        if not is_conversation_id(conversation_id):
            return False
        keys = [*self._keys_of(conversation_id), self._owned(owner)]
        return bool(self._server.call(scripts.DELETE, keys, conversation_id, _raw(owner)))

    def cached(self, key: str) -> str | None:
        with self._server.errors():
            text = self._server.client.get(self._entry(key))
        return _body(text) if text else None

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        self._keeping.check_text("the text to be cached", value)
        lasting = microseconds("a cached text", seconds) // 1_000
        keys = [self._entry(key), self._server.key("forgotten")]
        self._server.call(scripts.CACHE, keys, _with_head("", documents, value), lasting, *document_marks(documents))

    def claim(self, key: str, seconds: float) -> bool:
        lasting = microseconds("a claim", seconds) // 1_000
        with self._server.errors():
            return bool(self._server.client.set(self._entry(key), b"", nx=True, px=lasting))

    def release(self, key: str) -> None:
        with self._server.errors():
            self._server.client.delete(self._entry(key))

    def keep_receipt(self, owner: str, receipt: Receipt, documents: Collection[str] = ()) -> None:
        content = to_text(receipt)
        self._keeping.check_text("the receipt", content)
        self._keep("receipts", owner, receipt.answer.id, content, documents_of(receipt, documents))

    def receipt(self, owner: str | None, answer_id: str) -> Receipt | None:
        key = self._server.key("receipts", answer_mark(answer_id))
        with self._server.errors():
            if owner is None:
                text = next(iter(self._server.client.hvals(key)), None)
            else:
                text = self._server.client.hget(key, hashed(owner))
        return from_text(Receipt, _body(text)) if text else None

    def add_feedback(self, feedback: Feedback) -> None:
        self._keep("feedback", feedback.owner, feedback.answer_id, to_text(feedback), ())

    def feedback(self, answer_id: str) -> Sequence[Feedback]:
        with self._server.errors():
            texts = self._server.client.hvals(self._server.key("feedback", answer_mark(answer_id)))
        return [from_text(Feedback, _body(text)) for text in texts]

    def ping(self) -> None:
        with self._server.errors():
            self._server.client.ping()

    def close(self) -> None:
        self._server.client.close()

    def _keep(self, kind: str, owner: str, answer_id: str, content: str, documents: Collection[str]) -> None:
        check_short("owner", owner)
        check_short("answer id", answer_id, least=1)
        mark = answer_mark(answer_id)
        keys = [self._server.key(kind, mark), self._server.key("forgotten")]
        text = _with_head(answer_id, documents, content)
        self._server.call(scripts.KEEP, keys, hashed(owner), text, self._lasting, mark, *document_marks(documents))

    def _entry(self, key: str) -> bytes:
        return self._server.key("entry", hashed(key))

    def _owned(self, owner: str) -> bytes:
        return self._server.key("owner", hashed(owner))

    def _keys_of(self, conversation_id: str) -> Iterable[bytes]:
        return self._server.key("conversation", conversation_id), self._server.key("turns", conversation_id)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _with_head(answer_id: str, documents: Collection[str], text: str) -> bytes:
    """Return a text with the line before it that says which answer it belongs to, and which documents it quotes."""
    answer = answer_mark(answer_id) if answer_id else "-"
    return ",".join((answer, *sorted(document_marks(documents)))).encode() + b"\n" + _raw(text)


def _body(text: bytes) -> str:
    return text.partition(b"\n")[2].decode("utf-8", "surrogatepass")


def _conversation(name: str, fields: Mapping[bytes, bytes], turns: tuple[Turn, ...] = ()) -> Conversation:
    return Conversation(
        id=name,
        owner=fields[b"owner"].decode("utf-8", "surrogatepass"),
        title=fields[b"title"].decode("utf-8", "surrogatepass"),
        created_at=iso(int(fields[b"created"])),
        updated_at=iso(int(fields[b"updated"])),
        turns=turns,
    )
