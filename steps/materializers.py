"""How ZenML stores our artifacts: data sets as Parquet, values as JSON, with metadata and a picture; never pickles."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel
from zenml.enums import ArtifactType, VisualizationType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.materializers.pydantic_materializer import PydanticMaterializer

from llm_engineering import stages
from llm_engineering.application.corpus import render_lengths
from llm_engineering.application.evaluation.page import render
from llm_engineering.application.llm_evaluation.page import DRAWN
from llm_engineering.application.llm_evaluation.page import render as render_llms
from llm_engineering.domain.batches import AnswerRow
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.datasets import DATASET_ROWS
from llm_engineering.domain.evaluation_results import EvaluationResult
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult
from llm_engineering.domain.reports import Report
from llm_engineering.domain.training import Trained, WeightsFolder
from llm_engineering.domain.value import Scalar, Value
from llm_engineering.infrastructure.observability import pictures
from llm_engineering.infrastructure.parquet import ParquetDataset, read_dataset

SHOWN_ROWS = 20


class DatasetMaterializer(BaseMaterializer):
    """Stores a `ParquetDataset` as its files, copied as they are: memory stays flat however large it is."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (ParquetDataset,)

    def save(self, data: ParquetDataset[Any]) -> None:
        for file in sorted(data.folder.iterdir()):
            fileio.copy(str(file), f"{self.uri}/{file.name}", overwrite=True)

    def load(self, data_type: type[Any]) -> ParquetDataset[Any]:  # noqa: ARG002 - the signature of the base class
        """Open the data set in place, or a copy of it where the artifact store is not a local folder."""
        if "://" not in self.uri:
            return read_dataset(Path(self.uri))
        folder = Path(tempfile.mkdtemp(prefix="dataset-"))
        for name in fileio.listdir(self.uri):
            if str(name).endswith(".parquet"):
                fileio.copy(f"{self.uri}/{name}", str(folder / str(name)))
        return read_dataset(folder)

    def extract_metadata(self, data: ParquetDataset[Any]) -> dict[str, Any]:
        facts = {"rows": len(data), "bytes": data.nbytes, "row_type": data.row_type.__name__}
        if data.row_type in DATASET_ROWS.values():
            facts |= {f"rows_{split}": count for split, count in sorted(Counter(row.split for row in data).items())}
        return facts

    def compute_content_hash(self, data: ParquetDataset[Any]) -> str:
        return data.fingerprint()

    def save_visualizations(self, data: ParquetDataset[Any]) -> dict[str, VisualizationType]:
        shown: dict[str, VisualizationType] = {}
        if data.row_type is Chunk and len(data):
            page = render_lengths([row.tokens for row in data])
            shown |= _write(self.uri, "chunk_lengths.html", page.encode(), VisualizationType.HTML)
        if data.row_type in DATASET_ROWS.values() and len(data):
            counts = Counter(f"{row.origin}, {row.split}" for row in data)
            picture = pictures.bars(dict(sorted(counts.items())), "Rows by origin and split", "rows")
            shown |= _write(self.uri, "rows.png", picture, VisualizationType.IMAGE)
            lengths = [len(row.passage.split()) for row in data]
            picture = pictures.histogram(lengths, "Length of the passages", "words")
            shown |= _write(self.uri, "passage_lengths.png", picture, VisualizationType.IMAGE)
        if data.row_type is AnswerRow and len(data):
            picture = pictures.bars(Counter(row.outcome for row in data), "What became of the questions", "rows")
            shown |= _write(self.uri, "outcomes.png", picture, VisualizationType.IMAGE)
        sample = [_shown(row) for row in data.head(SHOWN_ROWS)]
        return shown | _write(self.uri, "first_rows.csv", pictures.table(sample).encode(), VisualizationType.CSV)


class ValueMaterializer(PydanticMaterializer):
    """Stores a value of the domain as JSON, with its numbers as metadata and its lists as tables."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Value,)

    def extract_metadata(self, data: BaseModel) -> dict[str, Any]:
        return dict(_scalars(data))

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        facts = [{"what": name, "value": value} for name, value in _scalars(data)]
        shown = _write(self.uri, "facts.csv", pictures.table(facts).encode(), VisualizationType.CSV)
        for name, value in data:
            if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
                rows = [item.model_dump(mode="json") for item in value]
                shown |= _write(self.uri, f"{name}.csv", pictures.table(rows).encode(), VisualizationType.CSV)
        return shown


class ReportMaterializer(ValueMaterializer):
    """Stores the report of a run as JSON, with its page, and each part of that which says something new."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Report,)

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        shown: dict[str, VisualizationType] = {}
        for name, page in stages.page_parts(data).items():
            shown |= _write(self.uri, f"{name}.html", page.encode(), VisualizationType.HTML)
        return shown | super().save_visualizations(data)


class TrainedMaterializer(ValueMaterializer):
    """Stores how a training went, with its curve as a picture and its figures as metadata."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Trained,)

    def extract_metadata(self, data: BaseModel) -> dict[str, Any]:
        assert isinstance(data, Trained)  # noqa: S101 - the type above
        return dict(_scalars(data)) | dict(_scalars(data.record)) | {k: v.value for k, v in data.metrics.items()}

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        shown = super().save_visualizations(data)
        curve = data.record.curve
        series = {
            name: [(point.step, value) for point in curve if (value := getattr(point, name)) is not None]
            for name in ("loss", "metric", "learning_rate")
        }
        if curve:
            rows = [point.model_dump(mode="json") for point in curve]
            picture = pictures.lines({name: points for name, points in series.items() if points}, "Training", "steps")
            shown |= _write(self.uri, "curve.png", picture, VisualizationType.IMAGE)
            shown |= _write(self.uri, "curve.csv", pictures.table(rows).encode(), VisualizationType.CSV)
        return shown


class WeightsMaterializer(BaseMaterializer):
    """Stores the folder of a model as its files, copied as they are: safetensors and settings, never pickles."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (WeightsFolder,)

    def save(self, data: WeightsFolder) -> None:
        for path in data.files():
            target = f"{self.uri}/{path.as_posix()}"
            fileio.makedirs(target.rpartition("/")[0])
            fileio.copy(str(data.folder / path), target, overwrite=True)

    def load(self, data_type: type[Any]) -> WeightsFolder:  # noqa: ARG002 - the signature of the base class
        """Open the folder in place, or a copy of it where the artifact store is not a local folder."""
        if "://" not in self.uri:
            return WeightsFolder(Path(self.uri))
        folder = Path(tempfile.mkdtemp(prefix="weights-"))
        for place, _, names in fileio.walk(self.uri):
            below = str(place).removeprefix(self.uri).strip("/")
            (folder / below).mkdir(parents=True, exist_ok=True)
            for name in names:
                fileio.copy(f"{place!s}/{name!s}", str(folder / below / str(name)))
        return WeightsFolder(folder)

    def extract_metadata(self, data: WeightsFolder) -> dict[str, Any]:
        files = [data.folder / path for path in data.files()]
        return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}


class EvaluationMaterializer(ValueMaterializer):
    """Stores the result of an evaluation as JSON, with its figures as metadata, two pictures and the report."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (EvaluationResult,)

    def extract_metadata(self, data: BaseModel) -> dict[str, Any]:
        return data.facts() if isinstance(data, EvaluationResult) else {}

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        estimates = data.evaluation.slices[0].metrics
        bars = {name: (one.value, one.low, one.high) for name, one in estimates.items()}
        curves = {data.evaluation.id: data.curve}
        if data.before:
            curves = {f"before: {data.before.id}": data.before_curve, f"after: {data.evaluation.id}": data.curve}
        shown = _write(self.uri, "report.html", render(data).encode(), VisualizationType.HTML)
        picture = pictures.intervals(bars, f"{data.evaluation.questions} questions", "mean")
        shown |= _write(self.uri, "metrics.png", picture, VisualizationType.IMAGE)
        picture = pictures.curves(curves, "Questions answered among the first documents", "documents", "hit rate")
        shown |= _write(self.uri, "hits.png", picture, VisualizationType.IMAGE)
        rows = [one.model_dump(mode="json") for one in data.missed]
        return shown | _write(self.uri, "missed.csv", pictures.table(rows).encode(), VisualizationType.CSV)


class LlmEvaluationMaterializer(ValueMaterializer):
    """Stores how language models compare as JSON, with its figures as metadata, a picture and the report."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (LlmEvaluationResult,)

    def extract_metadata(self, data: BaseModel) -> dict[str, Any]:
        return data.facts() if isinstance(data, LlmEvaluationResult) else {}

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        figures = {
            f"{place} {one.model.reference.rpartition('/')[2][-30:]}": one.metrics
            for place, one in enumerate(data.models)
        }
        bars = {
            f"{name}, {model}": (found[name].value, found[name].low, found[name].high)
            for name in DRAWN
            for model, found in figures.items()
            if name in found
        }
        shown = _write(self.uri, "report.html", render_llms(data).encode(), VisualizationType.HTML)
        picture = pictures.intervals(bars, f"{data.rows} held-out rows", "mean")
        shown |= _write(self.uri, "measures.png", picture, VisualizationType.IMAGE)
        rows = [
            {"before": pair.before, "after": pair.after} | one.model_dump(mode="json", exclude={"difference"})
            for pair in data.comparisons
            for one in pair.comparisons
        ]
        return shown | _write(self.uri, "comparisons.csv", pictures.table(rows).encode(), VisualizationType.CSV)


def _scalars(data: BaseModel) -> Iterator[tuple[str, Scalar]]:
    # ZenML has no type for members of an enumeration: their values are what is shown.
    values = ((name, value.value if isinstance(value, Enum) else value) for name, value in data)
    return ((name, value) for name, value in values if isinstance(value, str | int | float | bool))


def _shown(row: Any) -> Mapping[str, object]:
    """Return a row of a data set as a table shows it: long sequences of numbers by their beginning."""
    return {
        name: f"{len(value)} values: {list(value[:4])} …" if name == "vector" else value
        for name, value in asdict(row).items()
    }


def _write(uri: str, name: str, content: bytes, kind: VisualizationType) -> dict[str, VisualizationType]:
    path = f"{uri}/{name}"
    with fileio.open(path, "wb") as file:
        file.write(content)
    return {path: kind}
