"""``make pictures``: the pictures of the README, as SVG files that are text.

    python -m tools.dev.pictures            writes docs/pictures/rotation.svg
    python -m tools.dev.pictures --demo     writes docs/pictures/demo.svg too, from a run of the demo

The recording shows each line of the demo when it came; a wait longer than a second is shown as one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/pictures"
_FONT = "font-family: ui-sans-serif, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_MONO = "font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
_VALUE, _LINE, _TEXT, _QUIET = "#b45309", "#334155", "#0f172a", "#64748b"
_LONGEST_WAIT = 1.0  # seconds
_ROW, _HOLD = 17, 6.0


def main(arguments: list[str]) -> int:
    """Write the pictures; returns the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "rotation.svg").write_text(rotation(), "utf-8")
    if "--demo" in arguments:
        (FOLDER / "demo.svg").write_text(recording(list(_demo())), "utf-8")
    return 0


def rotation() -> str:
    """The four steps, what the module makes, where the value flows, and where it never is."""
    parts = [
        *_box(
            20,
            20,
            250,
            118,
            "Your Terraform",
            ["names, ARNs and settings;", "no value in configuration,", "plan or state"],
        ),
        *_box(20, 182, 250, 196, "Secrets Manager", ["starts each rotation on schedule"]),
        *_label(36, 262, "AWSCURRENT", "what consumers get"),
        *_label(36, 302, "AWSPENDING", "the new value, until it works"),
        *_label(36, 342, "AWSPREVIOUS", "what was current before"),
        *_box(385, 20, 330, 358, "What the module creates", [], dashed=True),
        *_box(405, 62, 290, 222, "Lambda function", ["no value in settings, logs or errors"]),
        *_steps(421, 140),
        *_box(405, 300, 290, 60, "IAM role, log group, schedule", ["permissions for these secrets only"]),
        *_box(830, 62, 210, 92, "The service", ["database, API, broker …", "(with a target)"]),
        *_box(830, 220, 210, 92, "Consumers", ["read the current value", "from Secrets Manager"]),
        _arrow("M270 79 H383", _LINE, "apply", 326, 70),
        _arrow("M270 250 H403", _VALUE, "value", 336, 241, both=True),
        _arrow("M695 108 H828", _VALUE, "value, over TLS", 773, 98),
        _arrow("M935 220 V156", _VALUE, "log in", 962, 192),
        _arrow("M145 378 V400 H935 V314", _VALUE, "GetSecretValue", 550, 416),
    ]
    title = "A rotation: the function generates a value, sets it in the service, tests it, and makes it current."
    return _svg(1060, 425, title, parts)


def _box(
    x: int, y: int, width: int, height: int, title: str, lines: list[str], *, dashed: bool = False
) -> Iterator[str]:
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    fill = "none" if dashed else "#f8fafc"
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{_LINE}"{dash}/>'
    yield _text(x + 16, y + 27, title, size=16, weight=600)
    for number, line in enumerate(lines):
        yield _text(x + 16, y + 52 + 21 * number, line, colour=_QUIET)


def _label(x: int, y: int, label: str, meaning: str) -> Iterator[str]:
    yield _text(x, y, label, size=13, weight=600, colour=_VALUE)
    yield _text(x, y + 17, meaning, size=13, colour=_QUIET)


def _steps(x: int, y: int) -> Iterator[str]:
    steps = {
        "1 createSecret": "store a new value as AWSPENDING",
        "2 setSecret": "set it in the service",
        "3 testSecret": "use it there",
        "4 finishSecret": "move AWSCURRENT to it",
    }
    for number, (name, meaning) in enumerate(steps.items()):
        yield _text(x, y + 36 * number, name, size=14, weight=600)
        yield _text(x, y + 36 * number + 17, meaning, size=13, colour=_QUIET)


def _arrow(path: str, colour: str, label: str, x: int, y: int, *, both: bool = False) -> str:
    kind = "value" if colour == _VALUE else "line"
    start = f' marker-start="url(#{kind})"' if both else ""
    drawn = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{start} marker-end="url(#{kind})"/>'
    return drawn + _text(x, y, label, size=13, colour=colour, anchor="middle")


def _text(
    x: int, y: int, text: str, *, size: int = 14, weight: int = 400, colour: str = _TEXT, anchor: str = "start"
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    markers = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse">'
        f'<path d="M0 0 L10 5 L0 10 z" fill="{colour}"/></marker>'
        for name, colour in (("line", _LINE), ("value", _VALUE))
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" style="{_FONT}">',
        f"<title>{escape(title)}</title>",
        f"<defs>{markers}</defs>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _demo() -> Iterator[tuple[float, str]]:
    """The lines of a demo, each with the seconds from the one before."""
    command = [sys.executable, "-m", "tools.dev.demo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        before = time.monotonic()
        for line in process.stdout or ():
            now = time.monotonic()
            if not line.startswith(("  ·", "providers: ")):  # signs of life, and where this machine has its providers
                yield now - before, line.rstrip("\n")
                before = now
    if process.returncode:
        raise SystemExit("pictures: the demo failed")


def recording(lines: list[tuple[float, str]]) -> str:
    """A terminal in which the lines come one after the other, over and over."""
    shown, moment = [(0.0, "$ make demo")], 0.6
    for wait, text in lines:
        moment += min(wait, _LONGEST_WAIT)
        shown.append((moment, text))
    whole, height = moment + _HOLD, 30 + _ROW * len(shown)
    rows = [_row(number, start, whole, text) for number, (start, text) in enumerate(shown)]
    frame = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {height}" role="img" style="{_MONO}">',
        "<title>make demo: two examples are applied, rotated twice and destroyed in a local AWS</title>",
        f'<rect width="700" height="{height}" rx="8" fill="#0f172a"/>',
        *rows,
        "</svg>",
    ]
    return "\n".join(frame) + "\n"


def _row(number: int, start: float, whole: float, text: str) -> str:
    times = f"0;{max(start - 0.01, 0) / whole:.4f};{start / whole:.4f};1"
    timing = f'keyTimes="{times}" dur="{whole:.1f}s" repeatCount="indefinite"'
    appears = f'<animate attributeName="opacity" values="0;0;1;1" {timing}/>'
    colour = "#86efac" if "✓" in text else "#e2e8f0" if not text.startswith("      ") else "#94a3b8"
    style = f'font-size="13" fill="{colour}" xml:space="preserve"'
    return f'<text x="16" y="{27 + _ROW * number}" {style}>{escape(text)}{appears}</text>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
