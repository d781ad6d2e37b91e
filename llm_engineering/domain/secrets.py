"""What must never be shown: credentials, by their shape, by the name before them, or because they were handed out here.

A configuration names a secret as `${env:NAME}`. The reference is what is stored and shown; the value is filled in when
a source is opened, and from then on known here: wherever it turns up in a text, it is replaced.
"""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
HIDDEN = "***"

# A shorter value would be found by chance inside other words.
_SHORTEST_KNOWN = 5
_known: set[str] = set()

# Each of these, as the end of a name, says that a secret follows: `password`, `DB_PASSWORD`, `myApiKey`.
_NAMES = (
    r"api[_-]?keys?|access[_-]?key(?:[_-]?id)?|account[_-]?key|auth[_-]?key|private[_-]?key|secret[_-]?key|signing[_-]?key"
    r"|shared[_-]?access[_-]?signature|secret[_-]?access[_-]?key|client[_-]?secret|secrets?|token|credentials?|password"
    r"|(?<!etc/)passwd|passphrase|pwd|x-amz-signature|x-amz-credential|set-cookie|cookie|session[_-]?id|webhook[_-]?url"
)
# Names that say so only as parameters of a URL.
_PARAMETERS = r"pass|pw|sig|signature|auth|jwt|x-goog-signature|x-goog-credential|hmac|key(?=(?:=|%3d)[^\s&#]{16})"
_QUOTE = r"(?:\\*[\"']|%2[27]|&quot;)"
_EQUALS = rf"{_QUOTE}?[ \t]*(?:=>|[:=,](?![=/])|%3[ad])[ \t]*"
# A value: a quoted text, also of bytes, the next line of a YAML block, or what follows up to a blank or a delimiter.
_VALUE = (
    rf"(?:[bru]?(?P<quote>{_QUOTE})(?:(?!(?P=quote))[^\n])*|[|>][+-]?[ \t]*\n[ \t]*\S+"
    rf"|(?!\$\{{env:|\*\*\*)(?:(?!%2[267]|&(?:amp|quot);)[^\s'\",;&)}}\]<\\])+)"
)
_TOKENS = (
    r"sk-(?:[A-Za-z0-9]{1,12}-){0,4}(?:(?=\w*\d)\w{12,}|\w{20,})[\w-]*|[sr]k_(?:live|test)_\w{10,}|gh[pousr]_\w{16,}"
    r"|github_pat_\w{20,}|gl(?:pat|ptt|dt|rt)-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}|hf_\w{20,}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|npm_\w{30,}|pypi-[\w-]{30,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|dop_v1_\w{40,}|shp(?:at|ca|pa|ss)_\w{20,}"
    r"|AGE-SECRET-KEY-1\w{20,}"
)
_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    (re.compile(r"(?i)(?<=%3a%2f%2f)(?:(?!%2f|%3f|%40)[^\s/?#\"'<>@])+(?=%40)"), HIDDEN),
    (re.compile(r"(?<=hooks\.slack\.com/services/)[\w/]+|(?<=discord\.com/api/webhooks/)[\w/-]+"), HIDDEN),
    (re.compile(rf"(?<![A-Za-z0-9])(?:{_TOKENS})"), HIDDEN),
    (
        re.compile(
            rf"(?i)(?P<name>authorization{_EQUALS}(?:[bru]?{_QUOTE})?)(?!\$\{{env:|\*\*\*)"
            r"(?:(?:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256|bot)\s+[^\n\"'\\]+|[^\s\"'\\,;]{8,})"
        ),
        rf"\g<name>{HIDDEN}",
    ),
    (re.compile(r"(?i)(?P<name>\bcookie:[ \t]*)(?!\*\*\*)[^\s=;\"']{1,100}=[^\n\"']*"), rf"\g<name>{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer\s+)(?:(?=[^\s\d]{0,200}\d)[\w.~+/=-]{8,}|[\w.~+/=-]{24,})"), rf"\1{HIDDEN}"),
    (re.compile(r"\b([Bb]asic\s+)(?=[A-Za-z0-9+/]{0,200}[\d=])[A-Za-z0-9+/]{8,}={0,2}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(?P<name>(?:{_NAMES}){_EQUALS}){_VALUE}"), rf"\g<name>\g<quote>{HIDDEN}"),
    (re.compile(rf"(?i)(?P<name>(?:[?&;]|%3f|%26)(?:{_PARAMETERS})(?:=|%3d)){_VALUE}"), rf"\g<name>\g<quote>{HIDDEN}"),
    (re.compile(rf"(?i)((?<![\w-])--(?=\w)[\w-]{{0,40}}(?:{_NAMES})[ \t]+)(?![-$])\S+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(<[\w:.-]{{0,40}}(?:{_NAMES})>)[^<\n]+"), rf"\1{HIDDEN}"),
)
_USERINFO = re.compile(r"(?i)(:(?://|%2f%2f))([^\s/?#\"'<>@]*(?:@[^\s/?#\"'<>@]+)*)(?=@)")
_NAME = re.compile(rf"(?i)[\w .-]*?(?:{_NAMES}|authorization)")


def remember(value: str) -> None:
    """Take note of a secret that was handed out: from now on `redact` replaces it, plain or as URLs, JSON, Python and
    HTML write it."""
    if len(value) >= _SHORTEST_KNOWN:
        _known.update(_spellings(value))


def _spellings(value: str) -> Iterator[str]:
    yield value
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield re.sub("%..", lambda found: found[0].lower(), encoded)
    for literal in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        yield literal[1:-1]
    yield repr(value.encode())[2:-1]
    yield escape(value)


def redact(text: str) -> str:
    """Return the text with secrets replaced by ***. References to secrets stay.

    >>> redact("git clone https://me:hunter2@example.org/r.git")
    'git clone https://***@example.org/r.git'
    >>> redact("GET https://example.org/x?api_key=abc&page=2")
    'GET https://example.org/x?api_key=***&page=2'
    >>> redact("Authorization: Bearer abc.def, tokens: 7")
    'Authorization: ***'
    """
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _USERINFO.sub(_userinfo, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any) -> Any:
    """Return a JSON-like value with the secrets in its texts, and under its keys, replaced by ***.

    >>> redacted({"url": "https://me:pw@example.org", "api_key": "abc", "tokens": 7})
    {'url': 'https://***@example.org', 'api_key': '***', 'tokens': 7}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if _is_secret(key, item) else redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def holds_secret(url: str) -> bool:
    """Tell whether a URL of a configuration holds a secret itself, instead of a reference to one.

    >>> holds_secret("https://me:hunter2@example.org"), holds_secret("https://me:${env:PASSWORD}@example.org")
    (True, False)
    """
    return redact(url) != url and not _is_user_alone(url)


def _userinfo(found: re.Match[str]) -> str:
    """Hide what stands before the @ of a URL, unless it is a reference alone or with a user's name."""
    scheme, userinfo = found.groups()
    user, _, password = userinfo.partition(":") if not REFERENCE.match(userinfo) else ("", "", userinfo)
    is_reference = REFERENCE.fullmatch(password) is not None and not redact(user).startswith(HIDDEN)
    return f"{scheme}{userinfo if is_reference or not userinfo else HIDDEN}"


def _is_user_alone(url: str) -> bool:
    """Tell whether all that would be hidden is a plain user name: `ssh://git@host`."""
    found = _USERINFO.search(url)
    if found is None or ":" in found.group(2) or len(found.group(2)) >= 20:
        return False
    bare = url[: found.start(2)] + url[found.end(2) :]
    return redact(bare) == bare and redact(found.group(2)) == found.group(2)


def _is_secret(key: object, item: object) -> bool:
    if not isinstance(key, str) or not isinstance(item, str | int | float) or isinstance(item, bool) or item == "":
        return False
    return _NAME.fullmatch(key) is not None and not (isinstance(item, str) and REFERENCE.fullmatch(item))
