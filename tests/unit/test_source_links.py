import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources import Files, Git, Web
from llm_engineering.infrastructure.sources.crawl import source_for_link


@pytest.mark.parametrize(
    ("link", "url", "ref"),
    [
        ("https://github.com/owner/repo", "https://github.com/owner/repo", "HEAD"),
        ("https://github.com/owner/repo/", "https://github.com/owner/repo", "HEAD"),
        ("http://www.github.com/owner/repo?tab=readme#top", "https://github.com/owner/repo", "HEAD"),
        ("https://GitHub.com/Owner/Repo.git", "https://GitHub.com/Owner/Repo.git", "HEAD"),
        ("https://github.com/owner/repo/tree/v1.0", "https://github.com/owner/repo", "v1.0"),
        ("https://gitlab.com/group/repo", "https://gitlab.com/group/repo", "HEAD"),
        ("https://gitlab.com/group/sub/repo/", "https://gitlab.com/group/sub/repo", "HEAD"),
        ("https://codeberg.org/owner/repo", "https://codeberg.org/owner/repo", "HEAD"),
        ("https://git.example.org/any/where/x.git", "https://git.example.org/any/where/x.git", "HEAD"),
        ("https://git.example.org/x.git/?a=b", "https://git.example.org/x.git", "HEAD"),
        ("git@github.com:owner/repo.git", "git@github.com:owner/repo.git", "HEAD"),
        ("ssh://git@example.org/repo", "ssh://git@example.org/repo", "HEAD"),
    ],
)
def test_repositories_go_to_git(link: str, url: str, ref: str) -> None:
    source = source_for_link(link)
    assert isinstance(source, Git)
    assert (source.url, source.ref) == (url, ref)


@pytest.mark.parametrize(
    "link",
    [
        "https://example.org/post",
        "http://example.org",
        "https://github.com",
        "https://github.com/owner",
        "https://github.com/topics/rag",
        "https://github.com/orgs/x/repositories",
        "https://github.com/owner/repo/blob/main/README.md",
        "https://github.com/owner/repo/issues/1",
        "https://github.com/owner/repo/tree/main/docs",
        "https://gitlab.com/group/repo/-/blob/main/a.md",
        "https://gist.github.com/owner/abc",
        "https://owner.github.io/repo/",
        "https://example.org/.git",
        "https://notgithub.com/owner/repo",
        "https://medium.com/@ann/story-123?source=rss",
    ],
)
def test_everything_else_on_the_web_is_an_article(link: str) -> None:
    source = source_for_link(link)
    assert isinstance(source, Web)
    assert source.urls == (link,)


def test_existing_paths_are_files_or_repositories(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "a b.md").write_text("text")
    for link in (str(tmp_path), tmp_path.as_uri(), (tmp_path / "a b.md").as_uri(), str(tmp_path / "a b.md")):
        assert isinstance(source_for_link(link), Files)
    for link in (str(tmp_path / "repo"), (tmp_path / "repo").as_uri() + "/"):
        assert isinstance(source_for_link(link), Git)


@pytest.mark.parametrize(
    "link",
    [
        "ftp://example.org/a",
        "mailto:ann@example.org",
        "javascript:alert(1)",
        "data:text/plain,x",
        "s3://b/k",
        "git://example.org/x",
        "ext::sh -c x",
        "",
        " ",
    ],
)
def test_other_schemes_are_refused_with_what_is_possible(link: str) -> None:
    with pytest.raises(SourceError, match="a git repository") as raised:
        source_for_link(link)
    assert raised.value.reason == "bad_url"


@pytest.mark.parametrize("link", ["no/such/path", "example.org/post", "~/no/such", "file:///no/such"])
def test_a_path_where_nothing_is_says_so(link: str) -> None:
    with pytest.raises(SourceError, match="https://") as raised:
        source_for_link(link)
    assert raised.value.reason == "missing"


def test_the_name_can_be_given() -> None:
    assert source_for_link("https://example.org/a", name="mine").name == "mine"
    assert source_for_link("https://example.org/a?utm_source=x").name == "web:https://example.org/a"


@given(
    st.text(max_size=30)
    | st.text(max_size=30).map("https://".__add__)
    | st.text(max_size=30).map("https://github.com/".__add__)
)
def test_any_text_is_a_source_or_a_clear_error(link: str) -> None:
    with contextlib.suppress(SourceError):
        assert source_for_link(link).name
