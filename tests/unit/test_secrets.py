"""What is hidden, what is left alone, and that hiding takes linear time."""

import json
import logging
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from loguru import logger

from llm_engineering.config import FeatureConfig
from llm_engineering.domain import secrets
from llm_engineering.domain.errors import BackendError, SourceError, UsageError
from llm_engineering.domain.secrets import holds_secret, redact, redacted, remember
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.observability.logs import configure_logging, forget_secrets

C = "hunter2secretvalue99"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", set())


@pytest.mark.parametrize(
    "text",
    [
        f"password={C}", f"password: {C}", f'"password": "{C}"', f"'password': '{C} and {C}'", f"'password': b'{C}'",
        f"DB_PASSWORD={C}", f'export API_KEY="{C}"', f"api-key: {C}", f"x-api-key: {C}", f"my_token:{C}",
        f"Authorization: Bearer {C}", f"authorization: Basic {C}==", f"('Authorization', 'Bearer {C}')",
        f"(b'authorization', b'Bearer {C}')", f"Authorization: {C}", f"Bearer {C}", f"Cookie: {C}",
        f"Cookie: theme=dark; session={C}", f"?pass={C}&x=1", f"?pw={C}",
        f"https://u:{C}@h/", f"https://{C}@h/", f"https://u:p@{C}@h/x", f"redis://:{C}@h", f"https%3A%2F%2Fu%3A{C}%40h",
        f"postgresql+psycopg://u:{C}@h:5432/d", f"Server=x;Password={C};User=y", f"AccountKey={C}==;",
        f"host=x password={C} user=y", f"?sig={C}&x=1", f"?X-Amz-Signature={C}", f"&X-Amz-Credential={C}%2F2020",
        f"X-Amz-Security-Token={C}", f"?access_token={C}", f"?key={C}", f"aws_secret_access_key = {C}",
        f"client_secret={C}", f"password%3D{C}", f"%22password%22%3A%22{C}%22", f'\\"password\\": \\"{C}\\"',
        f"--password {C}", f"--api-key={C}", f"<password>{C}</password>", f"password: |\n  {C}\n", f'secret => "{C}"',
        f"-----BEGIN RSA PRIVATE KEY-----\n{C}\n-----END RSA PRIVATE KEY-----", f"-----BEGIN PRIVATE KEY-----\n{C}",
        f"https://hooks.slack.com/services/T0/B0/{C}",
    ],
)  # fmt: skip
def test_a_secret_is_hidden_by_what_stands_around_it(text: str) -> None:
    assert C not in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("around", ["{}", "the {} here", "a={}", '"{}"', "https://h/{}", "[{}]"])
@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1" * 18, "github_pat_" + "a1" * 20, "xoxb-123456789012-abcdefghij", "sk-abcdefghijklmnopqrstuvwx",
        "sk-proj-AbC123def456ghi789jkl", "sk-ant-api03-AbCdEf123456789012", "AKIAIOSFODNN7EXAMPLE", "hf_" + "aB1" * 12,
        "AIzaSy" + "1234567890" * 3, "glpat-abcdefghij1234567890", "npm_" + "a1" * 18, "sk_live_abcdefghijk123",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_123",
    ],
)  # fmt: skip
def test_a_token_is_hidden_by_its_own_shape(token: str, around: str) -> None:
    assert token not in redact(around.format(token))


ORDINARY = [
    "tokens: 7", '{"tokens": 7}', "secretary: Ann", "a course on password policies", "max_tokens=256",
    "The password must be long", "token_budget: 4096", "passwordless login: yes", "passwords, tokens, and secrets",
    "see https://example.org/a?page=2&sort=asc", "user@example.org: hello", "file:///home/a/b@c.md",
    "git@github.com:owner/repo", "the key: value pairs", "key=value&page=2", "basic understanding of things",
    "Basic characterization", "bearer of good news", "the bearer certificates were lost", "scikit-learn",
    "sk-learn-pipelines-tutorial-2024", "a risk-assessment-methodology-for-all", "https://example.org:8080/x",
    "signature: see below", "Tokenization: words", "the secret of success", "authorization: none", "http://[::1]:80/",
    "AKIA is a prefix", "ghp_ is a prefix", "/etc/passwd: root", "author: Ann", "https://medium.com/@ann/story",
    "mailto:a@b.c", "course: token economics", "monkey: banana", "subtokens=3", "?authority=x", "&design=3",
    "https://e.org/?q=${env:K}", "https://u:${env:K}@h/", "https://${env:K}@h", "?token=${env:K}",
    "password: ${env:PW}", "if token == other",
]  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


@given(st.lists(st.sampled_from([*ORDINARY, "\n", " "]), max_size=8))
def test_ordinary_texts_together_stay(texts: list[str]) -> None:
    assert redact("\n".join(texts)) == "\n".join(texts)


@given(st.text(alphabet="abcxyz 0189.,\n_-", max_size=200))
@example("word word")
def test_text_without_names_of_secrets_stays(text: str) -> None:
    assert redact(text) == text


@given(st.from_regex(r"[A-Za-z0-9._~+-]{6,40}", fullmatch=True))
def test_whatever_the_password_it_is_hidden_in_urls_json_yaml_and_environment_files(password: str) -> None:
    mark = f"Q{password}Q"
    for text in (
        f"https://me:{mark}@example.org/x",
        json.dumps({"password": mark}),
        f"password: {mark}",
        f"APP_PASSWORD={mark}",
        f"?password={quote(mark)}&page=2",
    ):
        assert mark not in redact(text)


@pytest.mark.parametrize(
    "unit",
    ["://", "a@", "://a:", "@a", "token", "token=", 'password="', "bearer ", "-----BEGIN PRIVATE KEY-----", "a", "sk-",
     "sk-a-", "eyJ", "-", "<", "&", " ", "password ", "%2", "password: |\n", "authorization:", "basic ", "\\",
     "password\\", "--", "_", "?key=", "=", "'", "%3A%2F%2F", "word "],
)  # fmt: skip
def test_long_input_takes_linear_time(unit: str) -> None:
    text = f"password {unit * (300_000 // len(unit))}"
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 10  # in quadratic time it would be minutes


def test_values_under_names_of_secrets_are_hidden_whatever_they_hold() -> None:
    shown = redacted({"password": "two words", "api_key": 12345, "tokens": 7, "a": [{"client_secret": "x"}], "b": True})
    assert shown == {"password": "***", "api_key": "***", "tokens": 7, "a": [{"client_secret": "***"}], "b": True}
    assert redacted({"password": "${env:PW}"}) == {"password": "${env:PW}"}


@pytest.mark.parametrize(
    "write",
    [
        json.dumps, repr, escape, quote, lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: repr(value.encode()), lambda value: quote(value, safe="").lower(),
    ],
)  # fmt: skip
def test_a_secret_that_was_handed_out_is_hidden_however_it_is_written(write: Callable[[str], str]) -> None:
    secret = "p\u00e4\"ss\\wo'rd\n&<x>/"
    remember(secret)
    written = write(secret).strip("b'\"")
    assert written not in redact(f"it failed: {write(secret)}")


def test_a_secret_that_was_handed_out_is_hidden_wherever_it_turns_up() -> None:
    remember("pa/ss w%rd")
    assert "***" == redact("pa/ss w%rd") == redact(quote("pa/ss w%rd", safe=""))
    remember("abc")  # too short: it would be found in ordinary words
    assert redact("the alphabet begins with abc") == "the alphabet begins with abc"


@pytest.mark.parametrize("kind", [UsageError, BackendError])
def test_errors_are_born_without_secrets(kind: type[Exception]) -> None:
    assert str(kind(f"https://me:{C}@example.org failed")) == "https://***@example.org failed"
    assert C not in str(SourceError("unreachable", f"token={C}"))


def test_the_errors_that_led_to_an_error_lose_their_secrets_too() -> None:
    cause, error = ValueError(f"password={C}", 7), RuntimeError(f"token={C}")
    error.__cause__, cause.__context__ = cause, error  # a circle
    forget_secrets(error)
    assert (error.args, cause.args) == (("token=***",), ("password=***", 7))


def test_logs_of_all_kinds_are_redacted_and_show_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogRecordFactory()
    configure_logging("DEBUG")
    try:
        local = C  # what loguru would print beside the traceback
        logger.info("token={} {}", C, "x")
        handler = logging.StreamHandler()
        library = logging.getLogger("some.library")
        library.addHandler(handler)
        library.warning("GET https://me:%s@example.org %d", C, 7)
        try:
            int(f"password={local}")
        except ValueError:
            logger.exception("it failed")
    finally:
        library.removeHandler(handler)
        logger.remove()
        logging.setLogRecordFactory(before)
    shown = capsys.readouterr().err
    assert "token=***" in shown
    assert "https://***@example.org 7" in shown
    assert "ValueError" in shown
    assert C not in shown


# References -----------------------------------------------------------------------------------------------------------


def test_references_are_filled_in_encoded_and_from_then_on_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", "p@ss/w?rd")
    assert with_secrets("https://me:${env:MY_PASSWORD}@h/?k=${env:MY_PASSWORD}") == (
        "https://me:p%40ss%2Fw%3Frd@h/?k=p%40ss%2Fw%3Frd"
    )
    assert redact("it is p@ss/w?rd") == "it is ***"
    monkeypatch.setenv("MY_URL", "https://example.org/x?y=1")
    assert with_secrets("${env:MY_URL}") == "https://example.org/x?y=1"


def test_references_are_looked_for_in_an_environment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"MY_TOKEN={C}\nOTHER=$(touch canary)\n")
    assert with_secrets("https://${env:MY_TOKEN}@h/") == f"https://{C}@h/"
    with pytest.raises(UsageError, match=r"\$\{env:NO_SUCH_NAME\}.*is not set; set it"):
        with_secrets("https://${env:NO_SUCH_NAME}@h/")
    assert not (tmp_path / "canary").exists()


LITERAL = [
    f"https://me:{C}@example.org/x.json", f"https://example.org/x.json?api_key={C}",
    f"https://example.org/x.json?X-Amz-Signature={C}", "https://ghp_" + "a1" * 18 + "@example.org/x.json",
    f"https://me:${{env:A}}@example.org/?token={C}",
]  # fmt: skip


@pytest.mark.parametrize("url", LITERAL)
@pytest.mark.parametrize("place", ["json", "web", "git", "author"])
def test_a_secret_in_a_configuration_is_refused_with_the_way_to_write_it(url: str, place: str) -> None:
    assert holds_secret(url)
    sources = {
        "json": {"kind": "json", "url": url, "template": "{a}"},
        "web": {"kind": "web", "urls": ["https://example.org", url]},
        "git": {"kind": "git", "url": url},
    }
    data = {"ingest": {"sources": [sources[place]]}} if place in sources else None
    with pytest.raises(ValueError, match=r"holds a secret.*\$\{env:MY_PASSWORD\}") as refused:
        FeatureConfig.model_validate(data or {"author": {"user_full_name": "Ada", "links": [url]}})
    assert C not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["https://example.org", "https://me@example.org/r.git", "ssh://git@example.org/r.git", "git@example.org:o/r",
     "https://${env:A}@example.org/r.git", "https://me:${env:A}@example.org/?api_key=${env:B}&page=2",
     "/a/local/folder", "https://medium.com/@ann/story"],
)  # fmt: skip
def test_references_and_plain_users_are_no_secrets(url: str) -> None:
    assert not holds_secret(url)
    FeatureConfig.model_validate({"author": {"user_full_name": "Ada", "links": [url]}})


def test_the_way_of_others_to_write_a_reference_is_answered_with_ours() -> None:
    with pytest.raises(ValueError, match=r"is written \$\{env:NAME\}"):
        FeatureConfig.model_validate({"author": {"user_full_name": "Ada", "links": ["https://u:${PW}@example.org/"]}})
