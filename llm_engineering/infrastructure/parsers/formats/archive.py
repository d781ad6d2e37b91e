"""Zip files and XML that mean harm: sizes are counted while reading, entities and networks are switched off."""

import lzma
import posixpath
import zipfile
import zlib
from io import BytesIO
from typing import Any

from lxml import etree

from llm_engineering.infrastructure.parsers.formats import Unreadable

# What a file may hold when it is unpacked, in all and in a single part. Real office files are far below.
_MOST_BYTES, _MOST_PART = 256 * 1024 * 1024, 64 * 1024 * 1024
_MOST_PARTS = 20_000
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Archive:
    """The parts of a zip file, read one by one within limits."""

    def __init__(self, raw: bytes) -> None:
        if raw.startswith(_OLE):
            raise Unreadable(
                "encrypted",
                "it is encrypted, or in the old binary format; save it without that as .docx, .xlsx or .pptx",
            )
        try:
            self._file = zipfile.ZipFile(BytesIO(raw))
            self._names = set(self._file.namelist())
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise Unreadable("unparsable", f"it is damaged or cut off: {error}") from error
        if len(self._names) > _MOST_PARTS:
            raise Unreadable("too_large", f"it holds {len(self._names):,} parts, more than {_MOST_PARTS:,}")
        self._left = _MOST_BYTES

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @property
    def names(self) -> list[str]:
        """The parts, in order of their names."""
        return sorted(self._names)

    def read(self, name: str) -> bytes:
        """Return a part.

        Raises:
            Unreadable: `too_large` when unpacked, `encrypted`, `unparsable`.
        """
        most = min(self._left, _MOST_PART)
        if name not in self._names:
            raise Unreadable("unparsable", f"the part {name[:200]!r} is missing, so it is no such file")
        if self._file.getinfo(name).flag_bits & 1:
            raise Unreadable("encrypted", "it is encrypted; save it without a password")
        try:
            with self._file.open(name) as part:
                content = part.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError) as error:
            raise Unreadable("unparsable", f"the part {name[:200]!r} is damaged: {error}") from error
        if len(content) > most:
            raise Unreadable("too_large", f"unpacked it is larger than {_MOST_BYTES:,} bytes: a zip bomb?")
        self._left -= len(content)
        return content

    def xml(self, name: str) -> Any:
        """Return a part that is XML as its root element."""
        return parse_xml(self.read(name), name)


def parse_xml(raw: bytes, what: str, *, recover: bool = False) -> Any:
    """Return the root element of an XML document: entities are not expanded, and nothing is fetched for it.

    Raises:
        Unreadable: `unparsable`.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover, remove_pis=True
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("unparsable", f"{what[:200]} is no XML: {str(error)[:300]}") from error
    if root is None:
        raise Unreadable("unparsable", f"{what[:200]} is no XML")
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and next(dtd.iterentities(), None) is not None:
        raise Unreadable("unparsable", f"{what[:200]} declares entities of its own, which are not expanded")
    return root


def local(element: Any) -> str:
    """Return the name of an element without its name space; of a comment nothing."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str:
    """Return an attribute by its name without name space, or nothing."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def core_properties(archive: Archive) -> dict[str, str]:
    """Return title and author as an Office Open XML file keeps them."""
    if "docProps/core.xml" not in archive:
        return {}
    names = {"title": "title", "creator": "author"}
    root = archive.xml("docProps/core.xml")
    return {names[local(child)]: (child.text or "").strip() for child in root if local(child) in names}


def targets(archive: Archive, part: str) -> dict[str, str]:
    """Return the relationships of a part: id → the part that it leads to."""
    folder, name = posixpath.split(part)
    rels = f"{folder}/_rels/{name}.rels".lstrip("/")
    if rels not in archive:
        return {}
    return {attribute(relation, "Id"): _target(relation, folder) for relation in archive.xml(rels)}


def main_part(archive: Archive, usual: str) -> str:
    """Return the part that is the document itself: programs are free to name it, and some write document2.xml."""
    if "_rels/.rels" not in archive:
        return usual
    relations = archive.xml("_rels/.rels")
    named = (_target(each, "") for each in relations if attribute(each, "Type").endswith("/officeDocument"))
    return next((part for part in named if part in archive), usual)


def _target(relation: Any, folder: str) -> str:
    target = attribute(relation, "Target")
    is_outside = attribute(relation, "TargetMode") == "External"
    return target if is_outside else posixpath.normpath(posixpath.join(folder, target)).lstrip("/")
