"""What the HTTP client returns: a response that was read completely, within its limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

from llm_engineering.domain.documents import Metadata


@dataclass(frozen=True, slots=True)
class Response:
    """A final response: `url` is where the redirects ended, without fragment and credentials; `content` is decoded.

    A status other than 2xx and 304 never gets here: it was raised as a `SourceError`.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def not_modified(self) -> bool:
        """Whether the copy that the conditional request spoke of is still good (304)."""
        return self.status == 304

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters, or an empty string."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that the server declared, or an empty string."""
        message = Message()
        message["content-type"] = self.headers.get("content-type", "")
        return message.get_content_charset("")

    @property
    def validators(self) -> Metadata:
        """What a later conditional request needs, for the provenance: `etag` and `last_modified`, where given."""
        named = {"etag": self.headers.get("etag", ""), "last_modified": self.headers.get("last-modified", "")}
        return {name: value for name, value in named.items() if value}
