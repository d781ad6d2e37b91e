"""Readers of foreign file formats: PDF, office files, e-mails, sitemaps, feeds. They run in the killable child only.

Each takes the bytes of a file and returns what JSON can carry, or raises `Unreadable` with the reason of a rejection.
"""

# Templates, and files that may hold macros, are made like their plain siblings. No macro is ever run.
WORD = (".docx", ".docm", ".dotx", ".dotm")
SLIDES = (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm")
SPREADSHEETS = (".xlsx", ".xlsm", ".xltx", ".xltm")
OPEN_DOCUMENTS = (".odt", ".ott", ".ods", ".ots", ".odp", ".otp")
BOOKS = (".epub",)


class Unreadable(Exception):  # noqa: N818 - it is what is wrong with the file
    """The file is no document: `reason` is a short stable code, the message a sentence for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
