"""What went wrong with one item: reports and rows of other results list these."""

from llm_engineering.domain.value import Value


class Incident(Value):
    """A rejection or a failure with its reason, as reports list it."""

    uri: str
    source: str
    reason: str
    detail: str
