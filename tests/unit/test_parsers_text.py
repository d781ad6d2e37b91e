import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.parsers.html import decode_html
from llm_engineering.infrastructure.parsers.text import decode

GERMAN = "Die Straße führt über die Brücke, schöne Grüße. Das Mädchen läuft früh nach Köln.\n"
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Привет, мир.\n"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "iso-8859-1"]
)
def test_western_text_is_read_in_every_encoding(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp866"),
        (JAPANESE, "shift_jis"),
        ("这是一个测试文档，里面有很多中文字符，用来检测编码。今天天气很好。", "gb18030"),
        ("這是一個測試文件，裡面有很多中文字元，用來檢測編碼。", "big5"),
        ("안녕하세요 세계, 이것은 한국어로 된 테스트 문서입니다.", "cp949"),
        ("Zażółć gęślą jaźń. Książka leży na półce, a dziewczęta śpiewają pieśni.", "cp1250"),
        ("one café in a long line of plain ASCII", "iso-8859-1"),
    ],
)
def test_legacy_encodings_are_guessed(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["euc_jp", "iso2022_jp", "shift_jis"])
def test_a_declared_charset_is_believed(encoding: str) -> None:
    assert decode(JAPANESE.encode(encoding), encoding) == JAPANESE


@pytest.mark.parametrize(
    "declared", ["iso-8859-1", "us-ascii", "nonsense", "base64", "unicode_escape", "utf-16", "\x00"]
)
def test_a_wrong_declaration_does_not_harm_utf_8(declared: str) -> None:
    assert decode(GERMAN.encode(), declared) == GERMAN


def test_damaged_utf_8_stays_utf_8() -> None:
    damaged = decode(GERMAN.encode().replace("ü".encode(), b"\xc3", 1))
    assert damaged.startswith("Die Straße f\ufffdhrt über")


def test_line_ends_become_plain() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


@pytest.mark.parametrize("raw", [b"", b" \n\t", b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\r\n"])
def test_white_space_alone_is_empty(raw: bytes) -> None:
    with pytest.raises(SourceError) as raised:
        decode(raw)
    assert raised.value.reason == "empty"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        b"PK\x03\x04 zip",
        b"text with a \x00 in it",
        b"\x01\x02\x03\x04\x05\x06 controls",
        *(random.Random(seed).randbytes(size) for seed in range(3) for size in (64, 5000)),
    ],
)
def test_what_is_no_text_is_binary(raw: bytes) -> None:
    with pytest.raises(SourceError) as raised:
        decode(raw)
    assert raised.value.reason == "binary"


def test_terminal_colours_are_text() -> None:
    assert "\x1b[31m" in decode(b"\x1b[31mred\x1b[0m\n")


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "latin-1", "shift_jis", "utf-16", "hz", "utf-7", "x"]))
def test_any_bytes_are_text_or_a_clear_error(raw: bytes, declared: str) -> None:
    with contextlib.suppress(SourceError):
        text = decode(raw, declared)
        text.encode()
        assert text.strip()


@given(st.text(min_size=1).filter(lambda text: text.strip() and text.isprintable()))
def test_utf_8_is_never_changed(text: str) -> None:
    assert decode(text.encode()) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    "head",
    [
        '<meta charset="windows-1251">',
        '<?xml version="1.0" encoding="cp1251"?>',
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
    ],
)
def test_a_page_names_its_own_charset(head: str) -> None:
    assert "Привет" in decode_html(f"{head}<p>Привет".encode("cp1251"))
