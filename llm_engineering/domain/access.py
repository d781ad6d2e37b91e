"""What somebody may see: the limits that stand above every filter."""

from llm_engineering.domain.conditions import EVERYTHING, Condition, In, both
from llm_engineering.domain.value import Value

# The metadata field that says whose a document is. A source with a `tenant` sets it, over whatever its records say.
TENANT = "tenant"


class Access(Value):
    """The documents that a caller may see: those of some tenants, those of some sources, or (null) of all.

    An empty list is nobody's and lets nothing through. Documents without a tenant are seen only by callers who are not
    bound to any.
    """

    tenants: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None

    @property
    def condition(self) -> Condition:
        """The condition that every search of this caller is subject to, on payload fields."""
        tenants: Condition = EVERYTHING
        sources: Condition = EVERYTHING
        if self.tenants is not None:
            tenants = In(field=f"metadata.{TENANT}", values=self.tenants)
        if self.sources is not None:
            sources = In(field="source", values=self.sources)
        return both(tenants, sources)

    @property
    def everything(self) -> bool:
        return self == ALL


ALL = Access()
