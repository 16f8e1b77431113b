"""Members of zip archives, unpacked to no more than the archive declares."""

from __future__ import annotations

import zipfile

_PIECE = 2**20


def unpacked(archive: zipfile.ZipFile, member: str | zipfile.ZipInfo) -> bytes:
    """Return the content of a member; its packed bytes decide nothing about the memory that it takes.

    Parameters
    ----------
    archive : ZipFile
    member : str or ZipInfo

    Raises
    ------
    KeyError
        If there is no such member.
    BadZipFile
        If its content is longer or shorter than declared, or damaged.
    """
    declared = archive.getinfo(member) if isinstance(member, str) else member
    content = bytearray()
    with archive.open(declared) as stream:
        # Read at once, zipfile would unpack all of it first and cut it then.
        while part := stream.read(min(_PIECE, declared.file_size + 1 - len(content))):
            content += part
    if len(content) != declared.file_size:
        raise zipfile.BadZipFile(f"{declared.filename} is not as long as it should be")
    return bytes(content)
