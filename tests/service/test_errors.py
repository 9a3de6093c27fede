"""errors: what may be over at the next start is told apart from what stays, so that a service is started again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from service import logs
from service.data_folder import bot_id, running, web_secret
from service.errors import NotNow, UserError, reading, writing
from service.settings import LogSettings
from web.settings import WebSettings


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("what", [writing, reading])
def test_a_full_disk_or_a_table_that_is_full_may_pass(what: type, number: int) -> None:
    with pytest.raises(NotNow, match="x cannot be"), what("x"):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR])
def test_what_a_person_has_to_mend_does_not(number: int) -> None:
    with pytest.raises(UserError) as refused, writing("x"):
        raise OSError(number, os.strerror(number))
    assert not isinstance(refused.value, NotNow)


def test_whatever_a_start_writes_first_a_full_disk_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(NotNow):
        bot_id.bot_id(tmp_path)
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(NotNow), running.claim(tmp_path):
        pass
    with pytest.raises(NotNow):
        logs.configure(LogSettings(dir=str(tmp_path)))
    with pytest.raises(NotNow):
        web_secret.prepare(WebSettings(secret="auto"), tmp_path)
