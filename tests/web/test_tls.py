"""The dashboard by TLS: with a certificate made here, in a browser and from the bot's own commands."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from service.data_folder import running
from tests.support.live import Bot
from tests.web.builders import session, ticks
from tests.web.conftest import Browser, WebProcess
from web import tls
from web.settings import WebSettings

SECRET = "correct-horse-battery"


def certificate(folder: Path, name: str = "own") -> tuple[str, str]:
    """Make a certificate that signs itself, and its key; return the files."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=bot.example.com"),
            *("-addext", "subjectAltName=DNS:bot.example.com"),
        ),
        check=True,
        capture_output=True,
    )
    return str(cert), str(key)


def test_what_is_renewed_is_used_from_then_on(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    speaks = tls.context(*files)
    before = tls.stamp(*files)
    certificate(tmp_path)
    assert tls.stamp(*files) != before
    tls.load(speaks, *files)
    (tmp_path / "own.key").unlink()
    assert tls.stamp(*files) == ()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("no certificate", "web.tls_cert {cert} cannot be read: No such file or directory"),
        ("no key", "web.tls_key {key} cannot be read: No such file or directory"),
        ("a folder", "web.tls_key {key} cannot be read: Is a directory"),
        ("another's key", "web.tls_key {key} is not the key of web.tls_cert {cert}"),
        ("no PEM", "web.tls_cert {cert} and web.tls_key {key} are no certificate and its key, in PEM"),
        ("a password", "web.tls_key {key} wants a password"),
    ],
)
def test_files_that_cannot_be_used_are_one_sentence_and_exit_two(spoil: str, said: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    match spoil:
        case "no certificate":
            Path(cert).unlink()
        case "no key":
            Path(key).unlink()
        case "a folder":
            key = str(other)
        case "another's key":
            key = certificate(other)[1]
        case "no PEM":
            Path(cert).write_text("hello")
        case "a password":
            locked = str(tmp_path / "locked.key")
            subprocess.run(["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked], check=True)
            key = locked
    with WebProcess(port=0, tls_cert=cert, tls_key=key) as process:
        code, stderr = process.exited()
    assert code == 2
    (sentence,) = stderr.splitlines()
    assert said.format(cert=cert, key=key) in sentence


@pytest.mark.parametrize("given", [{"tls_cert": "a"}, {"tls_key": "a"}])
def test_one_without_the_other_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="go together"):
        WebSettings(**given)  # type: ignore[arg-type]


@pytest.mark.browser
def test_a_browser_opens_it_and_its_cookie_is_for_tls_alone(browser: Browser, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    file = tmp_path / "web-secret"
    file.write_text(SECRET)

    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        (cookie,) = await page.context.cookies()
        assert (cookie["secure"], cookie["httpOnly"]) == (True, True)
        process.tell(ticks(151.0))
        await expect(page.locator("#price")).to_have_text("151.00")
        await page.get_by_role("button", name="Pause").click()
        assert (await page.evaluate("fetch('api/state').then((answer) => answer.status)")) == 200

    with WebProcess("--secret-file", str(file), port=0, tls_cert=cert, tls_key=key) as process:
        process.listening().tell(session(), ticks(150.0))
        url = f"https://127.0.0.1:{process.port}/#secret={SECRET}"
        browser.visit(url, scenario, ignore_https_errors=True)
        assert process.next_command().name == "pause"


def test_the_bot_prints_https_and_its_own_commands_come_through(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "settings.toml").write_text(
        f'[web]\nsecret = "auto"\nbase_path = "/bot/"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
    )
    with Bot(tmp_path, "--config", "settings.toml") as bot:
        assert bot.dashboard == f"https://127.0.0.1:{bot.port}/bot"
        assert bot.line("its secret is in ") == str(tmp_path / "data" / "web-secret")  # there is no terminal
        done = bot.command("pause")
        assert (done.returncode, done.stderr) == (0, "")
        assert "PAUSED" in done.stdout
        certificate(tmp_path)  # another stands there now: whoever answers with the old one is not trusted
        refused = bot.command("resume")
        assert refused.returncode == 2
        published = running.find(tmp_path / "data")
        assert published is not None
        assert published.certificate == cert
        bot.stop()


def test_only_tls_is_spoken(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    assert tls.context(cert, key).minimum_version == ssl.TLSVersion.TLSv1_2
