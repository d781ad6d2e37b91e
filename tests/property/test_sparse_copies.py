"""Copies of files with holes: the same bytes, and the same digest wherever the holes are."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.infrastructure.vector_stores.folders import BLOCK, copy_sparse, fingerprint

SIZES = st.one_of(st.integers(0, 5), st.integers(BLOCK - 2, BLOCK + 2), st.integers(0, 6 * BLOCK))
WRITES = st.lists(st.tuples(st.integers(0, 6 * BLOCK), st.integers(1, 2 * BLOCK)), max_size=4)


@given(size=SIZES, writes=WRITES, flipped=st.integers(0, 6 * BLOCK))
def test_a_copy_has_the_same_bytes_and_a_digest_that_tells_every_change(
    size: int, writes: list[tuple[int, int]], flipped: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        holed, copied, full = (Path(place, name) for name in ("holed", "copied", "full"))
        for folder in (holed, copied, full):
            folder.mkdir()
        with (holed / "file").open("wb") as file:
            file.truncate(size)
            for start, length in writes:
                file.seek(start)
                file.write(b"\x01" * max(0, min(length, size - start)))
        content = (holed / "file").read_bytes()
        assert len(content) == size
        copy_sparse(str(holed / "file"), str(copied / "file"))
        (full / "file").write_bytes(content)
        assert (copied / "file").read_bytes() == content
        assert fingerprint(holed) == fingerprint(copied) == fingerprint(full)
        if size:
            changed = bytearray(content)
            changed[flipped % size] ^= 0x80
            (full / "file").write_bytes(changed)
            assert fingerprint(full) != fingerprint(holed)
