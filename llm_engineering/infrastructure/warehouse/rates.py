"""How fast models embedded, run by run."""

from sqlalchemy import insert, select

from llm_engineering.domain.costs import EmbeddingRate
from llm_engineering.infrastructure.warehouse.database import Part
from llm_engineering.infrastructure.warehouse.patience import patient
from llm_engineering.infrastructure.warehouse.tables import embedding_rates as measured
from llm_engineering.infrastructure.warehouse.values import now

# Machines and settings change: only the last runs tell about the next one.
LAST_RUNS = 5


class Rates(Part):
    """What runs measured while they embedded."""

    @patient
    def record_embedding(self, model_digest: str, rate: EmbeddingRate, run: int) -> None:
        row = rate.model_dump(include={"tokens", "seconds", "opening"})
        with self._database.writing() as connection:
            self._fence(connection, run)
            connection.execute(insert(measured).values(row | {"model_digest": model_digest, "run": run, "at": now()}))

    def embedding_rate(self, model_digest: str) -> EmbeddingRate | None:
        columns = (measured.c.tokens, measured.c.seconds, measured.c.opening)
        query = select(*columns).where(measured.c.model_digest == model_digest)
        rows = self._all(query.order_by(measured.c.number.desc()).limit(LAST_RUNS))
        tokens = sum(row.tokens for row in rows)
        if not tokens:
            return None
        return EmbeddingRate(
            tokens=tokens,
            seconds=sum(row.seconds for row in rows),
            opening=sum(row.opening for row in rows) / len(rows),
            runs=len(rows),
        )
