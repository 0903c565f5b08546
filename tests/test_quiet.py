"""No proxy stands before what runs on this machine."""

from __future__ import annotations

import urllib.request

import httpx
import pytest
from requests.utils import should_bypass_proxies

from rlp_core import quiet


@pytest.mark.parametrize("spelling", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("said", [None, "", "inner.example", "localhost, inner.example", "*"])
def test_loopback_is_never_proxied(
    spelling: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")  # so that what `apply` sets is taken back
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    if said is not None:
        monkeypatch.setenv(spelling, said)
    quiet.apply()
    quiet.apply()
    for host in ("127.0.0.1", "localhost"):
        assert urllib.request.proxy_bypass_environment(f"{host}:4200")
        assert should_bypass_proxies(f"http://{host}:4200/api", no_proxy=None)
        client = httpx.Client()
        assert client._transport_for_url(httpx.URL(f"http://{host}:4200")) is client._transport
    if said and "inner" in said:
        assert urllib.request.proxy_bypass_environment("inner.example")
    assert bool(urllib.request.proxy_bypass_environment("outer.example")) == (said == "*")
