"""Checksums of a file in blocks, at its end: what is read is what was written.

Such a file is its content, then the checksum of each block, then a footer with the length of the content. HDF5 takes no notice
of what follows its last byte, so that other programs read these files as any others. Blocks are checked when they are read: a
few samples of a recording of 180 GB cost no more than a few blocks.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import weakref
import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import NO_FILE, DamagedFile, not_valid
from .permissions import describe_refusal

if TYPE_CHECKING:
    from .files import AnyPath

#: Words of 8 bytes in a row of a block: a prime, so that sectors of the disk that change places change the sums of columns
ROW = 509
#: Bytes of a block: 64 rows, 261 kB
BLOCK = 64 * 8 * ROW
#: The footer: what it is, the length of the content, and the checksum of these two and of all checksums
MAGIC = b"allenrec-sums-1\n"
FOOTER = struct.Struct("<16sQI")
#: Blocks that a reader keeps, because HDF5 reads its tables of contents in many small pieces
KEPT_BLOCKS = 16


def checksum(block: Any) -> int:
    """Return the checksum of at most `BLOCK` bytes: the CRC-32 of the sums of `ROW` columns of 64-bit integers.

    Sums are as fast as memory. The CRC-32 of all bytes would make the writing of a recording 5 % slower.
    """
    if len(block) % (8 * ROW):
        block = bytes(block) + bytes(-len(block) % (8 * ROW))
    words = np.frombuffer(block, dtype="<u8").reshape(-1, ROW)
    return zlib.crc32(np.add.reduce(words, axis=0).data)


class WrittenChecksums:
    """The checksums of a file that is being written, taken from the data on its way to the disk.

    A block is taken if it is written from its begin to its end. The few others, such as those with HDF5's tables of contents,
    are read again at the end.
    """

    def __init__(self) -> None:
        self._found: dict[int, int] = {}
        #: The block that is being written, its first bytes, and how many they are
        self._begun, self._bytes, self._held = -1, bytearray(BLOCK), 0

    def add(self, start: int, data: memoryview) -> None:
        """Take note of data that is written at byte `start`."""
        while len(data):
            block, offset = divmod(start, BLOCK)
            part = data[: BLOCK - offset]
            self._found.pop(block, None)
            if len(part) == BLOCK:
                self._found[block] = checksum(part)
            elif offset == 0 or (block == self._begun and offset == self._held):
                self._begun, self._held = block, offset + len(part)
                self._bytes[offset : self._held] = part
                if self._held == BLOCK:
                    self._found[block] = checksum(self._bytes)
            elif block == self._begun:
                self._begun = -1
            start, data = start + len(part), data[len(part) :]

    def append_to(self, file: BinaryIO) -> None:
        """Append the checksums of all blocks to the complete file."""
        size = file.seek(0, io.SEEK_END)
        sums = np.zeros(-(-size // BLOCK), dtype="<u4")
        for block in range(len(sums)):
            if block not in self._found or block == len(sums) - 1:
                self._found[block] = checksum(os.pread(file.fileno(), BLOCK, block * BLOCK))
            sums[block] = self._found[block]
        with open(file.fileno(), "ab", closefd=False) as end:
            end.write(sums.tobytes() + _footer(sums.tobytes(), size))


def _footer(sums: bytes, size: int) -> bytes:
    return FOOTER.pack(MAGIC, size, zlib.crc32(sums, zlib.crc32(size.to_bytes(8, "little"))))


class CheckedFile(io.RawIOBase):
    """The content of a file with checksums. Each block is checked when it is read.

    Parameters
    ----------
    path : path
    kind : str
        What the file should be, as in "recording", for messages.

    Raises
    ------
    DamagedFile
        If the file is missing or has no checksums at its end; when it is read, if a block is not what was written.
    """

    def __init__(self, path: AnyPath, kind: str) -> None:
        self.path, self.kind = path, kind
        #: The first damaged block that was met, because HDF5 does not pass on every error
        self.error: DamagedFile | None = None
        try:
            # A pipe in its place is opened at once; otherwise this would wait for somebody who writes into it
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            raise DamagedFile(f"{path}: there is no such {kind} file; run the workflow to make it") from None
        except PermissionError as error:
            raise DamagedFile(str(describe_refusal(error))) from None
        except OSError as error:
            raise self.damaged(error.strerror) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self.damaged(NO_FILE)
        self._descriptor, self._closed = descriptor, weakref.finalize(self, os.close, descriptor)
        self._size, self._sums = self._read_sums()
        self._position = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        # HDF5 crashes at its end if it met an error when it opened a file, for which it reads the begin of the file only.
        if self._size:
            self._block(0)

    def damaged(self, reason: object) -> DamagedFile:
        """Return the error that says that the file cannot be used, and why."""
        return not_valid(self.path, self.kind, reason)

    def _read_sums(self) -> tuple[int, NDArray[np.uint32]]:
        whole = os.fstat(self._descriptor).st_size
        footer = self._read(FOOTER.size, max(whole - FOOTER.size, 0))
        magic, size, _ = FOOTER.unpack(footer) if len(footer) == FOOTER.size else (b"", 0, 0)
        length = 4 * -(-size // BLOCK)
        if magic != MAGIC or size + length + FOOTER.size != whole:
            raise self.damaged("it does not end with its checksums: it was cut short, changed, or written by another program")
        sums = self._read(length, size)
        if _footer(sums, size) != footer:
            raise self.damaged("its checksums were changed")
        return size, np.frombuffer(sums, dtype="<u4")

    def _read(self, length: int, start: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, start)
        except OSError as error:
            raise self.damaged(error.strerror) from None

    def _block(self, number: int) -> bytes:
        if number in self._kept:
            return self._kept[number]
        start = number * BLOCK
        block = self._read(min(BLOCK, self._size - start), start)
        self._check(number, block)
        self._kept[number] = block
        if len(self._kept) > KEPT_BLOCKS:
            self._kept.popitem(last=False)
        return block

    def _check(self, number: int, block: Any) -> None:
        start = number * BLOCK
        if checksum(block) != self._sums[number]:
            self.error = self.error or self.damaged(f"bytes {start} to {start + BLOCK} are not what was written")
            raise self.error

    def readinto(self, buffer: Any) -> int:
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and self._position < self._size:
            number, offset = divmod(self._position, BLOCK)
            part = view[done : done + min(BLOCK - offset, self._size - self._position)]
            if len(part) == BLOCK and number not in self._kept:
                self._read_block_into(number, part)
            else:
                part[:] = memoryview(self._block(number))[offset : offset + len(part)]
            done += len(part)
            self._position += len(part)
        return done

    def _read_block_into(self, number: int, block: memoryview) -> None:
        """Read a whole block to its place, without a copy: traces consist of such blocks."""
        try:
            os.preadv(self._descriptor, [block], number * BLOCK)
        except OSError as error:
            raise self.damaged(error.strerror) from None
        self._check(number, block)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._closed()
        super().close()
