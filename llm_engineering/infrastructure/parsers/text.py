"""From bytes to text, whatever the encoding; what is no text is refused."""

import codecs
import re

from llm_engineering.domain.errors import SourceError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"\x1f\x8b",
    b"\x7fELF",
    b"SQLite format 3\x00",
    b"\xd0\xcf\x11\xe0",  # office files before 2007
    b"{\\rtf",
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # not tab, line and form feeds, nor escape
_MAX_CONTROL_SHARE = 0.01
# What browsers read under these names (WHATWG): supersets that also cover the bytes the small sets leave open.
_SUPERSETS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949", "tis-620": "cp874",
}  # fmt: skip
_DIRECTION = re.compile(r"(?i)(?<=^iso-8859-[68])-[ei]$")  # of writing, in mails; the letters are the same
_SAMPLE_BYTES = 200_000  # enough to guess an encoding from
_TEXT_CODECS = re.compile(r"(iso|cp|koi8|mac|gb|big5|shift|euc|hz|tis|ascii|johab)")
# Guessing among all of Python's codecs finds exotic ones; these are what legacy files are really written in.
_LEGACY = ("cp1252", "cp1250", "cp1251", "koi8_r", "cp866", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257")
_LEGACY_EASTERN = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp874")
# Read as cp1252, text of Western Europe has no others than these; its neighbours give odd ones, such as ¹ or ø.
_WESTERN = re.compile(r"[\x00-\x7fÀÁÂÄÇÈÉÊËÍÎÏÑÓÔÖÙÚÛÜßàáâãäçèéêëíîïñóôõöùúûüÿœŒæÆ“”„‘’‚‹›«»–—…•·€£§°©®™¡\xa0]*")


def decode(raw: bytes, declared: str = "") -> str:
    """Decode a text: byte order mark, UTF-8, the declared charset, or the likeliest legacy encoding, in this order.

    Line ends become "\\n". UTF-8 goes before the declaration because servers declare Latin-1 by habit, and text in
    another encoding is hardly ever valid UTF-8. A few damaged bytes in UTF-8 become U+FFFD.

    Raises:
        SourceError: `binary` if it is no text, `empty` if there is nothing but white space in it.
    """
    text = _decoded(raw, declared)
    if len(_CONTROLS.findall(text)) > _MAX_CONTROL_SHARE * len(text):
        raise _binary("it is full of control characters")
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if not text.strip():
        raise SourceError("empty", "there is nothing but white space in it")
    return text


def _decoded(raw: bytes, declared: str) -> str:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace")
    if raw.startswith(_MAGIC):
        raise _binary(f"it begins with {raw[:8]!r}")
    if b"\x00" in raw:
        return _wide(raw)
    name = _python_name(declared)
    if name.startswith(("iso2022", "hz")):  # seven bits: valid UTF-8 by accident
        return raw.decode(name, "replace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _damaged_utf8(raw) or _legacy(raw, name)


def _wide(raw: bytes) -> str:
    """Decode UTF-16 without a byte order mark, known by its many NULs on one side."""
    for encoding, high, low in (("utf-16-le", raw[1::2], raw[::2]), ("utf-16-be", raw[::2], raw[1::2])):
        if high.count(0) > 0.3 * len(high) and low.count(0) == 0:
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise _binary("it looks like UTF-16 and is not") from error
    raise _binary("it holds NUL bytes")


def _damaged_utf8(raw: bytes) -> str:
    """Return UTF-8 with few bad bytes among many good sequences, or nothing."""
    text = raw.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(character > "\x7f" for character in text) - bad
    return text if bad <= 0.25 * good else ""


def _legacy(raw: bytes, declared: str) -> str:
    for encoding in (declared, "cp1252"):
        try:
            text = raw.decode(encoding) if encoding else ""
        except UnicodeDecodeError:
            continue  # the declaration is wrong, or it is not Western
        if text and (encoding == declared or _WESTERN.fullmatch(text)):
            return text
    from charset_normalizer import from_bytes

    guess = from_bytes(raw[:_SAMPLE_BYTES], cp_isolation=[*_LEGACY, *_LEGACY_EASTERN]).best()
    if guess is None:
        raise _binary("it is in no known encoding")
    return raw.decode(_superset(guess.encoding), "replace")


def _python_name(declared: str) -> str:
    """Return Python's name of a declared charset, or nothing if there is none, or it is unknown or no charset."""
    label = _DIRECTION.sub("", declared.strip().strip("\"'"))
    try:
        name = _superset(label) if label else ""
    except (LookupError, ValueError):
        return ""
    return name if _TEXT_CODECS.match(name) else ""


def _superset(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return _SUPERSETS.get(name, name)


def _binary(why: str) -> SourceError:
    return SourceError("binary", f"it is no text: {why}")
