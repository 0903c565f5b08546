"""The switches of the environment: loopback is never asked for through a proxy."""

from __future__ import annotations

import urllib.request

import pytest
import requests

from rlp_core import quiet


@pytest.mark.parametrize("lower", ["", "example.org", "*"])
@pytest.mark.parametrize("upper", ["", "example.org, other.org"])
def test_loopback_goes_past_the_proxy(
    monkeypatch: pytest.MonkeyPatch, lower: str, upper: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    monkeypatch.setenv("no_proxy", lower)
    monkeypatch.setenv("NO_PROXY", upper)
    quiet.loopback_without_proxy()
    quiet.loopback_without_proxy()  # a second time changes nothing
    for host in ("localhost", "127.0.0.1"):
        assert urllib.request.proxy_bypass(host)
        assert requests.utils.get_environ_proxies(f"http://{host}:5000/x") == {}
    for host in ("example.org", "other.org"):
        listed = host in lower or host in upper or lower == "*"
        assert bool(urllib.request.proxy_bypass(host)) == listed
