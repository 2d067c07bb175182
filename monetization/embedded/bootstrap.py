"""Build and enter the virtual environment. Standard library only, any Python from 3.11."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PANGO = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")


def say(sentence: str) -> None:
    """Tell the person at the terminal; errors and progress alike go to standard error."""
    print(f"throughline: {sentence}", file=sys.stderr, flush=True)


def fail(sentence: str) -> None:
    say(sentence)
    raise SystemExit(1)


@contextmanager
def only_one(lock: Path, what: str) -> Iterator[None]:
    """Refuse, in words, to run twice in one folder. The lock ends with the process, however."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such lock on Windows
            pass
        except OSError:
            fail(f"{what} is already running in {lock.parent}; stop it first")
        yield


def working_dir(root: Path) -> Path:
    """Return where .venv and var live: the checkout, or the user's cache if it is read-only."""
    if os.access(root, os.W_OK):
        return root
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "throughline" / hashlib.sha256(str(root).encode()).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    return place


def enter_environment(root: Path, *, install: bool) -> None:
    """Re-run this command inside the virtual environment, installing it first if asked."""
    if sys.version_info < (3, 11):
        fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    home = working_dir(root)
    if home != root:
        os.environ.setdefault("VAR_DIR", str(home / "var"))
        os.environ.setdefault("STATIC_DIST", str(home / "static_dist"))
    environment = home / ".venv"
    inside = Path(sys.prefix).resolve() == environment.resolve()
    if install and home != root and not inside:
        say(f"{root} is read-only; keeping .venv and data in {home}")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if install:
        _install(root, environment, python)
    if inside or not python.exists():
        if install:
            _find_pango(environment)
        return
    os.execv(python, [str(python), *sys.argv])


def _fingerprint(root: Path) -> str:
    lock = (root / "requirements.lock").read_bytes()
    return hashlib.sha256(lock).hexdigest() + f" python{sys.version_info[0]}.{sys.version_info[1]}"


def _install(root: Path, environment: Path, python: Path) -> None:
    mark = environment / ".installed"
    wanted = _fingerprint(root)
    if python.exists() and mark.exists() and mark.read_text() == wanted:
        return
    if Path(sys.prefix).resolve() == environment.resolve():
        pass  # an older lock: install over it from inside
    elif not python.exists():
        _create(environment, python)
    if subprocess.run([str(python), "-m", "uv", "--version"], capture_output=True).returncode:
        _install_uv(environment, python)
    say("installing the locked dependencies into .venv")
    uv = [str(python), "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    uv += ["--require-hashes", "-r", str(root / "requirements.lock")]
    if subprocess.run(uv).returncode and not _again_with_own_certificates(uv):
        fail("the dependencies could not be installed; the lines above say why")
    mark.write_text(wanted)


def _again_with_own_certificates(uv: list[str]) -> bool:
    """Try once more trusting what the machine trusts, as behind a company's proxy."""
    if "UV_SYSTEM_CERTS" in os.environ:
        return False
    say("trying again with this machine's certificates")
    return not subprocess.run(uv, env={**os.environ, "UV_SYSTEM_CERTS": "1"}).returncode


def _create(environment: Path, python: Path) -> None:
    has_ensurepip = find_spec("ensurepip") is not None
    if not has_ensurepip and find_spec("pip") is None:
        fail("this Python has neither venv nor pip; run `apt install python3-venv` and try again")
    say("creating .venv")
    try:
        venv.EnvBuilder(with_pip=has_ensurepip, clear=True).create(environment)
    except subprocess.CalledProcessError:
        shutil.rmtree(environment, ignore_errors=True)
        fail("venv could not be created; run `apt install python3-venv` and try again")


def _install_uv(environment: Path, python: Path) -> None:
    has_pip = not subprocess.run(
        [str(python), "-m", "pip", "--version"], capture_output=True
    ).returncode
    pip = (
        [str(python), "-m", "pip"]
        if has_pip
        else [sys.executable, "-m", "pip", "--python", str(python)]
    )
    options = ["install", "--quiet", "--disable-pip-version-check", "uv"]
    if subprocess.run([*pip, *options]).returncode:
        shutil.rmtree(environment, ignore_errors=True)
        fail("the installer could not be fetched; is the package index reachable?")


def _find_pango(environment: Path) -> None:
    """Let WeasyPrint find Pango: the system's, or one unpacked beside the environment."""
    import ctypes.util

    if ctypes.util.find_library("pango-1.0") or os.environ.get("THROUGHLINE_PANGO"):
        return
    unpacked = environment / "pango"
    if not unpacked.exists() and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        _unpack_pango(unpacked)
    libraries = next(iter(unpacked.glob("usr/lib/*-linux-gnu")), None)
    if libraries is None:
        say("Pango is not installed: PDFs are off (docs/operations.md says how to get it)")
        os.environ["THROUGHLINE_PANGO"] = "none"
        return
    fonts = unpacked / "fonts.conf"
    if not fonts.exists():
        fonts.write_text(
            f"<fontconfig><dir>{unpacked}/usr/share/fonts</dir>"
            f"<cachedir>{unpacked}/cache</cachedir></fontconfig>"
        )
    os.environ["THROUGHLINE_PANGO"] = str(libraries)
    os.environ["LD_LIBRARY_PATH"] = f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    os.environ["FONTCONFIG_FILE"] = str(fonts)
    os.execv(sys.executable, [sys.executable, *sys.argv])


def _unpack_pango(target: Path) -> None:
    """Fetch Debian's packages and unpack them without root."""
    simulated = subprocess.run(
        ["apt-get", "install", "-s", "--no-install-recommends", *PANGO],
        capture_output=True,
        text=True,
    )
    names = [line.split()[1] for line in simulated.stdout.splitlines() if line.startswith("Inst ")]
    if not names:
        return
    say("unpacking Pango for PDFs into .venv/pango")
    target.mkdir(parents=True)
    subprocess.run(["apt-get", "download", *names], cwd=target, capture_output=True)
    for package in target.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(target)])
        package.unlink()
