"""What answers are made with, put together."""

from collections.abc import Mapping

from llm_engineering.application.answering.assistant import GroundedAssistant
from llm_engineering.application.answering.prompting import open_prompt
from llm_engineering.application.answering.tools import Tools
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.ports import AssistantState, Llm, Searcher

_CONDENSE = "condense/1"


def open_assistant(
    config: AssistantConfig,
    workspace: Workspace | None = None,  # noqa: ARG001 - every opener of this room takes one
    *,
    searcher: Searcher,
    llms: Mapping[str, Llm],
    state: AssistantState | None,
) -> GroundedAssistant:
    """Return the assistant of a configuration. Searcher and state stay the caller's; it closes the models.

    Without a state nothing is cached, and no receipts are kept.

    Raises:
        UsageError: there is no such prompt, or its template is wrong.
    """
    section = config.answering
    tools = Tools(
        searcher=searcher,
        settings=section,
        prompt=open_prompt(section.prompt, section.prompt_file),
        condense=open_prompt(_CONDENSE),
        state=state,
        collection=config.load.collection,
        retrieval={"settings": config.retrieval.model_dump(mode="json")},
    )
    return GroundedAssistant(tools, llms)
