"""A document that a cleaner or chunker raises on is a rejection; the run goes on with all others."""

from pathlib import Path

import pytest

from llm_engineering import plain, stages
from llm_engineering.config import FeatureConfig
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.reports import Report

OWN = {
    "cleaning": {"cleaners": [{"kind": "unicode"}, {"kind": "python", "function": "tests.own_functions:clean"}]},
    "chunking": {"kind": "python", "function": "tests.own_functions:chunk"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "lake.txt").write_text("A lake lies in the valley.\n")
    (folder / "rock.txt").write_text("An old volcano stands over the plain and smokes.\n")
    (folder / "snow.txt").write_text("The glacier melts a little every summer.\n")
    return folder


def run(folder: Path, **sections: object) -> Report:
    return plain.feature(config(folder, **(OWN | sections)))


def config(folder: Path, **sections: object) -> FeatureConfig:
    sources = [{"kind": "files", "name": "docs", "root": str(folder)}]
    return FeatureConfig.model_validate({"ingest": {"sources": sources}, "embedding": {"kind": "hashing"}, **sections})


@pytest.mark.parametrize("executor", [{"kind": "local"}, {"kind": "local", "processes": 2, "worthwhile": 0}])
def test_the_others_are_indexed_and_the_reasons_are_told_without_the_text(
    folder: Path, executor: dict[str, object]
) -> None:
    report = run(folder, executor=executor)
    told = {Path(item.uri).name: (item.reason, item.detail) for item in report.rejections}
    assert told == {
        "rock.txt": ("cleaner_failed", "ValueError: cannot clean '…\\n'"),
        "snow.txt": ("chunker_failed", "KeyError: 'no heading'"),
    }
    assert (report.found, report.new, report.chunks, report.points) == (3, 3, 1, 1)
    assert [hit.uri.rpartition("/")[2] for hit in stages.search(config(folder, **OWN), ["lake"], {}, 5)[0]] == [
        "lake.txt"
    ]


def test_the_version_that_the_index_has_stays_and_a_later_run_tries_again(folder: Path) -> None:
    (folder / "rock.txt").write_text("An old hill.\n")
    (folder / "snow.txt").write_text("Much snow.\n")
    assert run(folder).points == 3
    (folder / "rock.txt").write_text("An old hill is a volcano.\n")
    (folder / "snow.txt").write_text("Much snow makes a glacier.\n")
    report = run(folder)
    assert (report.changed, report.points, report.written, report.removed, len(report.rejections)) == (2, 3, 0, 0, 2)
    assert len(run(folder).rejections) == 2
    (folder / "rock.txt").write_text("An old mountain.\n")
    report = run(folder)
    assert (report.points, report.written, report.removed, len(report.rejections)) == (3, 1, 1, 1)
    (folder / "snow.txt").unlink()
    report = run(folder)
    assert (report.points, report.removed, report.rejections) == (2, 1, ())


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("tests.own_functions:one_argument", "cannot be called with 2 arguments"),
        ("tests.own_functions:nothing", "has no function 'nothing'"),
        ("tests.no_such_module:clean", "cannot be imported"),
    ],
)
def test_a_mistake_that_concerns_every_document_ends_the_run(folder: Path, function: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(folder, cleaning={"cleaners": [{"kind": "python", "function": function}]})


def test_many_documents_that_all_fail_end_the_run(folder: Path) -> None:
    for number in range(10):
        (folder / f"{number}.txt").write_text(f"Number {number}.\n")
    with pytest.raises(UsageError, match="cleaning failed for all 13 documents, the last time with RuntimeError"):
        run(folder, cleaning={"cleaners": [{"kind": "python", "function": "tests.own_functions:never"}]})
