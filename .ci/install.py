"""Make the project's environment, or complete one that is there. Run again, it does nothing.

    python3 .ci/install.py             a virtual environment in .venv
    python3 .ci/install.py --here      into this interpreter's environment; its torch stays if 2.11 or newer
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("requirements.txt", "requirements-host.txt", "pyproject.toml", ".ci/install.py")
OLDEST_TORCH = (2, 11)
OLDEST_PYTHON = (3, 11)


def say(text: str) -> None:
    """Tell what happens next."""
    print(f"[env] {text}", flush=True)


def pip(python: str, *arguments: str) -> None:
    """Run pip in the environment; stop with its message if it fails."""
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"error: '{' '.join(command[1:])}' failed, see pip's message above; mend it and run the same command "
                 "again")


def torch_version(python: str) -> tuple[int, ...]:
    """Return the version of the torch that ``python`` has, () if none."""
    code = "from importlib.metadata import version; print(version('torch'))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    match = re.match(r"(\d+)\.(\d+)", found.stdout)
    return tuple(map(int, match.groups())) if match else ()


def state(python: str) -> str:
    """Return a digest of everything the installation depends on."""
    content = b"".join((ROOT / name).read_bytes() for name in FILES)
    return hashlib.sha256(content + python.encode() + str(ROOT).encode()).hexdigest()


def install(python: str, keep_torch: bool) -> None:
    """Install requirements, host and project into the environment of ``python``."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    torch = [line for line in requirements if line.startswith("torch==")]
    if keep_torch:
        say(f"keeping torch {'.'.join(map(str, torch_version(python)))}.x, which is there")
        requirements = [line for line in requirements if line not in torch]
    else:
        say(f"installing {torch[0]}")
        pip(python, *torch)
    say(f"installing {len(requirements) - len(torch) * (not keep_torch)} pinned packages of requirements.txt")
    pip(python, *requirements)
    say("installing basicts and easy-torch without their pins (requirements-host.txt)")
    pip(python, "--no-deps", "-r", "requirements-host.txt")
    say("installing this project, editable")
    pip(python, "setuptools>=77", "wheel")
    pip(python, "--no-deps", "--no-build-isolation", "--editable", ".")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="install into this interpreter's own environment")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the virtual environment goes")
    args = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"error: Python {sys.version.split()[0]}; expected {'.'.join(map(str, OLDEST_PYTHON))} or newer: "
                 "make env PYTHON=python3.11")
    if args.here:
        python, stamp = sys.executable, Path(sys.prefix) / ".stlora-environment"
    else:
        python, stamp = str(args.venv / "bin" / "python"), args.venv / ".stlora-environment"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state(python):
        say(f"{Path(os.path.relpath(stamp.parent))} is complete")
        return
    if not args.here and not Path(python).exists():
        say(f"making the virtual environment {os.path.relpath(args.venv)} with Python {sys.version.split()[0]}")
        subprocess.run([sys.executable, "-m", "venv", str(args.venv)], check=True)
    install(python, keep_torch=args.here and torch_version(python) >= OLDEST_TORCH)
    stamp.write_text(state(python), encoding="utf-8")
    say("done")


if __name__ == "__main__":
    main()
