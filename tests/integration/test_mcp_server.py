"""The MCP server as its clients see it: in memory, and as a process on standard input and output."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from command_lines import ROOT
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from scripted_assistant import TEXT, FewDocuments, ScriptedAssistant, document, opener

from llm_engineering.bootstrap import Inference
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.conditions import Eq, In
from llm_engineering.domain.errors import UsageError
from llm_engineering.serving.mcp import mcp_server

LONG = "0123456789" * 10_000


def talk(work: Callable[[Client], Awaitable[Any]], searcher: FewDocuments | None = None, access: Access = ALL) -> Any:
    async def one() -> Any:
        server = mcp_server(opener(ScriptedAssistant(searcher or FewDocuments())), access)
        async with Client(server) as client:
            return await work(client)

    return asyncio.run(one())


def call(name: str, arguments: dict[str, Any], searcher: FewDocuments | None = None, access: Access = ALL) -> Any:
    return talk(lambda client: client.call_tool(name, arguments), searcher, access)


def test_three_tools_with_schemas_for_what_comes_in_and_out() -> None:
    tools = {tool.name: tool for tool in talk(lambda client: client.list_tools()).tools}
    assert set(tools) == {"search", "ask", "read_document"}
    assert all(tool.description and tool.output_schema for tool in tools.values())
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
    assert tools["search"].input_schema["required"] == ["query"]


def test_search_returns_passages_with_their_places() -> None:
    searcher = FewDocuments()
    found = call("search", {"query": "whales", "k": 1, "filter": {"course": ["a", "b"]}}, searcher)
    assert not found.is_error
    passage = found.structured_content["passages"][0]
    assert (passage["text"], passage["start"], passage["end"]) == (TEXT, 0, len(TEXT))
    assert found.structured_content["index_version"] == "v7"
    _, access, asked, k = searcher.asked[0]
    assert (access, k) == (ALL, 1)
    assert "In" in repr(asked)
    call("search", {"query": "whales", "filter": {"op": "eq", "field": "course", "value": "ml"}}, searcher)
    assert searcher.asked[1][2] == Eq(field="course", value="ml")


def test_ask_returns_an_answer_whose_citations_can_be_read() -> None:
    async def ask_and_read(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        answer = (await client.call_tool("ask", {"question": "who sings?"})).structured_content
        assert answer is not None
        cited = answer["citations"][0]
        place = {"document_id": cited["document_id"], "start": cited["start"], "end": cited["end"]}
        part = (await client.call_tool("read_document", place)).structured_content
        assert part is not None
        return answer, part

    answer, part = talk(ask_and_read)
    assert (answer["outcome"], answer["flags"]) == ("answered", ["injection:x"])
    assert part["text"] == answer["citations"][0]["quote"] == "Whales sing at night."
    assert part["length"] == len(TEXT)


def test_a_long_document_comes_in_pieces() -> None:
    searcher = FewDocuments(document("long", LONG))
    part = call("read_document", {"document_id": searcher.all[0].id, "start": 5}, searcher).structured_content
    assert (part["start"], part["end"], part["length"]) == (5, 20_005, 100_000)
    assert part["text"] == LONG[5:20_005]
    beyond = call("read_document", {"document_id": searcher.all[0].id, "start": 10**9}, searcher).structured_content
    assert (beyond["text"], beyond["start"]) == ("", 100_000)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("search", {"query": "  "}, "query is empty"),
        ("search", {"query": "a", "k": 0}, "k"),
        ("search", {"query": "a", "filter": {"op": "near", "field": "x"}}, "filter is wrong"),
        ("search", {"query": "a", "filter": {"course": {"$ne": ""}}}, "filter is wrong"),
        ("search", {"query": "a", "filter": {"op": "range", "field": "x"}}, "at least one of"),
        ("search", {}, "query"),
        ("ask", {"question": ""}, "question"),
        ("ask", {"question": "x" * 20_001}, "20000"),
        ("ask", {"question": "fail"}, "the store failed"),
        ("ask", {"question": "broken"}, "llm_failed"),
        ("ask", {"question": "silent"}, "incomplete"),
        ("read_document", {"document_id": "../../etc/passwd"}, "no document"),
        ("read_document", {"document_id": "x", "start": -1}, "start"),
        ("nonsense", {}, "nonsense"),
    ],
)
def test_what_goes_wrong_is_an_error_of_the_tool(name: str, arguments: dict[str, Any], message: str) -> None:
    async def ask(client: Client) -> str:
        try:
            result = await client.call_tool(name, arguments)
        except MCPError as error:
            return str(error)
        assert result.is_error
        return str(result.content)

    said = talk(ask)
    assert message in said
    assert "sk-aaaa" not in said


def test_what_is_no_error_of_ours_is_not_shown() -> None:
    result = call("ask", {"question": "vendor"})
    assert result.is_error
    assert "deep in a library" not in str(result.content)


def test_no_argument_widens_what_a_client_may_see() -> None:
    searcher = FewDocuments(document("ours", "ours", tenant="a"), document("theirs", "their secret", tenant="b"))
    ours = Access(tenants=("a",))
    everything = {"op": "or", "conditions": [{"op": "not", "condition": {"op": "or", "conditions": []}}]}
    found = call("search", {"query": "secret", "filter": everything, "access": {"tenants": None}}, searcher, ours)
    assert "their secret" not in str(found)
    theirs = call("read_document", {"document_id": searcher.all[1].id}, searcher, ours)
    assert theirs.is_error
    assert {access.tenants for _, access, _, _ in searcher.asked} <= {("a",)}


def test_an_index_that_is_not_there_yet_is_looked_for_again_at_the_next_call() -> None:
    tries = []

    @asynccontextmanager
    async def later() -> AsyncIterator[Inference]:
        tries.append(1)
        if len(tries) == 1:
            raise UsageError("there is no index yet; run the feature pipeline")
        assistant = ScriptedAssistant(FewDocuments())
        yield Inference(assistant, assistant.searcher)

    async def twice(client: Client) -> list[Any]:
        return [await client.call_tool("search", {"query": "whales"}) for _ in range(3)]

    async def one() -> list[Any]:
        async with Client(mcp_server(later)) as client:
            return await twice(client)

    first, second, third = asyncio.run(one())
    assert first.is_error
    assert "no index yet" in str(first.content)
    assert not second.is_error
    assert not third.is_error
    assert len(tries) == 2


NOISY = """
import asyncio, os, sys
from scripted_assistant import FewDocuments, ScriptedAssistant, opener
from llm_engineering.serving.mcp import mcp_server
class Noisy(FewDocuments):
    def search(self, *arguments, **more):
        print("a library says hello")
        os.write(1, b"and so does its C code\\n")
        return super().search(*arguments, **more)
asyncio.run(mcp_server(opener(ScriptedAssistant(Noisy()))).run_stdio_async())
"""


def over_stdio(home: Path, *command: str) -> StdioServerParameters:
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "LLM_ENGINEERING_HOME": str(home)}
    return StdioServerParameters(command=sys.executable, args=list(command), env=environment, cwd=ROOT)


def test_nothing_but_the_protocol_is_on_standard_output(home: Path) -> None:
    async def one() -> Any:
        async with Client(over_stdio(home, "-c", NOISY), read_timeout_seconds=120) as client:
            await client.call_tool("search", {"query": "whales"})
            return await client.call_tool("search", {"query": "whales"})

    assert not asyncio.run(one()).is_error


def test_the_command_serves_a_client_and_says_that_there_is_no_index(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("embedding: {kind: hashing}\nload: {collection: test}\n")

    async def one() -> tuple[Any, Any]:
        parameters = over_stdio(home, "-m", "tools.mcp", "--config", str(config), "--source", "docs")
        async with Client(parameters, read_timeout_seconds=120) as client:
            return await client.list_tools(), await client.call_tool("search", {"query": "whales"})

    tools, result = asyncio.run(one())
    assert len(tools.tools) == 3
    assert result.is_error


def test_short_filters_become_conditions() -> None:
    from llm_engineering.serving.mcp import _condition

    assert _condition(None) is None
    assert "metadata" not in repr(_condition({"course": "ml"}))
    assert In(field="source", values=("a",)) in getattr(_condition({"source": ["a"]}), "conditions", ())
