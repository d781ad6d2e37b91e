"""The assistant's state, opened."""

from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.ports.answers import AssistantState
from llm_engineering.infrastructure.state.places import remember


def open_state(config: AssistantConfig, workspace: Workspace) -> AssistantState:
    """Open the store of conversations, cached answers and receipts; an erasure in this home will find it.

    Raises:
        UsageError: its address is wrong, an extra is missing, or a newer version of this project wrote it.
        BackendError: it cannot be reached, is locked or is damaged.
    """
    state = config.state.open(workspace.home)
    remember(workspace.home, config.state)
    return state
