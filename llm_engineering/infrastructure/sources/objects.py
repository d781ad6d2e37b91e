"""Object stores (S3 and its like, Google, Azure) through fsspec: a document per object below a prefix."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from llm_engineering.domain.documents import Document, Item, Metadata, NotModified, document_id
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.domain.secrets import REFERENCE, redact
from llm_engineering.domain.value import Scalar, Value
from llm_engineering.infrastructure.environment import filled
from llm_engineering.infrastructure.sources.contents import read_content
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import DEFAULT_EXCLUDE, DEFAULT_INCLUDE
from llm_engineering.infrastructure.sources.globs import is_below_any, matches_any
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.tenancy import Tenant

# Protocol → what to install. Web pages, git and this machine's files have kinds of their own, with their own guards.
PROTOCOLS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
              "oci": "ocifs", "oss": "ossfs", "memory": "fsspec"}  # fmt: skip
_SECRETS = ("secret", "password", "token", "key", "connection_string", "credential", "sas")
_ENDPOINTS = ("endpoint_url", "endpoint", "account_host")


def _default_name(data: dict[str, Any]) -> str:
    return f"objects:{redact(data.get('url', '')).rstrip('/')}"


class Objects(Value):
    """Objects below a prefix of a bucket: a document per object, read again only when its ETag changes."""

    kind: Literal["objects"] = "objects"
    url: str = Field(description="s3://bucket/prefix, gs://…, az://container/prefix")
    options: Mapping[str, Scalar] = Field(
        default_factory=dict,
        description="for the store's client: anon: true, endpoint_url: https://…, key: ${env:KEY}, secret: "
        "${env:SECRET}. Without them the client looks where its own tools do (AWS_PROFILE and so on)",
    )
    include: tuple[str, ...] = Field(DEFAULT_INCLUDE, description="patterns of the objects to read, below the prefix")
    exclude: tuple[str, ...] = Field(DEFAULT_EXCLUDE, description="patterns of objects and prefixes to leave out")
    max_bytes: int = Field(50_000_000, gt=0, description="of one object; a larger one is rejected")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; objects:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    @field_validator("url")
    @classmethod
    def _is_an_object_store(cls, url: str) -> str:
        protocol, _, place = url.partition("://")
        if protocol not in PROTOCOLS:
            shown = redact(protocol[:50])
            raise ValueError(
                f"{shown}:// is no object store; write s3://bucket/prefix; known are {', '.join(PROTOCOLS)}"
            )
        bucket, _, prefix = place.partition("/")
        if not bucket or ":" in bucket or "://" in prefix or "::" in prefix:
            raise ValueError("it names no bucket; write s3://bucket/prefix, without keys or passwords (see options)")
        return url

    @field_validator("options")
    @classmethod
    def _hold_no_secrets(cls, options: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        for name, value in options.items():
            if any(word in name.lower() for word in _SECRETS) and not REFERENCE.fullmatch(str(value)):
                raise ValueError(f"options.{name} would be stored with every run; write ${{env:NAME}} for its value")
        return options

    def open(self, context: SourceContext) -> "ObjectsSource":
        """Open the source; nothing is asked yet."""
        return ObjectsSource(self.name, self, context)


@dataclass
class ObjectsSource:
    """Reads the objects in the order of their names."""

    name: str
    spec: Objects
    context: SourceContext
    kind: str = "objects"

    def read(self) -> Iterator[Item]:
        protocol, _, path = self.spec.url.partition("://")
        prefix = path.strip("/")
        with _translated(self.spec.url):
            store = self._store(protocol)
            found = store.find(prefix, detail=True)
        wanted = []
        for full, info in sorted(found.items()):
            relative = full.strip("/").removeprefix(prefix).strip("/") or full.rpartition("/")[2]
            if matches_any(relative, self.spec.include) and not is_below_any(relative, self.spec.exclude):
                wanted.append((relative, full, info))
        if not wanted:
            raise SourceError("empty_source", f"no object below {self.spec.url} matches; see include, exclude")
        uris = [f"{protocol}://{full.strip('/')}" for _, full, _ in wanted]
        known = self.context.known_in_pages(document_id(self.name, uri) for uri in uris)
        for (relative, full, info), uri, stored in zip(wanted, uris, known, strict=True):
            yield self._item(store, relative, full, uri, info, stored)

    def _store(self, protocol: str) -> Any:
        try:
            import fsspec

            options: dict[str, Any] = {
                name: filled(v) if isinstance(v, str) else v for name, v in self.spec.options.items()
            }
            for name in _ENDPOINTS:
                self._check_endpoint(str(options.get(name, "")))
            if protocol == "s3" and "endpoint_url" in options:
                options["client_kwargs"] = {"endpoint_url": options.pop("endpoint_url")}
            return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True, **options)
        except ImportError as error:
            package = PROTOCOLS[protocol]
            how = "poetry install --extras s3" if protocol == "s3" else f"pip install {package}"
            raise UsageError(f"{protocol}:// needs {package}, which is not installed; type: {how}") from error

    def _check_endpoint(self, url: str) -> None:
        """Ask the guard whether an endpoint may be spoken to, as for everything on a network."""
        if url:
            parts = urlsplit(url if "://" in url else f"https://{url}")
            port = parts.port or (80 if parts.scheme == "http" else 443)
            self.context.guard.addresses(parts.hostname or "", port, self.context.fetching.timeout_seconds)

    def _item(self, store: Any, relative: str, full: str, uri: str, info: Mapping[str, Any], known: Metadata) -> Item:
        version = _version(info)
        stamp = {"version": version, "reader": self.context.reader}
        if version and all(known.get(name) == value for name, value in stamp.items()):
            return NotModified(uri, self.name)
        try:
            with _translated(uri):
                raw = self._bytes(store, full, info)
            content = read_content(raw, relative, uri, self.context)
        except SourceError as error:
            return incident(error, uri, self.name)
        return Document(
            uri=uri,
            source=self.name,
            format=content.format,
            text=content.text,
            title=content.title,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, "path": relative, **content.metadata},
            provenance={**stamp, "sha256": sha256(raw).hexdigest(), **content.provenance},
        )

    def _bytes(self, store: Any, full: str, info: Mapping[str, Any]) -> bytes:
        most = self.spec.max_bytes
        size = int(info.get("size") or 0)
        raw = bytes(store.cat_file(full, start=0, end=most + 1)) if 0 <= size <= most else b""
        if size > most or len(raw) > most:
            raise SourceError("too_large", f"{size:,} bytes are more than {most:,} (max_bytes)")
        return raw


def _version(info: Mapping[str, Any]) -> str:
    """Return what changes when an object does, as its store tells it, or nothing."""
    for name in ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "mtime", "created"):
        if value := info.get(name):
            return str(value).strip('"')
    return ""


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the errors of a store's client, which can be of any kind, into ours."""
    try:
        yield
    except (SourceError, UsageError):
        raise
    except FileNotFoundError as error:
        raise SourceError("missing", f"{what} does not exist; check the name of the bucket") from error
    except PermissionError as error:
        raise SourceError("unreadable", f"{what} may not be read: {error}; check the credentials in options") from error
    except TimeoutError as error:
        raise SourceError("timeout", f"{what} did not answer in time: {error}") from error
    except Exception as error:  # botocore, aiohttp, google and azure have trees of errors of their own
        detail = redact(" ".join(str(error).split())[:300])
        raise SourceError("unreachable", f"{what} cannot be read ({type(error).__name__}): {detail}") from error
