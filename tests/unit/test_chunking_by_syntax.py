from pathlib import Path

import pytest

from llm_engineering.application.chunking import ByFormat, Code
from llm_engineering.application.chunking.languages import language_of
from llm_engineering.config import FeatureConfig
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders import Hashing


def chunks_of(text: str, path: str, window: int = 64, **metadata: str) -> list[Chunk]:
    tokenizer = Hashing(max_tokens=window).open_tokenizer(Path())
    cleaned = CleanedDocument("id", f"file:///{path}", "s", "code", text, "", "hash", {"path": path, **metadata})
    return list(Code(parser="tree_sitter", target_tokens=16).chunk(cleaned, tokenizer))


LONG = "{x} = {x} + {x} * {x} - {x} + {x} * {x} - {x} + {x}".format(x="x")
PYTHON = f"""import os

# About A.
@register
class A(Base):
    def one(self, x):
        {LONG}
        {LONG}
        {LONG}
        return x

    # About two.
    @cached
    def two(self): return {LONG}

def three(): return 3
"""
TYPESCRIPT = f"""import {{ a }} from "b";

/** A shape. */
@Injectable()
export class Shape {{
  private x: number = 1;

  // The area.
  @memo
  area(s: number): number {{
    {LONG};
    {LONG};
    {LONG};
  }}
}}

export const f = async (x: string) => {{
  {LONG};
  {LONG};
  {LONG};
}};
"""
GO = f"""package main

// Stack holds.
type Stack struct {{ items []int }}

// Push adds.
func (s *Stack) Push(x int) {{
\t{LONG}
\t{LONG}
\t{LONG}
}}
"""
RUST = f"""use std::io;

/// Adds.
#[inline]
impl<T> Stack<T> {{
    /// Pushes.
    #[must_use]
    fn push(&mut self, x: T) -> i32 {{
        {LONG};
        {LONG};
        {LONG};
        1
    }}
}}
"""
JAVA = f"""package a;

/** A box. */
public class Box {{
    // The size.
    @Override
    public int size(int x) {{
        {LONG};
        {LONG};
        {LONG};
        return x;
    }}
}}
"""
CPP = f"""#include <vector>

namespace geo {{
/// A point.
template <typename T>
class Point {{
 public:
  // Moves.
  int move(int x) {{
    {LONG};
    {LONG};
    {LONG};
  }}
}};
}}
"""
C = f"""#include <stdio.h>

/* Adds. */
static int *add(int x) {{
  {LONG};
  {LONG};
  {LONG};
}}
"""


@pytest.mark.parametrize(
    ("path", "text", "together", "scope"),
    [
        ("a/b.py", PYTHON, "# About A.\n@register\nclass A", "a/b.py > A > one"),
        ("a/b.ts", TYPESCRIPT, "/** A shape. */\n@Injectable()\nexport class Shape", "a/b.ts > Shape > area"),
        (
            "a/b.js",
            TYPESCRIPT.replace(": number", "").replace(": string", ""),
            "// The area.\n  @memo\n  area(s)",
            "a/b.js > f",
        ),
        ("a/b.go", GO, "// Push adds.\nfunc (s *Stack) Push", "a/b.go > Stack > Push"),
        ("a/b.rs", RUST, "/// Pushes.\n    #[must_use]\n    fn push", "a/b.rs > Stack<T> > push"),
        ("a/B.java", JAVA, "// The size.\n    @Override\n    public int size", "a/B.java > Box > size"),
        ("a/b.hpp", CPP, "/// A point.\ntemplate <typename T>\nclass Point", "a/b.hpp > geo > Point > move"),
        ("a/b.h", CPP, "// Moves.\n  int move", "a/b.h > geo > Point > move"),
        ("a/b.c", C, "/* Adds. */\nstatic int *add", "a/b.c > add"),
    ],
)
def test_comments_stay_with_what_they_describe_and_parts_know_their_scopes(
    path: str, text: str, together: str, scope: str
) -> None:
    chunks = chunks_of(text, path, 48)
    assert any(together in chunk.text for chunk in chunks)
    # The window is small: the outermost parts of the context yield.
    told = [chunk.context for chunk in chunks]
    assert any(scope == context or (context and scope.endswith(f" > {context}")) for context in told), told


@pytest.mark.parametrize(("path", "text"), [("b.py", PYTHON), ("b.ts", TYPESCRIPT), ("b.go", GO), ("b.rs", RUST)])
def test_a_definition_that_fits_is_whole(path: str, text: str) -> None:
    for chunk in chunks_of(text, path, 200):
        assert chunk.text.count("{") == chunk.text.count("}")


def test_what_does_not_parse_loses_nothing() -> None:
    for text in (PYTHON.replace("(", "", 3), GO[:-40], RUST[30:], "((((\n" * 500, "'''\n" + CPP):
        for path in ("a.py", "a.rs", "a.ts", "a.cpp"):
            chunks = chunks_of(text, path)
            assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())


def test_offsets_are_characters_whatever_the_script() -> None:
    text = 'größe = "日本語 🦀🦀"\n\n\n' + PYTHON.replace("About", "Über 🦀")
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks_of(text, "a.py"))


def test_the_language_is_that_of_the_metadata_or_of_the_name() -> None:
    assert language_of("x", "", "C++") == "cpp"
    assert language_of("x.py", "", "rust") == "rust"
    assert language_of("x.tsx", "") == "tsx"
    assert language_of("LICENSE", "") is None
    assert any("> A" in chunk.context for chunk in chunks_of(PYTHON, "script", language="python"))


def test_other_languages_are_read_by_their_indentation() -> None:
    text = "\n\n".join(f"sub f{number} {{\n    print {number};\n}}" for number in range(9))
    built_in = Code(target_tokens=16).chunk(
        CleanedDocument("id", "file:///a.pl", "s", "code", text, "", "hash", {"path": "a.pl"}),
        Hashing(max_tokens=64).open_tokenizer(Path()),
    )
    assert chunks_of(text, "a.pl") == list(built_in)


def test_the_default_writes_what_it_always_wrote_and_is_what_it_was() -> None:
    assert "parser" not in ByFormat().model_dump(mode="json")["code"]
    chosen = Code(parser="tree_sitter")
    assert Code.model_validate(chosen.model_dump(mode="json")) == chosen


def test_without_the_extra_the_configuration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FeatureConfig.model_validate(
        {
            "ingest": {"sources": [{"kind": "files", "name": "a", "root": "."}]},
            "chunking": {"code": {"kind": "code", "parser": "tree_sitter"}},
        }
    )
    assert config.resolved() == config
    monkeypatch.setattr("llm_engineering.domain.extras.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="type: poetry install --extras code"):
        config.resolved()
