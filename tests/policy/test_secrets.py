"""Which names and contents look like a secret."""

import pytest

from naestro.policy.secrets import holds_private_key, secret_name

KEY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        "deploy/prod.env",
        "server.PEM",
        "ssh/id_rsa",
        "id_rsa.bak",
        "id_ed25519",
        "tls.key",
        "credentials",
        "credentials.json",
        ".aws/config",
        "home/.ssh/known_hosts",
        ".netrc",
        ".npmrc",
        ".pypirc",
        "vault.kdbx",
        ".git-credentials",
        "secrets.yml",
        "infra/terraform.tfstate",
    ],
)
def test_files_that_hold_secrets_by_convention_are_recognised(path: str) -> None:
    assert secret_name(path) is not None


@pytest.mark.parametrize(
    "path",
    [
        "environment.py",
        "credentials.py",
        "policy/secrets.py",
        "keys.py",
        "secrets.md",
        "envelope.txt",
        "monkey.py",
    ],
)
def test_source_about_secrets_is_no_secret(path: str) -> None:
    assert secret_name(path) is None


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN PRIVATE KEY-----\n{KEY}\n",
        f"x = 1\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n{KEY}\n",
        f'{{"private_key": "-----BEGIN PRIVATE KEY-----\\n{KEY}"}}',
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{KEY}\n",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY}\n",
    ],
)
def test_a_private_key_is_found_wherever_it_stands(text: str) -> None:
    assert holds_private_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "no key",
        'if line.startswith("-----BEGIN PRIVATE KEY-----"):\n    raise ValueError',
        f"PUBLIC KEY {KEY}",
    ],
)
def test_talk_of_keys_is_no_key(text: str) -> None:
    assert not holds_private_key(text)
