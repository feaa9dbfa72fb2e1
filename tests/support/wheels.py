"""Wheels that carry data, in a folder that a package client takes for an index, and a client that is quick."""

import base64
import hashlib
import zipfile
from pathlib import Path


def make_wheel(folder: Path, package: str, members: dict[str, bytes], version: str = "1.0") -> Path:
    """A valid wheel of `package` with `members` by their paths inside."""
    module = package.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    entries = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_sum(data)},{len(data)}\n" for name, data in entries.items())
    entries[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def _sum(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


CLIENT = r"""#!/bin/sh
for requirement; do :; done
while [ "$1" != --dest ]; do shift; done
module=$(echo "${requirement%%==*}" | tr - _)
cp "$PIP_FIND_LINKS/$module-${requirement##*==}-py3-none-any.whl" "$2" 2>/dev/null && exit
echo "ERROR: No matching distribution found for $requirement" >&2
exit 1
"""


def make_client(folder: Path) -> str:
    """A program that fetches a wheel from PIP_FIND_LINKS as pip does, in a hundredth of its time."""
    path = folder / "client"
    path.write_text(CLIENT)
    path.chmod(0o755)
    return str(path)
