"""Data sets, end to end on plain runs over an index of hashed vectors."""

import json
from pathlib import Path

import pytest
from dataset_world import TOPICS, asked, config_of, fill, questions_about

from llm_engineering import plain
from llm_engineering.application.datasets import held_questions, leaks, refuse_held_out
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.reports import Report

NAMES = sorted(TOPICS)


def made(report: Report) -> tuple[DatasetCard, list[RetrievalPair]]:
    assert report.dataset is not None
    store = open_datasets(Workspace())
    card = store.find(report.dataset.reference)
    return card, list(store.rows(card, list(Split)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    fill(tmp_path / "docs")
    return asked(tmp_path / "questions.csv", questions_about(NAMES))


def test_questions_and_titles_become_rows_whose_splits_are_apart(file: Path) -> None:
    report = plain.dataset(config_of(pairs=f"{{kind: questions, file: {file}}}, {{kind: structure}}"))
    card, rows = made(report)
    assert card.origins == {"question": 24, "title": 12}
    assert sum(card.rows.values()) == len(rows) == report.new == 36
    assert leaks(rows) == []
    assert {row.document_id for row in rows if row.split == "train"}
    assert all(row.negatives for row in rows if row.split == "train")
    assert not any(row.document_id in row.negative_documents for row in rows)
    splits = {name: row.split for row in rows for name in row.documents}
    allowed = {"train": {"train"}, "validation": {"train", "validation"}, "test": {"test"}}
    assert all(splits[name] in allowed[row.split] for row in rows for name in row.negative_documents)
    by_document = {row.document_id: row.passage for row in rows if row.origin == "question"}
    assert sum("Peregrines" in text for text in by_document.values()) == 1


def test_the_same_input_is_the_same_version_byte_for_byte(file: Path) -> None:
    config = config_of(pairs=f"{{kind: questions, file: {file}}}, {{kind: structure}}")
    card, _ = made(plain.dataset(config))
    place = open_datasets(Workspace()).place(card)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    again, _ = made(plain.dataset(config))
    assert again == card
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    other, _ = made(plain.dataset(config.model_copy(update={"dataset": config.dataset.model_copy(update={"seed": 1})})))
    assert other.version != card.version


def test_the_card_says_what_it_is_made_of(file: Path) -> None:
    pairs = f"{{kind: questions, file: {file}}}"
    card, rows = made(plain.dataset(config_of("dataset.licence=CC-BY-4.0", "dataset.users=[team]", pairs=pairs)))
    assert (card.licence, card.users, card.sources) == ("CC-BY-4.0", ("team",), ("docs",))
    assert (card.index["collection"], card.index["version"]) == ("default", "v1")
    assert list(card.settings["inputs"]) == [str(file)]  # type: ignore[call-overload]
    assert (card.documents, card.run > 0, card.digest[:12]) == (12, True, card.version)
    with Workspace().warehouse() as warehouse:
        known = [one for one in warehouse.derivatives() if one.kind == "dataset"]
        assert [one.name for one in known] == [card.reference]
        assert set(warehouse.derived_from(known[0].id)) == {row.document_id for row in rows}


def test_the_held_out_rows_are_for_evaluation_alone(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    # Drawn by hash, all twelve documents would be learnt from in one folder of fifteen.
    splits = {f"{name}.md": "test" if number % 2 else "train" for number, name in enumerate(NAMES)}
    questions = [(text, name, splits[name]) for text, name in questions_about(NAMES)]
    file = asked(tmp_path / "questions.csv", questions, ("question", "document", "split"))
    card, rows = made(plain.dataset(config_of("dataset.splits=column", pairs=f"{{kind: questions, file: {file}}}")))
    store = open_datasets(Workspace())
    test = store.rows(card, [Split.TEST])
    assert [one.text for one in held_questions(test)] == [row.question for row in rows if row.split == "test"]
    assert refuse_held_out(store.rows(card, [Split.TRAIN, Split.VALIDATION]))
    with pytest.raises(UsageError, match="is in split 'test'"):
        refuse_held_out(rows)


def test_planted_paraphrases_and_copies_are_never_in_two_splits(tmp_path: Path) -> None:
    texts = dict(TOPICS)
    for topic, text in TOPICS.items():  # a copy of each document, in which one word is another one
        texts[f"{topic}2"] = text.replace(" and ", " plus ").replace(" the ", " this ") + " Indeed."
    fill(tmp_path / "docs", texts)
    rows = questions_about(NAMES)
    rows += [(f"so {text}", f"{name.removesuffix('.md')}2.md") for text, name in rows]
    file = asked(tmp_path / "questions.csv", rows)
    card, found = made(plain.dataset(config_of(pairs=f"{{kind: questions, file: {file}}}")))
    assert card.clusters == 12
    assert leaks(found) == []
    of = {row.document_id: row.cluster for row in found}
    assert len(of) == 24
    for row in found:
        assert not {of.get(name) for name in row.negative_documents} & {row.cluster}


def test_a_column_decides_the_splits_and_a_cluster_in_two_of_them_is_held_out(tmp_path: Path) -> None:
    texts = dict(TOPICS) | {"copy": TOPICS["anchor"] + " Indeed."}
    fill(tmp_path / "docs", texts)
    splits = {name: "test" if number % 2 else "train" for number, name in enumerate(NAMES)}
    rows = [(text, name, splits[name.removesuffix(".md")]) for text, name in questions_about(NAMES)]
    rows.append(("Whither drifts an anchorless boat overnight?", "copy.md", "test"))  # anchor itself is in train
    file = asked(tmp_path / "questions.csv", rows, ("question", "document", "split"))
    report = plain.dataset(config_of("dataset.splits=column", pairs=f"{{kind: questions, file: {file}}}"))
    card, found = made(report)
    assert card.dropped["its_cluster_is_in_another_split"] == 2
    assert card.rows["test"] == 13
    assert leaks(found) == []
    wrong = asked(tmp_path / "wrong.csv", [("Why?", "copy.md", "tset")], ("question", "document", "split"))
    with pytest.raises(UsageError, match="'tset'"):
        plain.dataset(config_of("dataset.splits=column", pairs=f"{{kind: questions, file: {wrong}}}"))


def test_a_corpus_that_grows_keeps_its_splits(file: Path, tmp_path: Path) -> None:
    config = config_of(pairs=f"{{kind: questions, file: {file}}}")
    _, before = made(plain.dataset(config))
    fill(tmp_path / "docs", {"meadow": "Cows chew clover twice, bringing cud up from a stomach with four chambers."})
    _, after = made(plain.dataset(config))
    assert {row.id: row.split for row in before} == {row.id: row.split for row in after}


def test_documents_of_several_tenants_are_together_only_if_somebody_says_so(tmp_path: Path) -> None:
    half = len(NAMES) // 2
    for tenant, names in (("ada", NAMES[:half]), ("bob", NAMES[half:])):
        folder = tmp_path / tenant
        folder.mkdir()
        for name in names:
            (folder / f"{name}.md").write_text(f"# How does the {name} work\n\n{TOPICS[name]}\n")
    from llm_engineering.config import FeatureConfig, read_config

    sources = ", ".join(
        f"{{kind: files, name: {name}, root: {tmp_path / name}, tenant: {name}}}" for name in ("ada", "bob")
    )
    plain.feature(read_config(FeatureConfig, None, [f"ingest.sources=[{sources}]", "embedding.kind=hashing"]))
    with pytest.raises(UsageError, match="documents of 2 tenants"):
        plain.dataset(config_of())
    one, rows = made(plain.dataset(config_of("dataset.tenants=[ada]")))
    assert (one.sources, one.users) == (("ada",), ("ada",))
    assert not any("bob" in row.source for row in rows)
    both, rows = made(plain.dataset(config_of("dataset.tenants=[ada, bob]")))
    assert both.sources == ("ada", "bob")
    tenant_of = {row.document_id: row.source for row in rows}
    assert all(tenant_of[name] == row.source for row in rows for name in row.negative_documents)


def test_what_cannot_be_made_is_said(file: Path, tmp_path: Path) -> None:
    unknown = asked(tmp_path / "unknown.csv", [("Who?", "nowhere.md")])
    with pytest.raises(UsageError, match="1 unknown document"):
        plain.dataset(config_of(pairs=f"{{kind: questions, file: {unknown}}}"))
    with pytest.raises(
        UsageError, match=r"none of the 1 questions in .* names a document .* column 'document' says 'now"
    ):
        plain.dataset(config_of(pairs=f"{{kind: structure}}, {{kind: questions, file: {unknown}}}"))
    with pytest.raises(UsageError, match="there is no 'split'"):
        plain.dataset(config_of("dataset.splits=column", pairs=f"{{kind: questions, file: {file}}}"))
    with pytest.raises(UsageError, match="asks for the model"):
        plain.dataset(config_of(pairs="{kind: llm}"))


def test_a_run_that_finds_no_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        plain.dataset(config_of())


def test_half_of_the_passages_lose_the_words_of_their_title(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    _, shown = made(plain.dataset(config_of(pairs="{kind: structure, hide: 0}")))
    _, hidden = made(plain.dataset(config_of(pairs="{kind: structure, hide: 1}")))
    _, half = made(plain.dataset(config_of()))
    assert all(row.question.casefold() in row.passage.casefold() for row in shown)
    assert not any(row.question.casefold() in row.passage.casefold() for row in hidden)
    count = sum(row.question.casefold() in row.passage.casefold() for row in half)
    assert 0 < count < 12
    assert json.loads(half[0].filter) == {}


SHOP = {
    "如何申请退款？": "您可以在订单页面点击退款按钮，填写原因后提交，客服会在三个工作日内处理您的申请。",
    "怎样开具发票？": "在个人中心选择发票管理，输入公司名称和税号，电子发票会在一小时内发送到您的邮箱。",
    "忘记密码怎么办？": "请点击登录页面的忘记密码链接，输入注册时使用的手机号，收到验证码以后即可设置新的密码。",
    "会员权益说明": "会员购买所有商品享受九五折优惠，每个月赠送两张运费券，生日当天还可以领取一份小礼物。",
    "会员权益的说明": "会员购买全部商品享受九五折优惠，每个月赠送两张运费券，生日当天还可以领取一份小礼物。",
}


def test_a_script_without_spaces_has_words_and_near_duplicates_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number, (title, text) in enumerate(SHOP.items()):
        (folder / f"{number}.md").write_text(f"# {title}\n\n{text}\n")
    fill(folder, {})
    _, rows = made(plain.dataset(config_of("dataset.duplicates.passage_cosine=null", pairs="{kind: structure}")))
    assert {row.question for row in rows} >= set(SHOP) - {"会员权益的说明"}
    assert len({row.cluster for row in rows}) == len(SHOP) - 1
    assert leaks(rows) == []
