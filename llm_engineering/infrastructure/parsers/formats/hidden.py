"""What an office file keeps and does not show: it is left out, and the document says so."""


def left_out(count: int, kind: str) -> str:
    """Return a note for the provenance, or nothing if nothing was hidden."""
    return f"hidden {kind} were left out: {count}" if count else ""
