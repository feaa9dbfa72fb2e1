"""Which addresses lead to this machine, by how they are written, and which are no address of a server."""

import pytest

from naestro.engines.addresses import check_base_url, is_loopback, origin_of
from naestro.errors import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://127.8.9.1",
        "http://localhost:1234/v1",
        "https://LOCALHOST/v1",
        "http://[::1]:8080/v1",
        "http://[::ffff:127.0.0.1]/v1",
    ],
)
def test_loopback_addresses_lead_here(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0:8000/v1",
        "http://[::]:8000/v1",
        "http://[::ffff:10.0.0.1]/v1",
        "http://localhost.evil.com/v1",
        "http://localhost./v1",
        "http://127.0.0.1.nip.io/v1",
        "http://127.0.0.1@evil.com/v1",
        "http://evil.com\\@127.0.0.1/v1",
        "http://127.1/v1",
        "http://2130706433/v1",
        "http://0x7f.0.0.1/v1",
        "http://127.0.0.1:99999/v1",
        "http://[::1/v1",
        "http://127.0.0.1 .evil.com/v1",
        "http://127.0.0.1\t/v1",
        "http://\uff11\uff12\uff17.0.0.1/v1",
        "/v1",
        "",
    ],
)
def test_whatever_may_lead_elsewhere_is_not_loopback(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize("url", ["http://h/v1", "https://h.example:8443/v1", "http://[::1]:1/v1"])
def test_a_plain_address_is_taken_without_its_last_slash(url: str) -> None:
    assert check_base_url(url) == check_base_url(f"{url}/") == url


@pytest.mark.parametrize(
    "url",
    [
        "h/v1",
        "ftp://h/v1",
        "http:///v1",
        "http://user:secret@h/v1",
        "http://h/v1?key=secret",
        "http://h/v1#x",
        "http://h\\x/v1",
        "http://h:port/v1",
        "http://[::1/v1",
        "",
    ],
)
def test_any_other_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_base_url(url)
    assert "secret" not in caught.value.message


def test_an_error_shows_the_origin_alone() -> None:
    assert origin_of("https://h:8443/deployments/x/v1") == "https://h:8443"
