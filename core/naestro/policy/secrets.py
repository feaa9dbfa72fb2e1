"""Which files look like they hold a secret: by their name, or by a private key inside.

Such a file is never read, so that no prompt, journal or index can hold it. Rather one file too many than one too
few: a person who wants such a file read renames it. `workspace` asks; nothing here touches a disk.
"""

import re
from fnmatch import fnmatchcase, translate
from pathlib import PurePosixPath

SECRET_NAMES = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "*.pfx",
    "*.p12",
    "*.p8",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.kdb",
    "*.ppk",
    "*.gpg",
    "*.ovpn",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".yarnrc*",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".htpasswd",
    ".dockercfg",
    ".dockerconfigjson",
    ".boto",
    ".s3cfg",
    ".vault-token",
    ".vault_pass*",
    "service-account*.json",
    "service_account*.json",
    "client_secret*.json",
)
"""Names that hold keys, passwords or tokens by convention of the tools that write them."""

SECRET_STEMS = ("credentials*", "secret", "secrets", "secrets.*", "secret.*", "kubeconfig*")
"""Names that hold secrets unless they are source code about them."""

SOURCE_SUFFIXES = frozenset(
    {".c", ".cc", ".cpp", ".cs", ".go", ".h", ".hpp", ".java", ".js", ".jsx", ".kt", ".md", ".mjs", ".php"}
    | {".py", ".pyi", ".rb", ".rs", ".rst", ".scala", ".swift", ".ts", ".tsx"}
)
"""Files that a name like `credentials` tells the subject of."""

SECRET_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".password-store"})
"""Folders whose whole content is a person's keys."""

_SECRET_VARIABLE = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|COOKIE|DSN|DATABASE_URL", re.IGNORECASE
)
"""Parts of the names of environment variables that hold secrets, or lead to them."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?s:.{0,400}?)[A-Za-z0-9+/]{40}"
)
"""A key's header with key material soon after it; the header alone is how code and documents talk about keys."""


_SCREEN = re.compile("|".join(map(translate, SECRET_NAMES + SECRET_STEMS)))
"""Matches wherever a pattern may: most names meet none, and this is one expression instead of fifty."""


def secret_name(path: str) -> str | None:
    """The pattern or folder by which `path` (relative, `/` between the parts) looks secret, or None."""
    *folders, name = path.lower().split("/")
    folder = next((part for part in folders if part in SECRET_FOLDERS), None)
    if folder:
        return f"{folder}/"
    if not _SCREEN.match(name):
        return None
    patterns = SECRET_NAMES if PurePosixPath(name).suffix in SOURCE_SUFFIXES else SECRET_NAMES + SECRET_STEMS
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)


def is_secret_variable(name: str) -> bool:
    """Whether an environment variable of that name is kept from programs of a workspace; Naestro's own are, too."""
    return name.startswith("NAESTRO_") or _SECRET_VARIABLE.search(name) is not None


def holds_private_key(text: str) -> bool:
    """Whether a private key stands in `text`."""
    return "PRIVATE KEY" in text and _PRIVATE_KEY.search(text) is not None
