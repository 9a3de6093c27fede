"""The dashboard behind a real nginx, below a path, with buffering and gzip on: as docs/DASHBOARD.md has it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from actors.messages import Command
from tests.web.builders import session, ticks
from tests.web.conftest import PATIENCE_S, ROOT, Browser, WebProcess

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
SECRET = "correct-horse-battery"
CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    types {{ text/html html; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_buffering on;
    gzip on; gzip_proxied any; gzip_min_length 1;
    gzip_types text/css text/javascript application/json text/event-stream image/svg+xml;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(NGINX is None, reason="there is no nginx here ('apt-get install nginx-light' on Debian)"),
]


def documented(port: int) -> str:
    """Return the location that the docs tell people to write, for a dashboard on this port."""
    (found,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "DASHBOARD.md").read_text(encoding="utf-8"), re.S)
    assert found.count("127.0.0.1:8080") == 1
    return str(found).replace("127.0.0.1:8080", f"127.0.0.1:{port}")


@contextlib.contextmanager
def nginx(folder: Path, behind: int) -> Iterator[int]:
    """Run nginx before a dashboard; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, location=documented(behind)))
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", config, "-e", folder / "error.log"], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None, process.stderr and process.stderr.read()
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert time.monotonic() < until
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[WebProcess]:
    file = tmp_path / "web-secret"
    file.write_text(SECRET)
    settings: dict[str, object] = {"base_path": "/bot/", "trusted_proxies": ["127.0.0.1"], "port": 0}
    with WebProcess("--secret-file", str(file), **settings) as process:
        process.listening().tell(session(), ticks(150.0))
        yield process


def test_page_login_stream_and_commands_pass_through_nginx(
    browser: Browser, behind: WebProcess, tmp_path: Path
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.get_by_role("heading", name="This dashboard is locked")).to_be_visible()
        await page.get_by_label("Secret").fill(SECRET)
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator("#price")).to_have_text("150.00")
        assert page.url == f"{url}#AAPL" or page.url == url
        (cookie,) = await page.context.cookies()
        assert (cookie["path"], cookie["httpOnly"]) == ("/bot/", True)
        for price in (151.0, 152.0, 153.0):  # each arrives before the next is sent: nothing is held back
            behind.tell(ticks(price))
            await expect(page.locator("#price")).to_have_text(f"{price:.2f}")
        await page.get_by_role("button", name="Pause").click()
        command = await asyncio.to_thread(behind.next_command, "trading is PAUSED now")
        assert isinstance(command, Command)
        assert command.name == "pause"
        await expect(page.locator("#toast")).to_contain_text("trading is PAUSED now")

    with nginx(tmp_path, behind.port) as port:
        url = f"http://127.0.0.1:{port}/bot/"
        visit = browser.visit(url, scenario)
    outside = [asked for asked in visit.requests if not asked.startswith(url) and not asked.startswith("data:")]
    assert outside == []
    assert [error for error in visit.errors if "401" not in error] == []
    log = (tmp_path / "access.log").read_text()
    assert '"GET /bot/events' in log


def test_the_stream_is_compressed_by_nginx_and_comes_at_once(behind: WebProcess, tmp_path: Path) -> None:
    with nginx(tmp_path, behind.port) as port:
        ask = ["curl", "--silent", "--no-buffer", "--compressed", "--include"]
        ask += ["--header", f"Authorization: Bearer {SECRET}", f"http://127.0.0.1:{port}/bot/events"]
        with subprocess.Popen(ask, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            try:
                told = iter(client.stdout.readline, b"")
                head = [line.decode().strip().lower() for line in iter(lambda: next(told), b"\r\n")]
                assert "content-encoding: gzip" in head
                next(line for line in told if line.startswith(b"event: snapshot"))
                behind.tell(ticks(151.25))
                next(line for line in told if b"151.25" in line)
            finally:
                client.kill()
