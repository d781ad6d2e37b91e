"""Receipts of answers, and what their readers thought of them."""

from collections.abc import Collection, Sequence

from sqlalchemy import select

from llm_engineering.domain.answers import Feedback, Receipt
from llm_engineering.infrastructure.state.keeping import answer_mark, check_short, document_marks, documents_of
from llm_engineering.infrastructure.state.sql_tables import feedback as given
from llm_engineering.infrastructure.state.sql_tables import receipts
from llm_engineering.infrastructure.state.sql_transactions import Part
from llm_engineering.infrastructure.state.sql_upserts import put
from llm_engineering.infrastructure.state.writing import from_text, to_text


class Receipts(Part):
    """Receipts and feedback, by answer and owner."""

    def keep_receipt(self, owner: str, receipt: Receipt, documents: Collection[str] = ()) -> None:
        answer_id, content = receipt.answer.id, to_text(receipt)
        check_short("owner", owner)
        check_short("answer id", answer_id, least=1)
        self._keeping.check_text("the receipt", content)
        marks = document_marks(documents_of(receipt, documents))
        self._prune()
        with self._writing(answers=True) as connection:
            if self._is_forgotten(connection, {*marks, answer_mark(answer_id)}):
                self._remember_forgotten(connection, {answer_mark(answer_id)})
                return
            row = {"answer_id": answer_id, "owner": owner, "content": content, "kept_at": self._now(connection)}
            connection.execute(put(receipts), row)
            self._cite(connection, answer_id, marks)

    def receipt(self, owner: str | None, answer_id: str) -> Receipt | None:
        query = select(receipts.c.content).where(receipts.c.answer_id == answer_id).order_by(receipts.c.kept_at)
        if owner is not None:
            query = query.where(receipts.c.owner == owner)
        with self._database.reading() as connection:
            cutoff = self._keeping.cutoff(self._now(connection))
            content = connection.execute(query.where(receipts.c.kept_at >= cutoff).limit(1)).scalar()
        return None if content is None else from_text(Receipt, content)

    def add_feedback(self, feedback: Feedback) -> None:
        check_short("owner", feedback.owner)
        check_short("answer id", feedback.answer_id, least=1)
        with self._writing(answers=True) as connection:
            if self._is_forgotten(connection, {answer_mark(feedback.answer_id)}):
                return
            row = {"answer_id": feedback.answer_id, "owner": feedback.owner, "content": to_text(feedback)}
            connection.execute(put(given), row | {"kept_at": self._now(connection)})

    def feedback(self, answer_id: str) -> Sequence[Feedback]:
        query = select(given.c.content).where(given.c.answer_id == answer_id).order_by(given.c.kept_at, given.c.owner)
        with self._database.reading() as connection:
            cutoff = self._keeping.cutoff(self._now(connection))
            contents = connection.execute(query.where(given.c.kept_at >= cutoff)).scalars().all()
        return [from_text(Feedback, content) for content in contents]
