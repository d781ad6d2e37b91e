"""What errors of LanceDB mean. It has no kinds of them, so their words decide."""

from typing import TYPE_CHECKING

from llm_engineering.infrastructure.vector_stores.versioned.calls import Failure

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lancedb.spec import Lancedb

RIGHTS = ("credential", "accessdenied", "access denied", "403", "401", "unauthorized", "forbidden", "permission denied")
PLACES = ("nosuchbucket", "no such bucket", "bucket", "invalid url", "not a valid")
AWAY = ("commit conflict", "error sending request", "timed out", "timeout", "connection", "too many requests", "503")


def failure_of(error: Exception, spec: "Lancedb") -> Failure:
    """Say what an error means."""
    says = str(error) or type(error).__name__
    lower = says.lower()
    if any(word in lower for word in RIGHTS):
        return Failure(says, mend="mend the credentials in the environment (AWS_ACCESS_KEY_ID …), or the rights there")
    if any(word in lower for word in AWAY):
        return Failure(says, transient=True)
    if spec.is_elsewhere() and any(word in lower for word in PLACES):
        return Failure(says, mend=f"mend load: store: url or {spec.variable()}, for example {spec.example}")
    if "not found" in lower or "no such file" in lower:
        return Failure(f"{says}; somebody removed it. Run the feature pipeline to build the index again")
    return Failure(says)
