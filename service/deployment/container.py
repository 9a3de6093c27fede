"""The bot in a container: an image and a Compose file. Nothing in it is root, and nothing but two volumes is written.

Sources: docs.docker.com, "Dockerfile reference" and "Compose file reference".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from service.deployment.plan import STOP_S, Plan
from service.version import DISTRIBUTION, VERSION

UID = 10_001
"""Of the user in the container: no user of the host's."""

_DATA, _LOGS, _FOLDER = "/data", "/logs", "/bot"


def dockerfile(wheel: str | None = None) -> str:
    """Return the image's text; `wheel` is the file name of a package that lies beside it, else the index has it."""
    return "\n".join(_image(wheel)) + "\n"


def _image(wheel: str | None) -> Iterator[str]:
    yield "FROM python:3.11-slim"
    yield f"RUN useradd --system --uid {UID} --user-group --create-home microbot \\"
    yield f" && install --directory --owner microbot --group microbot --mode 0700 {_DATA} {_LOGS}"
    if wheel is not None:
        yield f"COPY {wheel} /tmp/"
        yield f'RUN pip install --no-cache-dir "/tmp/{wheel}[notify]" && rm "/tmp/{wheel}"'
    else:
        yield f'RUN pip install --no-cache-dir "{DISTRIBUTION}[notify]=={VERSION}"'
    yield "ENV PYTHONDONTWRITEBYTECODE=1"
    yield "USER microbot"
    yield f"WORKDIR {_FOLDER}"
    yield f'VOLUME ["{_DATA}", "{_LOGS}"]'
    yield "STOPSIGNAL SIGTERM"
    yield "HEALTHCHECK --interval=30s --timeout=15s --start-period=90s \\"
    yield f' CMD ["microbot", "status", "--data-dir", "{_DATA}"]'
    yield 'ENTRYPOINT ["microbot"]'


def compose(plan: Plan) -> str:
    """Return the text of a Compose file that builds that image, and runs what is planned in it."""
    return "\n".join(_compose(plan)) + "\n"


def _compose(plan: Plan) -> Iterator[str]:
    words = ["run", *plan.run, "--data-dir", _DATA, "--log-dir", _LOGS, "--watchdog", f"{plan.watchdog_s:g}"]
    if plan.web_is_local:  # of the container alone, which nobody outside would reach
        words += ["--set", "web.host=0.0.0.0"]
        if not plan.web_has_secret:
            words += ["--set", 'web.secret="auto"']
    yield "services:"
    yield f"  {_text(plan.name)}:"
    yield "    build: ."
    yield f"    image: {_text(f'{plan.name}:{VERSION}'.lower())}"
    yield f"    command: {_list(words)}"
    yield f"    working_dir: {_FOLDER}"
    yield "    env_file: # the keys: lines of NAME=VALUE"
    yield f"      - path: {_text(plan.keys)}"
    yield f"        required: {'true' if plan.wants_keys else 'false'}"
    yield f'    user: "{UID}:{UID}"'
    yield "    read_only: true"
    yield "    tmpfs: [/tmp]"
    yield "    cap_drop: [ALL]"
    yield '    security_opt: ["no-new-privileges:true"]'
    yield "    init: true"
    yield "    stop_signal: SIGTERM"
    yield f"    stop_grace_period: {STOP_S}s"
    yield "    restart: unless-stopped # also after a reboot of the host"
    yield f'    ports: ["127.0.0.1:{plan.web_port}:{plan.web_port}"]'
    yield "    volumes:"
    yield f"      - {{type: bind, source: {_text(plan.folder)}, target: {_FOLDER}, read_only: true}}"
    yield f"      - data:{_DATA}"
    yield f"      - logs:{_LOGS}"
    yield "    logging:"
    yield "      driver: json-file"
    yield '      options: {max-size: "10m", max-file: "5"}'
    yield "volumes:"
    yield "  data:"
    yield "  logs:"


def _text(value: object) -> str:
    """Quote for YAML, which reads JSON; Compose takes $ for a variable."""
    return json.dumps(str(value).replace("$", "$$"))


def _list(words: Iterable[str]) -> str:
    return f"[{', '.join(_text(word) for word in words)}]"
