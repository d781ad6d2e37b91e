"""Which files are documents, and of what format."""

from pathlib import PurePosixPath

from llm_engineering.domain.documents import Format
from llm_engineering.infrastructure.parsers.formats import BOOKS, OPEN_DOCUMENTS, SLIDES, SPREADSHEETS, WORD

_MARKDOWN = (".md", ".markdown", ".mdown", ".mdx")
_TEXT = (".txt", ".text", ".rst", ".adoc", ".org")
HTML = (".html", ".htm", ".xhtml")
PDF, MAIL, NOTEBOOKS = (".pdf",), (".eml",), (".ipynb",)
OFFICE = (*WORD, *SLIDES, *SPREADSHEETS, *OPEN_DOCUMENTS, *BOOKS)
FOREIGN = (*PDF, *OFFICE, *MAIL, *NOTEBOOKS)  # they become Markdown
# Other formats of offices, which are not read, and what to save such files as.
SAVE_AS = {
    ".doc": ".docx", ".dot": ".docx", ".rtf": ".docx", ".wps": ".docx", ".wpd": ".docx", ".pages": ".docx",
    ".xls": ".xlsx", ".xlt": ".xlsx", ".xlsb": ".xlsx", ".numbers": ".xlsx", ".ppt": ".pptx", ".pps": ".pptx",
    ".key": ".pptx", ".msg": ".eml", ".mobi": ".epub", ".azw3": ".epub",
}  # fmt: skip
_LANGUAGES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".tsx": "typescript", ".java": "java", ".kt": "kotlin", ".scala": "scala", ".go": "go",
    ".rs": "rust", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cs": "csharp", ".rb": "ruby",
    ".php": "php", ".swift": "swift", ".r": "r", ".jl": "julia", ".lua": "lua", ".pl": "perl", ".hs": "haskell",
    ".ex": "elixir", ".erl": "erlang", ".clj": "clojure", ".dart": "dart", ".sh": "shell", ".bash": "shell",
    ".ps1": "powershell", ".sql": "sql", ".proto": "protobuf", ".tf": "terraform", ".css": "css",
    ".yaml": "yaml", ".yml": "yaml", ".toml": "toml",
}  # fmt: skip

# Which files are read unless a source says otherwise. A pattern without a slash holds in every folder.
DEFAULT_INCLUDE = tuple(f"*{suffix}" for suffix in (*_MARKDOWN, *_TEXT, *HTML, *FOREIGN, *_LANGUAGES))

# Hidden files and folders (".git", ".venv", ".env" …), and what tools put beside the sources: ~$ are locks of Office.
DEFAULT_EXCLUDE = (
    ".*", "~$*", "node_modules", "__pycache__", "venv", "site-packages", "*.egg-info", "*.min.js", "*.min.css",
)  # fmt: skip


def suffix_of(path: str) -> str:
    """Return the file name's suffix in lower case, with its dot."""
    return PurePosixPath(path).suffix.lower()


def format_of(path: str) -> tuple[Format, str]:
    """Return the format of a file by its name, and the programming language if it is code. HTML becomes Markdown."""
    suffix = suffix_of(path)
    if suffix in _LANGUAGES:
        return "code", _LANGUAGES[suffix]
    return ("markdown" if suffix in (*_MARKDOWN, *HTML, *FOREIGN) else "text"), ""
