"""Which programming language a source file is in, and the grammar that reads it."""

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal, get_args

from llm_engineering.domain.extras import require

if TYPE_CHECKING:
    from tree_sitter import Parser

ProgrammingLanguage = Literal["c", "cpp", "go", "java", "javascript", "typescript", "tsx", "python", "rust"]
LANGUAGES: tuple[ProgrammingLanguage, ...] = get_args(ProgrammingLanguage)

_ENDINGS: dict[str, ProgrammingLanguage] = {
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp", "inl", "cu", "cuh"), "cpp"),
    "go": "go",
    "java": "java",
    **dict.fromkeys(("js", "mjs", "cjs", "jsx"), "javascript"),
    **dict.fromkeys(("ts", "mts", "cts"), "typescript"),
    "tsx": "tsx",
    **dict.fromkeys(("py", "pyi", "pyw"), "python"),
    "rs": "rust",
}
_OTHER_NAMES: dict[str, ProgrammingLanguage] = {
    "c++": "cpp", "golang": "go", "js": "javascript", "jsx": "javascript", "ts": "typescript", "py": "python",
    "python3": "python", "rs": "rust",
}  # fmt: skip
# A header that says one of these is C++.
_CPP = re.compile(r"^\s*(?:class\s+\w|namespace\b|template\s*<|using\s+\w|public:|private:|protected:)", re.MULTILINE)
# Module and function of each grammar.
_GRAMMARS: dict[ProgrammingLanguage, tuple[str, str]] = {
    **{name: (f"tree_sitter_{name}", "language") for name in LANGUAGES},
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
}


def language_of(path: str, text: str, named: object = None) -> ProgrammingLanguage | None:
    """Return the language that the metadata name, or that of the file's ending; None if it is none of these.

    >>> language_of("src/a.rs", ""), language_of("a.h", "namespace x {}"), language_of("LICENSE", "", "Python")
    ('rust', 'cpp', 'python')
    """
    name = named.strip().lower() if isinstance(named, str) else ""
    told = next((language for language in LANGUAGES if language == name), _OTHER_NAMES.get(name))
    _, dot, ending = path.rsplit("/", 1)[-1].lower().rpartition(".")
    found = told or (_ENDINGS.get(ending) if dot else None)
    is_header = found == "c" and ending == "h" and not told
    return "cpp" if is_header and _CPP.search(text[:100_000]) else found


def require_grammars() -> None:
    """Refuse to go on without the extra `code`."""
    modules = sorted({module for module, _ in _GRAMMARS.values()})
    require("code", "cutting code by its syntax (parser: tree_sitter)", "tree_sitter", *modules)


@cache
def parser_of(language: ProgrammingLanguage) -> "Parser":
    """Return the parser of a language, made once.

    Raises:
        UsageError: the extra `code` is not installed.
    """
    require_grammars()
    from tree_sitter import Language, Parser

    module, function = _GRAMMARS[language]
    return Parser(Language(getattr(import_module(module), function)()))
